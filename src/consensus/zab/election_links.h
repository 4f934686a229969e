// The connections of the election port: at most one to each server, used both ways (ZooKeeper's
// QuorumCnxManager; reference, quorum protocol 2.1 to 2.4).
//
// Of two servers the one with the larger number dials the link that lives. The other dials as well,
// to be called back: its initial message is a challenge that it loses, and the link goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "consensus/engine.h"
#include "consensus/outbox.h"
#include "consensus/zab/election_messages.h"
#include "consensus/zab/joint_membership.h"

namespace synod::consensus::zab {

class ElectionLinks {
 public:
  struct Options {
    ServerId self;
    std::int64_t connect_timeout_ms = 5000;
    std::int64_t handshake_timeout_ms = 4000;
    std::vector<Endpoint> addresses = {};  // of ours, when we are no member
  };
  struct Message {
    ServerId from;
    Bytes payload;
    bool is_first = false;  // on its link: it may have been made long ago, for the link before
  };

  // The outbox outlives this.
  ElectionLinks(Options options, JointMembership members, Outbox& outbox);

  void accepted(LinkId link);
  void linked(LinkId link);
  void unlinked(LinkId link);
  void received(LinkId link, BytesView bytes);
  [[nodiscard]] bool owns(LinkId link) const { return links_.contains(link); }

  void tick(SteadyTimeMs now);
  [[nodiscard]] std::optional<SteadyTimeMs> next_deadline() const;

  // To be told to this server. Without a link it is kept until there is one, and replaced by what
  // is said later: only the newest vote counts. A new link begins with what was said last.
  void send(ServerId to, BytesView payload);
  // While voters are wanted, links to all of them are tried for again and again. When they are not
  // any more, what was said before is forgotten, and a link is dialled only to say something.
  void want_voters(bool is_wanted);

  [[nodiscard]] std::vector<Message> take_messages();
  // Whether a link to a voter has come up since the last call.
  [[nodiscard]] bool take_has_new_link();

  enum class Reach : std::uint8_t {
    kLinked,
    kTrying,  // a dial, or a call back, is under way
    kNone,    // the last attempt failed
  };
  [[nodiscard]] Reach reach(ServerId server) const;

 private:
  enum class Stage : std::uint8_t {
    kDialling,    // no answer yet
    kChallenged,  // our initial message is out; the other end closes and calls back
    kGreeting,    // accepted; its initial message is awaited
    kUp,          // notifications go both ways
  };
  struct Link {
    Stage stage{};
    ServerId server;                       // nobody while greeting
    Bytes input;                           // an unfinished message
    std::optional<SteadyTimeMs> deadline;  // of every stage but kUp
    bool is_heard = false;                 // a whole frame came
  };
  // A server we know of, by configuration or because it came to us.
  struct Peer {
    std::optional<LinkId> link;       // that is up
    std::optional<LinkId> dial;       // dialling or challenged
    std::vector<Endpoint> addresses;  // of a stranger: where it says it listens
    Bytes last;                       // said last, framed; empty: nothing
    bool is_last_sent = true;
    std::int64_t failures = 0;              // of attempts since it was last heard
    SteadyTimeMs next_dial;                 // not before
    std::optional<SteadyTimeMs> called_by;  // we lost the challenge: its call is awaited until then
    std::optional<SteadyTimeMs> waits_since;  // something was said then, nothing heard since
  };

  [[nodiscard]] bool is_member(ServerId server) const;
  [[nodiscard]] std::vector<Endpoint> own_addresses() const;
  [[nodiscard]] bool is_wanted(ServerId server, const Peer& peer) const;
  [[nodiscard]] std::optional<SteadyTimeMs> silence_deadline(const Peer& peer) const;

  void dial(ServerId server, Peer& peer);
  void dial_if_due(ServerId server, Peer& peer);
  void install(ServerId server, LinkId link);
  void say(Peer& peer);
  // The link goes: closed by us, or already gone.
  void drop(LinkId link, std::string reason = {});
  void forget(LinkId link);
  void retry_later(Peer& peer);

  void greet(LinkId link);
  void greeted_by_smaller(LinkId link, const InitialMessage& message);
  void greeted_by_larger(LinkId link, const InitialMessage& message, std::size_t message_size);
  void greeted_by_nameless(LinkId link, std::size_t message_size);
  [[nodiscard]] bool has_room_for(ServerId server);
  void make_room_for_greeting();
  void read_frames(LinkId link);

  Options options_;
  JointMembership members_;
  Outbox& outbox_;
  SteadyTimeMs now_;
  bool wants_voters_ = false;
  bool has_new_link_ = false;
  std::int64_t nameless_count_ = 0;  // the nameless are numbered down from -1
  std::map<LinkId, Link> links_;
  std::map<ServerId, Peer> peers_;
  std::vector<Message> messages_;
};

}  // namespace synod::consensus::zab
