// What the whole ensemble has done so far, as nobody in it can know, and the rules that no moment
// of a run may break. The servers' engines are looked at from outside (watched_engine.h): entries
// appended and cut, commits, roles; the disks say themselves what is flushed.
//
// Each check is named as in the table of README.md (G: any engine; Z: Zab).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "consensus/engine.h"
#include "consensus/membership.h"
#include "jute/txn.h"

namespace synod::sim {

struct CommittedEntry {
  Zxid zxid;
  SharedBytes bytes;
  std::uint32_t under = 0;  // the epoch of the leader that committed it, which may be a later one
};

class Ghost {
 public:
  using Complain = std::function<void(std::string text)>;

  // `membership` is the first; `first_counter`: of an epoch's first entry.
  Ghost(consensus::Membership membership, std::size_t servers, std::uint32_t first_counter,
        Complain complain);

  // ---- what servers do; `server` counts from 0, its id from 1
  void started(std::size_t server, const consensus::Beginning& beginning);
  void stopped(std::size_t server);
  void wiped(std::size_t server);    // its disk is empty
  void damaged(std::size_t server);  // what it had on disk may be gone, or not
  void proposed(std::size_t server, const consensus::Entry& entry);
  void effect(std::size_t server, const consensus::Effect& effect);
  void was_cut(std::size_t server, std::optional<Zxid> last);
  void installed(std::size_t server, Zxid zxid);
  void flushed(std::size_t server, const std::vector<Zxid>& zxids);
  void epochs_saved(std::size_t server);
  // After every turn of a server: its tree, and whether clients see it.
  void looked_at(std::size_t server, Zxid applied, std::uint64_t digest, bool is_serving);
  // A client was told this zxid.
  void shown(Zxid zxid);

  // ---- what is known
  [[nodiscard]] const std::vector<CommittedEntry>& committed() const { return committed_; }
  [[nodiscard]] Zxid last_committed() const {
    return committed_.empty() ? Zxid{} : committed_.back().zxid;
  }
  // The newest that is committed.
  [[nodiscard]] const consensus::Membership& membership() const {
    return memberships_.back().membership;
  }
  [[nodiscard]] std::size_t reconfigurations() const { return memberships_.size() - 1; }
  [[nodiscard]] bool remembers(std::size_t server) const { return servers_[server].has_memory; }
  [[nodiscard]] const consensus::Status& status(std::size_t server) const {
    return servers_[server].status;
  }
  // Everything the server was heard to have on disk; what an acknowledgement may claim.
  [[nodiscard]] bool has_durable(std::size_t server, Zxid zxid) const;
  [[nodiscard]] Zxid last_durable(std::size_t server) const;
  // Everything that it has from the epochs before this zxid's.
  [[nodiscard]] bool has_durable_before(std::size_t server, Zxid zxid) const;
  // The highest acceptedEpoch it ever wanted saved.
  [[nodiscard]] std::int64_t promised_epoch(std::size_t server) const;
  [[nodiscard]] Zxid last_logged(std::size_t server) const;
  // Would the ensemble still know all that was committed, and still have a quorum that remembers,
  // without the disks of these servers?
  [[nodiscard]] bool could_lose(const std::vector<bool>& without) const;
  // Would this membership have such a quorum?
  [[nodiscard]] bool could_change_to(const consensus::Membership& next,
                                     const std::vector<bool>& without) const;
  [[nodiscard]] std::uint64_t leader_changes() const { return leader_changes_; }

 private:
  [[nodiscard]] consensus::Servers remembering(const std::vector<bool>& without) const;

  struct Link {               // of the chain: an entry, ever appended anywhere
    std::int64_t before = 0;  // zxid
    std::uint64_t hash = 0;   // of everything up to here
    SharedBytes bytes;
  };
  struct Server {
    std::vector<std::int64_t> log;  // zxids, from the very first, whether in log or snapshot
    std::vector<std::int64_t> log_before_cut;  // while a cut is under way
    std::size_t durable = 0;                   // so many of them are flushed
    std::size_t committed = 0;                 // so many of them the engine has declared committed
    std::int64_t commit_said = 0;
    std::optional<Zxid> snapshot_due;
    // What it had on disk when that was wiped: acknowledged before, and counted by leaders after.
    std::vector<std::int64_t> lost_log;
    bool has_memory = false;  // as its disk says
    bool counts = false;      // it knows itself: it has served since, or started so. (Raft may let
                              // a server serve before it remembers.)
    bool is_damaged = false;
    std::uint64_t life = 0;
    consensus::Status status;
    Zxid applied;
    std::uint32_t accepted_epoch = 0;
    std::uint32_t current_epoch = 0;
    ServerId voted_for;                                  // in accepted_epoch
    std::deque<consensus::effect::SaveEpochs> saving{};  // asked for, not on disk yet
  };
  struct Leader {
    std::size_t server = 0;
    std::uint64_t life = 0;
    bool has_served = false;  // it proposed what a client asked for
  };

  void complain(std::size_t server, const std::string& text);
  void append(std::size_t server, const consensus::Entry& entry);
  Leader& leader_proposes(std::size_t server, const consensus::Entry& entry);
  void commit(std::size_t server, Zxid up_to);
  void extend_committed(std::size_t server, std::size_t count);
  void role_changed(std::size_t server, const consensus::Status& status);
  void save_epochs(std::size_t server, const consensus::effect::SaveEpochs& epochs);
  [[nodiscard]] std::vector<std::int64_t> chain_to(std::size_t server, Zxid zxid);
  [[nodiscard]] bool holds(const Server& server, std::size_t count) const;
  [[nodiscard]] bool is_backed(const Server& by, std::size_t before, std::size_t count) const;
  [[nodiscard]] std::vector<const consensus::Membership*> pending_in(const Server& server) const;
  [[nodiscard]] bool may_lead(std::size_t server) const;
  void note_membership(const consensus::Entry& entry);
  void check_ignorant(std::size_t server, const char* after, const consensus::Membership& of,
                      bool knows, std::size_t reconfigured);
  void check_nothing_lost(std::size_t server, const char* after);

  struct Configured {
    std::size_t count = 0;  // so many entries were committed with the one that says so
    consensus::Membership membership;
  };
  std::vector<Configured> memberships_;  // committed, the first of all first
  std::map<std::int64_t, consensus::Membership> reconfigurations_;  // ever appended, by zxid
  std::uint32_t first_counter_;
  Complain complain_;
  std::vector<Server> servers_;
  std::map<std::int64_t, Link> chain_;
  std::vector<CommittedEntry> committed_;
  std::map<std::uint32_t, Leader> leader_of_;  // by epoch
  std::map<std::int64_t, std::uint64_t> digests_;
  std::uint64_t leader_changes_ = 0;
};

}  // namespace synod::sim
