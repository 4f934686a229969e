// What servers of Raft and Omni-Paxos claim to each other, read from the frames of native links.
//
//   Raft (consensus.md 3.13)
//     RequestVote            term and the vote for itself are on disk
//     Vote                   the term is; where granted, the vote
//     Appended               what it says to have, and the term
//   Omni-Paxos (consensus.md 4.12)
//     Prepare, Promise       the promise is on disk, and the log that it tells of
//     AcceptSync, Accepted   the round is, and what is accepted in it
#pragma once

#include <map>
#include <utility>

#include "consensus/native/frames.h"
#include "consensus/omnipaxos/messages.h"
#include "consensus/raft/messages.h"
#include "sim/claims.h"

namespace synod::sim {

class NativeClaims : public Claims {
 public:
  using Claims::Claims;

  void started(std::size_t server) override;
  void accepted(std::size_t server, consensus::LinkId link, consensus::Port port) override;
  void effect(std::size_t server, const consensus::Effect& effect) override;

 protected:
  // As recovery reads it: a vote says that its epoch was promised, a log that goes into an epoch
  // that this was accepted.
  [[nodiscard]] std::int64_t durable_promise(std::size_t server) const;
  [[nodiscard]] std::int64_t durable_round(std::size_t server) const;
  void require_entry(std::size_t server, Zxid zxid, const char* message) const;

 private:
  struct Link {
    consensus::native::FrameReader frames;
    bool is_greeted = false;
    bool is_messages = false;
    ServerId to;
  };

  void sent(std::size_t server, Link& link, BytesView bytes);
  virtual void check(std::size_t server, ServerId to, BytesView message) = 0;

  std::map<std::pair<std::size_t, consensus::LinkId>, Link> links_;
};

class RaftClaims final : public NativeClaims {
 public:
  using NativeClaims::NativeClaims;

 private:
  void check(std::size_t server, ServerId to, BytesView message) override;
  void check_vote(std::size_t server, std::uint32_t term, ServerId candidate,
                  const char* message) const;
  void check_term(std::size_t server, std::uint32_t term, const char* message) const;
};

class OmniPaxosClaims final : public NativeClaims {
 public:
  using NativeClaims::NativeClaims;

 private:
  void check(std::size_t server, ServerId to, BytesView message) override;
  void check_promise(std::size_t server, consensus::omnipaxos::Ballot ballot,
                     const char* message) const;
  void check_round(std::size_t server, consensus::omnipaxos::Ballot ballot,
                   const char* message) const;
};

}  // namespace synod::sim
