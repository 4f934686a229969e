// One question to a server: who are you, do you serve, and how far have you come?
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace synod::server {

struct ServerAddress {
  std::string host = "127.0.0.1";
  std::string port = "2181";
};

// host:port, host, a port of this host, or [IPv6]:port.
[[nodiscard]] ServerAddress parse_address(std::string_view text);

// The whole answer to a four-letter word; nothing: none came, and `trouble` says why. Blocks, at
// most so long.
[[nodiscard]] std::optional<std::string> ask_word(const ServerAddress& address,
                                                  std::string_view word,
                                                  std::chrono::milliseconds patience,
                                                  std::string& trouble);

// In the keys and words of `quor` (see four_letter_words.h), whatever kind of server said it.
// Empty: nothing was said.
using Answer = std::map<std::string, std::string, std::less<>>;

// Asks for `quor` and, where that is not understood (a Java server), `srvr`. Blocks, at most so
// long for each; `trouble` says why there is no answer.
[[nodiscard]] Answer ask_server(const ServerAddress& address, std::chrono::milliseconds patience,
                                std::string& trouble);

// What a server said in lines of key, separator, value.
[[nodiscard]] Answer parse_lines(const std::string& text, std::string_view separator);

// "-" where it is not known.
[[nodiscard]] std::string_view value_of(const Answer& answer, std::string_view key);
[[nodiscard]] std::optional<Zxid> zxid_of(const Answer& answer);

}  // namespace synod::server
