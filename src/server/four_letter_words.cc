#include "server/four_letter_words.h"

#include <fmt/format.h>

#include <algorithm>

namespace synod::server {
namespace {

std::string srvr(const ServerFacts& facts) {
  const double average = facts.requests == 0 ? 0.0
                                             : static_cast<double>(facts.latency_ms_sum) /
                                                   static_cast<double>(facts.requests);
  return fmt::format(
      "Zookeeper version: {}\n"
      "Latency min/avg/max: {}/{:.4f}/{}\n"
      "Received: {}\nSent: {}\nConnections: {}\nOutstanding: {}\nZxid: 0x{:x}\nMode: "
      "standalone\nNode count: {}\n",
      kVersion, facts.latency_ms_min, average, facts.latency_ms_max, facts.packets_received,
      facts.packets_sent, facts.connections, facts.outstanding, facts.zxid.value, facts.nodes);
}

}  // namespace

std::string answer_word(std::string_view word, const std::vector<std::string>& whitelist,
                        const std::function<ServerFacts()>& facts) {
  const auto is_listed = [&](std::string_view name) {
    return std::ranges::find(whitelist, name) != whitelist.end();
  };
  if (word != "srvr" && !is_listed(word) && !is_listed("*")) {
    return fmt::format("{} is not executed because it is not in the whitelist.\n", word);
  }
  if (word == "ruok") return "imok";
  if (word == "isro") return "rw";
  if (word == "srvr") return srvr(facts());
  return fmt::format("{} is not answered by this version of Synod yet.\n", word);
}

}  // namespace synod::server
