// A follower's side of the links of observers that learn from it in place of the leader (reference,
// quorum protocol 5.8).
//
// On a link: LEADERINFO of the epoch that is followed, at once | DIFF, TRUNC or SNAP, up to what is
// known here to be committed | NEWLEADER | what is committed from then on, each an INFORM |
// UPTODATE as soon as NEWLEADER is acknowledged. What observers ask goes to the leader as if this
// server had asked it; nothing else here is ever felt by the leader, or by another observer.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "consensus/engine.h"
#include "consensus/zab/learner_links.h"
#include "consensus/zab/packets.h"
#include "consensus/zab/shared.h"

namespace synod::consensus::zab {

class ObserverMaster {
 public:
  explicit ObserverMaster(Shared& shared) : shared_(&shared), learners_(shared) {}

  // This server is up to date in its leader's epoch, and serves. Who came before is let in.
  void start();
  void close_links() { learners_.drop_all("this server does not follow its leader any more"); }

  void tick();
  [[nodiscard]] std::optional<SteadyTimeMs> next_deadline() const;

  // ---- links
  void accepted(LinkId link) { learners_.accepted(link); }
  [[nodiscard]] bool owns(LinkId link) const { return learners_.contains(link); }
  void unlinked(LinkId link) { learners_.unlinked(link); }
  void received(LinkId link, BytesView bytes);
  void log_read(LinkId link, std::optional<std::vector<Entry>> entries, bool is_end) {
    learners_.log_read(link, std::move(entries), is_end);
  }
  void flush() { learners_.flush(); }  // once a turn

  // Commits here, and tells the observers. With a designated leader the last of it is a change of
  // the membership.
  void commit(Zxid up_to, std::optional<ServerId> designated);

  // ---- questions to the leader: each link to it has one order of questions, and of answers
  // What observers ask.
  [[nodiscard]] std::vector<ServiceMessage> take_questions() {
    return std::exchange(questions_, {});
  }
  // This server's own clients ask: so do their answers come in between.
  void asked_by_us(const ServiceMessage& question) { note_question(question, std::nullopt); }
  // True: it answers an observer's question, and has gone there.
  [[nodiscard]] bool take_answer(const ServiceMessage& answer);
  // Behind this server's own touches: the sessions that observers have heard of. What does not fit
  // into a packet waits for the next.
  void add_touches(Bytes& touches);

 private:
  using Asker = std::optional<LinkId>;  // nothing: this server

  void handle(LearnerHandler& learner, const QuorumPacket& packet);
  void on_observer_info(LearnerHandler& learner, const QuorumPacket& packet);
  void on_ack_epoch(LearnerHandler& learner, const QuorumPacket& packet);
  void sync_when_due(LearnerHandler& learner);
  void on_new_leader_ack(LearnerHandler& learner, const QuorumPacket& packet);
  void handle_in_stream(LearnerHandler& learner, const QuorumPacket& packet);
  void on_ping_reply(LearnerHandler& learner, BytesView touches);
  void on_question(LearnerHandler& learner, ServiceMessage question);
  void note_question(const ServiceMessage& question, Asker asker);
  [[nodiscard]] Asker take_asker(const ServiceMessage& answer);

  Shared* shared_;
  LearnerLinks learners_;
  std::optional<std::uint32_t> epoch_;  // since start()
  SteadyTimeMs next_ping_;

  std::vector<ServiceMessage> questions_;
  std::deque<Asker> syncs_;  // asked and not answered, in order
  struct Revalidation {
    std::int64_t session = 0;
    Asker asker;
  };
  std::deque<Revalidation> revalidations_;        // likewise
  std::map<std::int64_t, std::int32_t> touched_;  // session, its timeout in ms
};

}  // namespace synod::consensus::zab
