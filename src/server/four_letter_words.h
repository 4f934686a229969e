// The four-letter words that answer already (reference, protocol section 15); the rest follow with
// the operator's tools.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace synod::server {

inline constexpr std::string_view kVersion = "3.9.5-synod-0.1.0";

// Every word that ZooKeeper knows: none of them is ever taken for a frame's length.
inline constexpr std::array<std::string_view, 17> kFourLetterWords{
    "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro",
    "mntr", "ruok", "srst", "srvr", "stat", "wchc", "wchp", "wchs"};

struct ServerFacts {
  std::uint64_t requests = 0;
  std::uint64_t latency_ms_min = 0;
  std::uint64_t latency_ms_max = 0;
  std::uint64_t latency_ms_sum = 0;
  std::uint64_t packets_received = 0;
  std::uint64_t packets_sent = 0;
  std::size_t connections = 0;
  std::size_t outstanding = 0;
  Zxid zxid;
  std::size_t nodes = 0;
};

// `whitelist` as in 4lw.commands.whitelist; `srvr` always answers.
[[nodiscard]] std::string answer_word(std::string_view word,
                                      const std::vector<std::string>& whitelist,
                                      const std::function<ServerFacts()>& facts);

}  // namespace synod::server
