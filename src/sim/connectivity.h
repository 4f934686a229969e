// Partial connectivity: links are cut so that few servers, or one, still reach a quorum, and an
// engine goes on or does not (consensus.md 7). Not a test of right and wrong but a measurement;
// that nothing is violated meanwhile, and that all is well once the links are whole, is checked as
// ever.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/recorder.h"
#include "sim/timeline.h"
#include "sim/trace.h"

namespace synod::sim {

// Of the servers' links only some are left (consensus.md 7.1); A is who is to go on, or should be
// left alone.
enum class Cut : std::uint8_t {
  kQuorumLoss,   // five; only the links of A, which does not lead, are left: a star
  kConstrained,  // the same and the leader alone; A lost it half a timeout before, and is behind
  kChained,      // three; the leader and another do not reach each other, both reach A
  kTails,        // five; a triangle, of which one leads, and on each of the other two hangs another
  kRing,  // five, each with two or three others; the leader and the last do not reach each other
};
struct CutName {
  Cut cut;
  std::string_view name;
};
inline constexpr std::array kCutNames{
    CutName{Cut::kQuorumLoss, "quorum-loss"}, CutName{Cut::kConstrained, "constrained-election"},
    CutName{Cut::kChained, "chained"},
    CutName{Cut::kTails, "howard-abraham"},  // Decentralized Thoughts, December 2020
    CutName{Cut::kRing, "nuraft"}};          // its page about PreVote

struct CutOptions {
  Cut cut{};
  std::string engine = "zab";  // as WorldOptions has it
  std::uint64_t seed = 1;      // the phase in which the links are cut, and all else
  int timeouts = 20;           // how long they stay so
  bool is_recorded = false;
  Trace::Sink trace{};
};

struct CutReport {
  // Until an entry was committed that nobody had logged at the cut, in election timeouts; below 0:
  // none was while the links were cut.
  double recovered_after = -1;
  double longest_gap = 0;            // between commits, in election timeouts
  std::uint64_t leader_changes = 0;  // while they were cut
  std::uint32_t epochs_opened = 0;   // promised by anybody meanwhile
  std::optional<RunRecord> record;   // from a little before the cut, which is its zero
  std::vector<std::string> violations;
};

[[nodiscard]] CutReport play_cut(const CutOptions& options);
// What the report counts in: the time without a word after which the engine's servers seek another
// leader.
[[nodiscard]] Micros election_timeout_of(std::string_view engine);

}  // namespace synod::sim
