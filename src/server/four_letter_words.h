// The four-letter words that answer already (reference, protocol section 15); the rest follow with
// the operator's tools.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace synod::server {

inline constexpr std::string_view kVersion = "3.9.5-synod-0.1.0";

struct ServerFacts {
  std::uint64_t packets_received = 0;
  std::uint64_t packets_sent = 0;
  std::size_t connections = 0;
  std::size_t outstanding = 0;
  Zxid zxid;
  std::size_t nodes = 0;
};

// Empty: this is no word. `whitelist` as in 4lw.commands.whitelist; `srvr` always answers.
[[nodiscard]] std::string answer_word(std::string_view word, const std::vector<std::string>& whitelist,
                                      const std::function<ServerFacts()>& facts);

}  // namespace synod::server
