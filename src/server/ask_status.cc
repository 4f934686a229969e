#include "server/ask_status.h"

#include <fmt/format.h>

#include <charconv>
#include <set>
#include <string_view>

#include "server/ask_server.h"

namespace synod::server {
namespace {

std::string row_of(const std::string& address, const Answer& facts) {
  const bool is_leaderless = value_of(facts, "leader") == "0";
  return fmt::format("{:<24} {:<4} {:<11} {:<7} {:<7} {}\n", address, value_of(facts, "server"),
                     value_of(facts, "mode"), is_leaderless ? "-" : value_of(facts, "leader"),
                     value_of(facts, "epoch"), value_of(facts, "zxid"));
}

// What other programs say is not believed to be a number.
std::size_t count_of(const Answer& facts, std::string_view key) {
  const std::string_view text = value_of(facts, key);
  std::size_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

std::string plural(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

// Of the ensemble as the last answer has it, and of the voters among those that were asked.
std::string summary(const Answer& facts, std::size_t voters_serving) {
  return fmt::format(
      "\nA quorum is {} of {}; {} can fail. Of the servers asked here, {} in service.\n",
      count_of(facts, "quorum"), plural(count_of(facts, "voters"), "voter"),
      count_of(facts, "tolerated"), plural(voters_serving, "voter"));
}

}  // namespace

StatusTable ask_status(const std::vector<std::string>& addresses,
                       std::chrono::milliseconds patience) {
  StatusTable table{fmt::format("{:<24} {:<4} {:<11} {:<7} {:<7} {}\n", "address", "id", "mode",
                                "leader", "epoch", "zxid"),
                    true};
  Answer known;  // of a server that knows its ensemble
  std::set<std::string, std::less<>> voters_serving;
  for (const std::string& address : addresses) {
    std::string trouble;
    const Answer facts = ask_server(parse_address(address), patience, trouble);
    const bool is_serving = value_of(facts, "serving") == "true";
    table.is_all_serving = table.is_all_serving && is_serving;
    if (facts.empty()) {
      table.text += fmt::format("{:<24} no answer: {}\n", address, trouble);
      continue;
    }
    table.text += row_of(address, facts);
    const std::string_view instances = value_of(facts, "instances");
    if (instances.contains(';')) table.text += fmt::format("{:<24} instances: {}\n", "", instances);
    if (!facts.contains("voters")) continue;
    known = facts;
    if (is_serving && value_of(facts, "mode") != "observer") {
      voters_serving.emplace(value_of(facts, "server"));
    }
  }
  if (!known.empty()) table.text += summary(known, voters_serving.size());
  return table;
}

}  // namespace synod::server
