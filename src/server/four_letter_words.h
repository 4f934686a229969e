// The four-letter words that answer already (reference, protocol section 15); the rest follow with
// the operator's tools.
//
// One word is Synod's own: `quor`, lines of key=value for `synod status`. srvr says nothing of
// quorum sizes and nothing at all while a server looks for a leader, which is when one asks; and
// tools compare its text with Java's, so nothing is added to it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "consensus/engine.h"
#include "replica/digest_log.h"
#include "replica/replica.h"

namespace synod::server {

inline constexpr std::string_view kVersion = "3.9.5-synod-0.1.0";

// Every word that ZooKeeper knows, and ours: none of them is ever taken for a frame's length.
inline constexpr std::array<std::string_view, 18> kFourLetterWords{
    "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro",
    "mntr", "quor", "ruok", "srst", "srvr", "stat", "wchc", "wchp", "wchs"};

// What a server knows of its ensemble; alone, it is a quorum of one.
struct QuorumFacts {
  ServerId self{1};
  std::string_view mode = "standalone";  // standalone, leader, follower, observer or looking
  bool is_serving = true;
  ServerId leader{1};
  std::uint32_t epoch = 0;
  Zxid zxid;
  std::size_t voters = 1;
  std::size_t quorum = 1;                        // the least number of voters that is one
  std::size_t tolerated = 0;                     // so many voters may fail, whichever they are
  std::int64_t version = 0;                      // of the membership
  std::string_view engine = "none";              // zab, raft or omnipaxos
  std::vector<consensus::Instance> instances{};  // where there are several to speak of
};

struct ServerFacts {
  QuorumFacts quorum;
  replica::ProposalSizes proposal_sizes;
  std::uint64_t requests = 0;
  std::uint64_t latency_ms_min = 0;
  std::uint64_t latency_ms_max = 0;
  std::uint64_t latency_ms_sum = 0;
  std::uint64_t packets_received = 0;
  std::uint64_t packets_sent = 0;
  std::size_t connections = 0;
  std::size_t outstanding = 0;
  std::size_t nodes = 0;
  std::vector<replica::DigestAt> digests;  // oldest first
};

// `whitelist` as in 4lw.commands.whitelist; `srvr` and `quor` always answer.
[[nodiscard]] std::string answer_word(std::string_view word,
                                      const std::vector<std::string>& whitelist,
                                      const std::function<ServerFacts()>& facts);

}  // namespace synod::server
