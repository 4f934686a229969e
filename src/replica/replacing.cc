// Another tree takes the place of this one: the log was cut below what it holds, or the leader sent
// a whole one.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "consensus/membership.h"
#include "replica/recovery_loader.h"
#include "replica/replica.h"

namespace synod::replica {

// ---- the log was cut --------------------------------------------------------------------------

// What the log still holds is on disk; the tree is made from it again. Blocks: nobody is served.
void Replica::was_cut(std::optional<Zxid> last, Time now) {
  if (last) {
    std::erase_if(uncommitted_, [&](const consensus::Entry& entry) {
      return entry.zxid > *last && entry.zxid <= cut_after_;
    });
    if (*last < state_->applied()) {
      RecoveryLoader loader(options_.owner_rules);
      const auto recovered =
          storage::recover(files_, options_.directory, options_.recovery, loader);
      if (!recovered) {
        failure_ = recovered.error();
        return;
      }
      const auto tree = loader.finish();
      if (tree->applied() != *last) {
        failure_ = Error{ErrorKind::kCorrupt,
                         fmt::format("the log was cut at 0x{:x}, and the directory now ends at "
                                     "0x{:x}",
                                     last->value, tree->applied().value)};
        return;
      }
      replace_tree(*tree, now);
    }
  } else {
    uncommitted_.insert(uncommitted_.end(), cut_tail_.rbegin(), cut_tail_.rend());
  }
  cut_tail_.clear();
  is_tree_stale_ = false;
  engine_->was_cut(last);
}

// ---- the leader sends its tree ----------------------------------------------------------------

void Replica::take_snapshot_bytes(BytesView bytes, Time now) {
  receiving_->heard_at = now.steady;
  if (!receiving_->intake) {
    receiving_->rest.append(bytes);
    return;
  }
  const auto is_complete = receiving_->intake->feed(bytes);
  if (!is_complete) {
    const LinkId link = receiving_->link;
    receiving_.reset();
    return drop_link(link, is_complete.error().text);
  }
  if (!*is_complete) return;
  receiving_->rest = receiving_->intake->take_rest();
  journal_.install(receiving_->intake->take_state());
  receiving_->intake.reset();
}

// The engine waits for us, and we for a leader that may have vanished without a word.
void Replica::drop_stalled_snapshot(Time now) {
  if (!receiving_ || !receiving_->intake) return;
  if (now.steady.value - receiving_->heard_at.value <= options_.max_pause_ms) return;
  const LinkId link = receiving_->link;
  receiving_.reset();
  drop_link(link, "nothing more comes of the leader's snapshot");
}

// The engine hears of it at once, or behind the installation if that can no longer be stopped.
void Replica::snapshot_link_gone() {
  if (!receiving_->intake && !journal_.drop_install()) {
    receiving_->is_link_gone = true;
    return;
  }
  const LinkId link = receiving_->link;
  receiving_.reset();
  engine_->unlinked(link);
}

void Replica::installed(std::unique_ptr<state::State> tree, Time now) {
  SYNOD_ASSERT(receiving_ && !receiving_->intake);
  const Receiving received = std::move(*std::exchange(receiving_, std::nullopt));
  uncommitted_.clear();
  replace_tree(*tree, now);
  is_tree_stale_ = false;
  is_digest_muted_ = true;
  committed_ = std::max(committed_, received.zxid);
  engine_->snapshot_installed(received.link, received.zxid, received.rest, state_->config_text());
  if (received.is_link_gone) engine_->unlinked(received.link);
}

// ---- in both cases ----------------------------------------------------------------------------

// Watches were set on another tree, and sessions may be gone: every client is asked to come again.
void Replica::replace_tree(state::State& by, Time now) {
  SYNOD_ASSERT(!status_.is_serving);
  end_all_clients();
  sender_.drop_all();
  const ReadersPaused paused(host_);
  state_->swap(by);
  digests_.clear();
  sessions_ = SessionTracker(options_.tick_ms);
  for (const auto& [id, timeout_ms] : state_->sessions()) sessions_.add(id, timeout_ms, now.steady);
  note_config(now);
}

// A tree may know of a later membership than our files do: its log said so. What has no version no
// log ever said.
void Replica::note_config(Time now) {
  if (options_.config_text.empty()) return;
  const Zxid version = state_->config_version();
  if (options_.primary.allows_reconfig && version > Zxid{} && version >= options_.config_version)
    return;
  state_->set_config(options_.config_text, options_.config_version, now.wall);
}

void Replica::carry_out(const consensus::effect::Configured& configured, Time now) {
  if (!options_.primary.allows_reconfig) return;
  const auto membership = consensus::Membership::parse(configured.text);
  SYNOD_ASSERT(membership.has_value());
  apply_committed(now);
  options_.config_text = configured.text;
  options_.config_version = Zxid{membership->version};
  if (!is_tree_stale_) note_config(now);
  if (auto done = host_.configured(configured.text); !done) failure_ = std::move(done.error());
}

}  // namespace synod::replica
