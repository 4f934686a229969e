// The engine's face: all that a replica knows of consensus.
//
// Events go in by the calls; what the engine owes the world comes out of drain() as one ordered
// list of effects, to be carried out in that order. An entry is opaque bytes with a zxid: the
// engine does not know what a znode is. The replica brings bytes from and to other servers over
// links, which are streams such as TCP gives: in order, until they break. What travels on them is
// the engine's own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"

namespace synod::consensus {

class Membership;

// ---- values -----------------------------------------------------------------------------------

struct Entry {
  Zxid zxid;
  SharedBytes bytes;  // encoded once, by the leader that made it; never null
};

enum class Role : std::uint8_t { kLooking, kFollowing, kObserving, kLeading };

struct Status {
  Role role = Role::kLooking;
  ServerId leader{};        // known while not looking; 0: nobody
  std::uint32_t epoch = 0;  // of that leader; 0 until it is settled
  // Clients may be served: the leader's inheritance is committed by a quorum; a learner has all of
  // it. While this is false nothing may be proposed or forwarded.
  bool is_serving = false;
  friend bool operator==(const Status&, const Status&) = default;
};

// What a server has of one of the configurations that followed on each other.
struct Instance {
  enum class State : std::uint8_t {
    kStopped,     // another one follows; what it decided is kept for others
    kRunning,     // this server takes part in it
    kNotStarted,  // this server does not hold all of what was decided before yet
    kStandingBy,  // this server is no member
  };
  Zxid configuration;
  State state{};
  std::vector<ServerId> members;  // rising
  friend bool operator==(const Instance&, const Instance&) = default;
};

// A stream to another server. Who opens it picks the number, unused before: engines odd ones (their
// dials), replicas even ones (what was accepted).
using LinkId = StrongId<struct LinkIdTag>;

// Which of a server's ports a link leads to. Engines of our own use kQuorum only.
enum class Port : std::uint8_t { kElection, kQuorum, kObserverMaster };

struct Endpoint {
  std::string host;  // a name or an address; resolved anew at every dial
  std::uint16_t port = 0;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// What leader and learners say to each other beside the log. The engine carries it in order with
// its own messages on the same link and does not look inside.
struct ServiceMessage {
  enum class Kind : std::uint8_t {
    kRequest,        // learner -> leader: a client's write or sync; `identities` are the client's
    kTouches,        // learner -> leader: sessions heard of; the answer to kTouchesWanted
    kRevalidate,     // learner -> leader: may this session go on here?
    kRevalidated,    // leader -> learner: the answer
    kSynced,         // leader -> learner: the oldest sync asked for and not answered yet
    kTouchesWanted,  // leader -> learner; made by the engine at its own pace
  } kind{};
  Bytes data;        // in the encoding of ZooKeeper's packet for it
  Bytes identities;  // of kRequest: an encoded vector of Id (its count first; count -1: null)
};

// What an entry is to the engines. Most of clients' are opaque; some entries engines make
// themselves.
enum class EntryKind : std::uint8_t {
  kClient,
  kNoOp,             // an engine's
  kReconfiguration,  // a client's: a new membership, whose version is the entry's zxid
  kConfiguration,    // an engine's: that membership alone counts from here on
};

// A membership in the log, or in the tree that the log begins with.
struct Configuration {
  Zxid zxid;         // of its entry
  EntryKind kind{};  // kReconfiguration or kConfiguration
  std::string text;  // Membership::to_text()
};

// Which entries are the engines' business, and how their own look among the clients', which is the
// replica's: bytes that ZooKeeper reads over. Pure; one thread.
class EntryForms {
 public:
  struct Form {
    EntryKind kind = EntryKind::kClient;
    BytesView payload;  // of a (re)configuration: its text; points into the entry
  };
  EntryForms() = default;
  EntryForms(const EntryForms&) = delete;
  EntryForms& operator=(const EntryForms&) = delete;
  virtual ~EntryForms() = default;
  // kNoOp and kConfiguration only.
  [[nodiscard]] virtual SharedBytes write(EntryKind kind, Zxid zxid, BytesView payload) const = 0;
  [[nodiscard]] virtual Form read(BytesView entry) const = 0;
};

// What a server knows of itself when it starts.
struct Beginning {
  // The last entry in its log (or in its snapshot, where the log is empty). Everything up to here
  // is durable, and none of it may be known to be committed.
  Zxid last_logged;
  // The log's last entries, oldest first, ending with last_logged; as many as are at hand.
  std::vector<Entry> recent;
  // Where epochs of the log ended, rising, as far as they are at hand: the last one goes on.
  std::vector<Zxid> epoch_ends;
  // All configurations in the log behind its tree, and the tree's own, oldest first.
  std::vector<Configuration> configurations;
  std::uint32_t accepted_epoch = 0;  // promised: see consensus.md 1
  std::uint32_t current_epoch = 0;   // the log was last synchronised under it
  ServerId voted_for{};              // in accepted_epoch; 0: nobody
  // False: this server may have forgotten what it promised or acknowledged (an empty or damaged
  // directory). It neither votes nor counts until it has been synchronised once, unless every voter
  // turns out to be new as well.
  bool has_memory = true;
  SteadyTimeMs now;
  std::uint64_t seed = 0;  // of the engine's own randomness
  // Outlives the engine. Null: no entry is the engine's business (Solo).
  const EntryForms* forms = nullptr;
};

// ---- effects ----------------------------------------------------------------------------------

namespace effect {

// To the log's end. Answered by durable().
struct Append {
  Entry entry;
};
// Everything after this zxid leaves the log; what is in the tree of it leaves the tree. Answered by
// was_cut().
struct Cut {
  Zxid after;
};
// Durable together, and after everything appended before. Answered by epochs_saved().
struct SaveEpochs {
  std::uint32_t accepted = 0;
  std::uint32_t current = 0;
  ServerId voted_for{};  // in `accepted`; nobody where votes bind nobody (all but Raft)
};
// Everything up to here may be applied. Never decreases while a server runs.
struct Commit {
  Zxid up_to;
};
struct StatusChanged {
  Status status;
};
// This membership is decided, here or as a leader says: for /zookeeper/config, and for the files
// that a server starts from. Behind the Commit of its entry, where it has one. The files are on
// disk before any effect behind this one is carried out: what Zab says afterwards relies on it.
struct Configured {
  std::string text;  // Membership::to_text()
};

// A link to the first of these that answers; linked() or unlinked() follows.
struct Dial {
  LinkId link;
  ServerId server;  // who should be there: its certificate must say so
  Port port{};
  std::vector<Endpoint> endpoints;
};
struct Send {
  LinkId link;
  Bytes bytes;
};
// What was sent before may still arrive. No event of this link follows.
struct Close {
  LinkId link;
  std::string reason;  // for one log line; empty: nothing unusual
};

// On this link, after what was sent before and ahead of what is sent later: the tree as it is now,
// with everything up to `zxid` applied, in the form of ZooKeeper's SNAP.
struct SendSnapshot {
  LinkId link;
  Zxid zxid;
};
// What arrives on this link from now on is a tree as of `zxid`, beginning with `first_bytes`. It
// replaces tree and log. Answered, once that is durable, by snapshot_installed().
struct ReceiveSnapshot {
  LinkId link;
  Zxid zxid;
  Bytes first_bytes;
};
// The log's entries in (after, up_to] are wanted for this link, if `after` is in the log as well.
// Answered by log_read(), in parts as the link takes them.
struct ReadLog {
  LinkId link;
  Zxid after;
  Zxid up_to;
};

// A service message arrived.
struct Deliver {
  LinkId from;
  ServiceMessage message;
};
// Answers read_index(): who has applied everything up to `zxid` sees all that was committed when it
// was asked.
struct ReadIndex {
  std::uint64_t token = 0;
  Zxid zxid;
};
// For the operator.
struct Warn {
  std::string text;
};

}  // namespace effect

using Effect = std::variant<effect::Append, effect::Cut, effect::SaveEpochs, effect::Commit,
                            effect::StatusChanged, effect::Configured, effect::Dial, effect::Send,
                            effect::Close, effect::SendSnapshot, effect::ReceiveSnapshot,
                            effect::ReadLog, effect::Deliver, effect::ReadIndex, effect::Warn>;
using Effects = std::vector<Effect>;

// ---- the engine -------------------------------------------------------------------------------

// One thread. Every call may add effects; drain after each, or after several.
class Engine {
 public:
  Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  virtual ~Engine() = default;

  // Once, first.
  virtual void start(const Beginning& beginning) = 0;

  // Time. Called with rising times before the events of a moment, and at next_deadline() at the
  // latest (a stalled server may be late: the engine expects that).
  virtual void tick(SteadyTimeMs now) = 0;
  [[nodiscard]] virtual std::optional<SteadyTimeMs> next_deadline() const { return std::nullopt; }

  // ---- the log
  // Everything up to here is on disk. Not called between a Cut and its answer.
  virtual void durable(Zxid up_to) = 0;
  // The log now ends at `last` (at most what was asked for). Nothing: it could not be cut, for no
  // snapshot old enough is left; log and tree are as before.
  virtual void was_cut(std::optional<Zxid> /*last*/) {}
  virtual void epochs_saved() {}
  // Part of the answer to ReadLog: entries without a gap behind the part before. `is_end`: this was
  // all. Nothing: some of it is no longer there.
  virtual void log_read(LinkId /*link*/, std::optional<std::vector<Entry>>&& /*entries*/,
                        bool /*is_end*/) {}
  // The tree asked for by ReceiveSnapshot is in place and durable, the log is empty; `rest` is what
  // arrived behind it, `configuration` the text that the tree has of its membership. If the link
  // breaks or the bytes are bad before that, unlinked() comes instead, and tree and log are as
  // before.
  virtual void snapshot_installed(LinkId /*link*/, Zxid /*zxid*/, BytesView /*rest*/,
                                  std::string_view /*configuration*/) {}

  // ---- links
  // Somebody dialled us.
  virtual void accepted(LinkId /*link*/, Port /*port*/) {}
  virtual void linked(LinkId /*link*/) {}
  // The link broke, the other end closed it, or the dial failed.
  virtual void unlinked(LinkId /*link*/) {}
  virtual void received(LinkId /*link*/, BytesView /*bytes*/) {}

  // ---- serving
  // Leading and serving only. The entry carries next_zxid().
  virtual void propose(Entry entry) = 0;
  [[nodiscard]] virtual Zxid next_zxid() const = 0;
  // Asks for an effect::ReadIndex. Leading and serving only; dropped when that ends.
  virtual void read_index(std::uint64_t token) = 0;
  // Following or observing, and serving.
  virtual void send_to_leader(const ServiceMessage& /*message*/) {}
  // Leading and serving: to the learner at the other end of a link.
  virtual void send_to_learner(LinkId /*link*/, const ServiceMessage& /*message*/) {}

  // ---- membership; a change of it is proposed as an entry of kind kReconfiguration
  // The newest in the log, decided or not. Null: there are no members to speak of (Solo).
  [[nodiscard]] virtual const Membership* membership() const { return nullptr; }
  // It is not settled yet, and no other may be proposed.
  [[nodiscard]] virtual bool is_reconfiguring() const { return false; }
  // Why the ensemble could not go on with this membership now (too few of its voters are connected
  // and have what they need), for an operator to read; nothing: it could. While leading only.
  [[nodiscard]] virtual std::optional<std::string> why_not(const Membership& /*next*/) const {
    return std::nullopt;
  }

  // ---- for status pages
  [[nodiscard]] virtual const Status& status() const = 0;
  // Of an engine that begins anew with each configuration; the latest last.
  [[nodiscard]] virtual std::vector<Instance> instances() const { return {}; }

  [[nodiscard]] virtual Effects drain() = 0;
};

}  // namespace synod::consensus
