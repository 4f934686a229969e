#include "server/four_letter_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace synod::server {
namespace {

constexpr std::array<std::string_view, 17> kWords{"conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro",
                                                  "mntr", "ruok", "srst", "srvr", "stat", "wchc", "wchp", "wchs"};

std::string srvr(const ServerFacts& facts) {
  return fmt::format(
      "Zookeeper version: {}, built on 11/21/2026 00:00 UTC\n"
      "Latency min/avg/max: 0/0.0/0\n"
      "Received: {}\nSent: {}\nConnections: {}\nOutstanding: {}\nZxid: 0x{:x}\nMode: standalone\nNode count: {}\n",
      kVersion, facts.packets_received, facts.packets_sent, facts.connections, facts.outstanding,
      facts.zxid.value, facts.nodes);
}

}  // namespace

std::string answer_word(std::string_view word, const std::vector<std::string>& whitelist,
                        const std::function<ServerFacts()>& facts) {
  if (std::ranges::find(kWords, word) == kWords.end()) return "";
  const auto is_listed = [&](std::string_view name) { return std::ranges::find(whitelist, name) != whitelist.end(); };
  if (word != "srvr" && !is_listed(word) && !is_listed("*")) {
    return fmt::format("{} is not executed because it is not in the whitelist.\n", word);
  }
  if (word == "ruok") return "imok";
  if (word == "isro") return "rw";
  if (word == "srvr") return srvr(facts());
  return fmt::format("{} is not answered by this version of Synod yet.\n", word);
}

}  // namespace synod::server
