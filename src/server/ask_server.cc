#include "server/ask_server.h"

#include <boost/asio/ip/tcp.hpp>
#include <charconv>
#include <sstream>
#include <utility>

namespace synod::server {

std::optional<std::string> ask_word(const ServerAddress& address, std::string_view word,
                                    std::chrono::milliseconds patience, std::string& trouble) {
  boost::asio::ip::tcp::iostream stream;
  stream.expires_after(patience);
  stream.connect(address.host, address.port);
  if (!stream) {
    trouble = stream.error().message();
    return std::nullopt;
  }
  stream << word << std::flush;
  std::ostringstream said;
  said << stream.rdbuf();
  if (!said.view().empty()) return std::move(said).str();
  const boost::system::error_code error = stream.error();
  trouble = error && error != boost::asio::error::eof ? error.message() : "it said nothing";
  return std::nullopt;
}

Answer parse_lines(const std::string& text, std::string_view separator) {
  Answer answer;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t at = line.find(separator);
    if (at == std::string::npos) continue;
    answer[line.substr(0, at)] = line.substr(at + separator.size());
  }
  return answer;
}

ServerAddress parse_address(std::string_view text) {
  ServerAddress address;
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

Answer ask_server(const ServerAddress& address, std::chrono::milliseconds patience,
                  std::string& trouble) {
  const auto quor = ask_word(address, "quor", patience, trouble);
  if (quor && quor->contains("mode=")) return parse_lines(*quor, "=");
  const auto srvr = ask_word(address, "srvr", patience, trouble);
  if (!srvr) return {};
  const Answer said = parse_lines(*srvr, ": ");
  const auto mode = said.find("Mode");
  if (mode == said.end()) return {{"mode", "looking"}, {"serving", "false"}};
  const auto zxid = said.find("Zxid");
  return {{"mode", mode->second},
          {"serving", "true"},
          {"zxid", zxid == said.end() ? "" : zxid->second}};
}

std::string_view value_of(const Answer& answer, std::string_view key) {
  const auto found = answer.find(key);
  return found == answer.end() || found->second.empty() ? "-" : std::string_view(found->second);
}

std::optional<Zxid> zxid_of(const Answer& answer) {
  std::string_view text = value_of(answer, "zxid");
  if (text.starts_with("0x")) text.remove_prefix(2);
  std::uint64_t zxid = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, zxid, 16);
  if (problem != std::errc{} || stop != end) return std::nullopt;
  return Zxid{static_cast<std::int64_t>(zxid)};
}

}  // namespace synod::server
