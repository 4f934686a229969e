#include "server/ask_status.h"

#include <fmt/format.h>

#include <boost/asio/ip/tcp.hpp>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>

namespace synod::server {
namespace {

using Facts = std::map<std::string, std::string, std::less<>>;

struct Address {
  std::string host = "127.0.0.1";
  std::string port = "2181";
};

Address parse_address(std::string_view text) {
  Address address;
  const std::size_t colon = text.rfind(':');
  const bool is_port_alone = text.find_first_not_of("0123456789") == std::string_view::npos;
  if (is_port_alone) {
    address.port = text;
  } else if (colon == std::string_view::npos || text.ends_with(']')) {
    address.host = text;
  } else {
    address.host = text.substr(0, colon);
    address.port = text.substr(colon + 1);
  }
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  return address;
}

// The answer to a four-letter word, or nothing and why in `trouble`.
std::optional<std::string> ask(const Address& address, std::string_view word,
                               std::chrono::milliseconds patience, std::string& trouble) {
  boost::asio::ip::tcp::iostream stream;
  stream.expires_after(patience);
  stream.connect(address.host, address.port);
  if (!stream) {
    trouble = stream.error().message();
    return std::nullopt;
  }
  stream << word << std::flush;
  std::ostringstream answer;
  answer << stream.rdbuf();
  if (!answer.view().empty()) return std::move(answer).str();
  const boost::system::error_code error = stream.error();
  trouble = error && error != boost::asio::error::eof ? error.message() : "it said nothing";
  return std::nullopt;
}

// Lines of key, separator, value.
Facts parse_lines(const std::string& text, std::string_view separator) {
  Facts facts;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t at = line.find(separator);
    if (at == std::string::npos) continue;
    facts[line.substr(0, at)] = line.substr(at + separator.size());
  }
  return facts;
}

// In the words of `quor`, whatever kind of server it is.
Facts ask_server(const Address& address, std::chrono::milliseconds patience, std::string& trouble) {
  const auto quor = ask(address, "quor", patience, trouble);
  if (quor && quor->contains("mode=")) return parse_lines(*quor, "=");
  const auto srvr = ask(address, "srvr", patience, trouble);
  if (!srvr) return {};
  const Facts said = parse_lines(*srvr, ": ");
  const auto mode = said.find("Mode");
  if (mode == said.end()) return {{"mode", "looking"}, {"serving", "false"}};
  const auto zxid = said.find("Zxid");
  return {{"mode", mode->second},
          {"serving", "true"},
          {"zxid", zxid == said.end() ? "" : zxid->second}};
}

std::string_view value_of(const Facts& facts, std::string_view key) {
  const auto found = facts.find(key);
  return found == facts.end() || found->second.empty() ? "-" : std::string_view(found->second);
}

std::string row_of(const std::string& address, const Facts& facts) {
  const bool is_leaderless = value_of(facts, "leader") == "0";
  return fmt::format("{:<24} {:<4} {:<11} {:<7} {:<7} {}\n", address, value_of(facts, "server"),
                     value_of(facts, "mode"), is_leaderless ? "-" : value_of(facts, "leader"),
                     value_of(facts, "epoch"), value_of(facts, "zxid"));
}

// What other programs say is not believed to be a number.
std::size_t count_of(const Facts& facts, std::string_view key) {
  const std::string_view text = value_of(facts, key);
  std::size_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

std::string plural(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

// Of the ensemble as the last answer has it, and of the voters among those that were asked.
std::string summary(const Facts& facts, std::size_t voters_serving) {
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
  Facts known;  // of a server that knows its ensemble
  std::set<std::string, std::less<>> voters_serving;
  for (const std::string& address : addresses) {
    std::string trouble;
    const Facts facts = ask_server(parse_address(address), patience, trouble);
    const bool is_serving = value_of(facts, "serving") == "true";
    table.is_all_serving = table.is_all_serving && is_serving;
    if (facts.empty()) {
      table.text += fmt::format("{:<24} no answer: {}\n", address, trouble);
      continue;
    }
    table.text += row_of(address, facts);
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
