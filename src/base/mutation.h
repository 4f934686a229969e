// Bugs to put back, one at a time, into a test build: the proof that the simulator would find them
// (tests/mutations). In every other build is_mutated() is a constant false and leaves no trace.
//
// Each names a rule that real systems broke; where it is broken in our code is marked by the call.
#pragma once

#include <synod_mutants.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace synod {

enum class Mutation : std::uint8_t {
  kNone,
  // reliability.md 3.2, by number
  kDiffInsteadOfTrunc,         // 1: a follower that is ahead gets DIFF
  kSnapshotOfUncommitted,      // 3: a snapshot holds what was never committed
  kSnapNotFlushed,             // 6: the tree received by SNAP is not durable before what follows
  kGapInDiff,                  // 8: entries between the on-disk log and memory are left out
  kAckBeforeFlush,             // 9: NEWLEADER is acknowledged before the history is on disk
  kEpochBeforeHistory,         // 10: currentEpoch is written before the history
  kCommitLostAroundNewLeader,  // 11: a COMMIT between NEWLEADER and UPTODATE is dropped
  kHoleInHistory,              // 13: what came by DIFF is missing from what is sent on
  kErrorLeavesHole,            // 15: a failed write is skipped and the log goes on
  kSnapshotSurvivesTrunc,      // 20: TRUNC leaves newer snapshots behind
  // consensus.md 5.5, the durability order
  kAcceptedEpochNotDurable,  // ACKEPOCH before acceptedEpoch is on disk
  kCurrentEpochNotDurable,   // NEWLEADER is acknowledged before currentEpoch is on disk
  kTxnAckBeforeFlush,        // a PROPOSAL is acknowledged before it is on disk
  kLeaderCountsItselfEarly,  // the leader counts itself before its own flush
  kVoteBeforeFlush,          // a vote claims what is not on disk
  // consensus.md 3.12, 3.13: Raft
  kRaftVoteNotDurable,           // a vote leaves before it is on disk
  kRaftTwoVotesInATerm,          // whom this server voted for in the term is not looked at
  kRaftPriorTermByCounting,      // an entry of an earlier term commits by counting (rare)
  kRaftCommitBeyondMatch,        // a follower is told of commits it is not known to have
  kRaftTruncateWithoutConflict,  // a message that ends earlier than the log cuts it
  // consensus.md 3.10: Raft's changes of membership
  kRaftJointAsksNewOnly,            // while joint, the old side is not asked (rare)
  kRaftConfigurationWhenCommitted,  // a configuration counts once it is committed, not before
  // consensus.md 4.7, 4.8, 4.12: Omni-Paxos
  kPromiseNotDurable,  // a promise leaves before it is on disk
  kAnyPromise,         // a leader goes on with its own log, whatever was promised
  kCompareLengthOnly,  // the longest log wins, whatever round accepted it (rare)
  kRoundBeforeLog,     // the accepted round is on disk before the log that was accepted in it
  kAcceptOverGap,      // a broken link is taken up again where it was, with what it lost left out
  // quorum-protocol 6: changes of Zab's membership
  kZabNewQuorumIsEnough,  // a change, and what is behind it, takes the new quorum alone (rare)
  kZabLeadsWhoKnowsMore,  // who knows of a newer membership is led and voted for (rare)
  // consensus.md 4.11: its stop-signs
  kBeyondStopSign,     // a leader goes on proposing behind the stop-sign (rare)
  kUndecidedStopSign,  // the next configuration starts when the stop-sign is logged (rare)
  // What scenarios guard besides. "(rare)": random seeds meet it once in hundreds of runs.
  kZxidBeforeEpoch,      // 2: a longer log outranks a later epoch
  kTailNotInherited,     // 4: a new leader counts only what it knew to be committed
  kChunkIsPacket,        // 5: a packet is taken to lie in one piece
  kSnapStopsWrites,      // 19: nothing else is said to anybody while a tree is sent (rare)
  kWalkNotFreed,         // a snapshot that is given up keeps the tree's walk (rare)
  kNoRollOver,           // 23: an epoch goes on when its zxids are used up (rare)
  kClosedSessionWrites,  // 26: nobody asks whether a write's session is still open (rare)
  kNoSessionMoved,       // 27: whoever forwards a session's write is believed
  kLeadsAlone,           // 30: a leader that no quorum hears goes on
  kReadIndexUnasked,     // 30: a leader answers reads without asking whether it still leads (rare)
  kWipedVotes,           // NuRaft#185: a server votes and counts though it forgot what it said
  kSerialUnchecked,      // Raft 8: a command is repeated without asking whether it was executed
};

struct MutationName {
  Mutation mutation;
  std::string_view name;
};

// What `--mutation` takes.
inline constexpr std::array kMutationNames{
    MutationName{Mutation::kDiffInsteadOfTrunc, "diff-instead-of-trunc"},
    MutationName{Mutation::kSnapshotOfUncommitted, "snapshot-of-uncommitted"},
    MutationName{Mutation::kSnapNotFlushed, "snap-not-flushed"},
    MutationName{Mutation::kGapInDiff, "gap-in-diff"},
    MutationName{Mutation::kAckBeforeFlush, "ack-before-flush"},
    MutationName{Mutation::kEpochBeforeHistory, "epoch-before-history"},
    MutationName{Mutation::kCommitLostAroundNewLeader, "commit-lost-around-newleader"},
    MutationName{Mutation::kHoleInHistory, "hole-in-history"},
    MutationName{Mutation::kErrorLeavesHole, "error-leaves-hole"},
    MutationName{Mutation::kSnapshotSurvivesTrunc, "snapshot-survives-trunc"},
    MutationName{Mutation::kAcceptedEpochNotDurable, "accepted-epoch-not-durable"},
    MutationName{Mutation::kCurrentEpochNotDurable, "current-epoch-not-durable"},
    MutationName{Mutation::kTxnAckBeforeFlush, "txn-ack-before-flush"},
    MutationName{Mutation::kLeaderCountsItselfEarly, "leader-counts-itself-early"},
    MutationName{Mutation::kVoteBeforeFlush, "vote-before-flush"},
    MutationName{Mutation::kRaftVoteNotDurable, "raft-vote-not-durable"},
    MutationName{Mutation::kRaftTwoVotesInATerm, "raft-two-votes-in-a-term"},
    MutationName{Mutation::kRaftPriorTermByCounting, "raft-prior-term-by-counting"},
    MutationName{Mutation::kRaftCommitBeyondMatch, "raft-commit-beyond-match"},
    MutationName{Mutation::kRaftTruncateWithoutConflict, "raft-truncate-without-conflict"},
    MutationName{Mutation::kRaftJointAsksNewOnly, "raft-joint-asks-new-only"},
    MutationName{Mutation::kRaftConfigurationWhenCommitted, "raft-configuration-when-committed"},
    MutationName{Mutation::kPromiseNotDurable, "omni-promise-not-durable"},
    MutationName{Mutation::kAnyPromise, "omni-any-promise"},
    MutationName{Mutation::kCompareLengthOnly, "omni-compare-length-only"},
    MutationName{Mutation::kRoundBeforeLog, "omni-round-before-log"},
    MutationName{Mutation::kAcceptOverGap, "omni-accept-over-gap"},
    MutationName{Mutation::kZabNewQuorumIsEnough, "zab-new-quorum-is-enough"},
    MutationName{Mutation::kZabLeadsWhoKnowsMore, "zab-leads-who-knows-more"},
    MutationName{Mutation::kBeyondStopSign, "omni-beyond-stop-sign"},
    MutationName{Mutation::kUndecidedStopSign, "omni-undecided-stop-sign"},
    MutationName{Mutation::kZxidBeforeEpoch, "zxid-before-epoch"},
    MutationName{Mutation::kTailNotInherited, "tail-not-inherited"},
    MutationName{Mutation::kChunkIsPacket, "chunk-is-packet"},
    MutationName{Mutation::kSnapStopsWrites, "snap-stops-writes"},
    MutationName{Mutation::kWalkNotFreed, "walk-not-freed"},
    MutationName{Mutation::kNoRollOver, "no-roll-over"},
    MutationName{Mutation::kClosedSessionWrites, "closed-session-writes"},
    MutationName{Mutation::kNoSessionMoved, "no-session-moved"},
    MutationName{Mutation::kLeadsAlone, "leads-alone"},
    MutationName{Mutation::kReadIndexUnasked, "read-index-unasked"},
    MutationName{Mutation::kWipedVotes, "wiped-votes"},
    MutationName{Mutation::kSerialUnchecked, "serial-unchecked"},
};

#ifdef SYNOD_MUTANTS
inline Mutation active_mutation = Mutation::kNone;  // set once, before anything runs
[[nodiscard]] inline bool is_mutated(Mutation mutation) { return active_mutation == mutation; }
#else
[[nodiscard]] constexpr bool is_mutated(Mutation /*mutation*/) { return false; }
#endif

}  // namespace synod
