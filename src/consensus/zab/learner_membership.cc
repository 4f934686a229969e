// Following through a change of the membership (reference, quorum protocol 6.3, 6.5).
#include <fmt/format.h>

#include <utility>

#include "consensus/zab/learner.h"
#include "jute/codec.h"

namespace synod::consensus::zab {

void Learner::note_configuration(BytesView text) {
  auto membership = Membership::parse(text);
  if (membership) configuration_ = *std::move(membership);
}

void Learner::note_designated(BytesView data) {
  if (data.size() >= sizeof(std::int64_t)) designated_ = ServerId{jute::Reader(data).i64()};
}

// UPTODATE decides what came with NEWLEADER, but for a change that is still under way: ZooKeeper's
// leaders name that one too. Its commit comes as any other's.
void Learner::adopt_configuration() {
  if (!shared_->options.is_reconfig_enabled || !configuration_) return;
  const Zxid version{configuration_->version};
  const bool is_of_an_entry = version.epoch() == epoch_ && version.counter() != 0;
  if (is_of_an_entry && version > commit_mark_) return;
  shared_->journal.adopt(*std::exchange(configuration_, std::nullopt));
}

// Another leader, or another role under the same one, begins on a new link.
void Learner::follow_configuration() {
  if (!shared_->options.is_reconfig_enabled) return;
  const JointMembership members = shared_->members();
  const ServerId self = shared_->options.self;
  const auto designated = std::exchange(designated_, std::nullopt);
  ServerId next = leader_;
  if (designated && members.decided().is_voter(*designated)) next = *designated;
  if (next == leader_ && members.is_observer(self) == is_observing()) return;
  successor_ = next;
  leave_after_ = shared_->journal.last_logged();
  leave_when_acknowledged();
}

// What the leader proposed before the change still takes a quorum of those before it: us, perhaps.
void Learner::leave_when_acknowledged() {
  if (!successor_ || (!unacked_.empty() && unacked_.front() <= leave_after_)) return;
  end(*successor_ == leader_
          ? std::string("the membership has changed, and this server's role")
          : fmt::format("the membership has changed, and server {} leads", successor_->value));
}

}  // namespace synod::consensus::zab
