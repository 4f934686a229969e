// Following as an observer master (reference, quorum protocol 5.8): what observers ask goes out on
// this server's own link, and what it hears there goes on to them.
#include <utility>

#include "consensus/zab/learner.h"

namespace synod::consensus::zab {

void Learner::accepted(LinkId link) {
  if (observers_ && !ended_)
    observers_->accepted(link);
  else
    shared_->outbox.close(link);
}

void Learner::log_read(LinkId link, std::optional<std::vector<Entry>> entries, bool is_end) {
  if (observers_) observers_->log_read(link, std::move(entries), is_end);
}

void Learner::flush() {
  if (observers_) observers_->flush();
}

void Learner::serve_observer(LinkId link, BytesView bytes) {
  observers_->received(link, bytes);
  for (const ServiceMessage& question : observers_->take_questions()) ask(question);
}

void Learner::commit(Zxid up_to, std::optional<ServerId> designated) {
  if (observers_)
    observers_->commit(up_to, designated);
  else
    shared_->journal.commit(up_to);
}

}  // namespace synod::consensus::zab
