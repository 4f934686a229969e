#include "consensus/configurations.h"

#include <utility>

namespace synod::consensus {

void Configurations::start(Membership initial, const Beginning& beginning) {
  forms_ = beginning.forms;
  decided_ = std::move(initial);
  undecided_.clear();
  for (const Configuration& configuration : beginning.configurations)
    add(configuration.zxid, configuration.kind, configuration.text);
  ++revision_;
}

// What cannot be read no leader of ours proposed; it changes nothing.
void Configurations::add(Zxid zxid, EntryKind kind, std::string_view text) {
  auto membership = Membership::parse(text);
  if (!membership || zxid.value <= decided_.version) return;
  if (!undecided_.empty() && zxid <= undecided_.back().zxid) return;  // a fuzzy snapshot's
  if (kind == EntryKind::kReconfiguration && membership->version != zxid.value) return;
  undecided_.push_back({zxid, kind, std::move(*membership)});
  ++revision_;
}

void Configurations::append(const Entry& entry) {
  if (forms_ == nullptr) return;
  const EntryForms::Form form = forms_->read(*entry.bytes);
  if (form.kind == EntryKind::kReconfiguration || form.kind == EntryKind::kConfiguration)
    add(entry.zxid, form.kind, form.payload);
}

void Configurations::cut(Zxid last) {
  while (!undecided_.empty() && undecided_.back().zxid > last) {
    undecided_.pop_back();
    ++revision_;
  }
}

bool Configurations::commit(Zxid up_to) {
  const std::int64_t before = decided_.version;
  while (!undecided_.empty() && undecided_.front().zxid <= up_to) {
    decided_ = std::move(undecided_.front().membership);
    undecided_.pop_front();
    ++revision_;
  }
  return decided_.version != before;
}

// The tree may hold more than is decided: that is known when its position is.
void Configurations::installed(std::string_view text) {
  undecided_.clear();
  ++revision_;
  if (const auto membership = Membership::parse(text))
    add(Zxid{membership->version}, EntryKind::kReconfiguration, text);
}

bool Configurations::adopt(Membership decided) {
  if (decided.version <= decided_.version) return false;
  decided_ = std::move(decided);
  while (!undecided_.empty() && undecided_.front().zxid.value <= decided_.version)
    undecided_.pop_front();
  ++revision_;
  return true;
}

}  // namespace synod::consensus
