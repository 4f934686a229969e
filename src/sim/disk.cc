#include "sim/disk.h"

#include <utility>

#include "jute/codec.h"
#include "storage/data_directory.h"
#include "storage/epoch_files.h"
#include "storage/flushed_mark.h"
#include "storage/log_format.h"

namespace synod::sim {
namespace {

namespace op = storage::op;
using storage::IoLane;

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }
bool is_log(const std::string& path) { return name_of(path).starts_with("log."); }
bool is_history(const std::string& path) {
  return is_log(path) || name_of(path).starts_with("snapshot.");
}

// The transactions of a batch for the log: whole records, the file's header before the first.
std::vector<Zxid> zxids_in(const op::Write& write) {
  constexpr std::size_t kZxidOffset = 12;  // behind session and cxid
  std::vector<Zxid> zxids;
  BytesView rest = *write.bytes;
  if (write.offset == 0) rest.remove_prefix(std::min(rest.size(), storage::kLogHeader.size()));
  while (rest.size() > storage::kRecordFrameBytes + kZxidOffset + 8) {
    const auto length =
        static_cast<std::size_t>(jute::load_big_endian<std::int32_t>(rest.data() + 8));
    if (length == 0 || length + storage::kRecordFrameBytes > rest.size()) break;
    zxids.push_back({jute::load_big_endian<std::int64_t>(rest.data() + storage::kRecordPrefixBytes +
                                                         kZxidOffset)});
    rest.remove_prefix(length + storage::kRecordFrameBytes);
  }
  return zxids;
}

// A file of one line, which takes another's place when it is renamed.
bool is_epoch_file(const std::string& path) {
  return name_of(path).find("Epoch") != std::string::npos ||
         name_of(path).starts_with(storage::kVotedForName);
}

}  // namespace

Disk::Disk(Timeline& timeline, std::uint64_t seed, std::uint64_t number, DiskOptions options,
           Hooks hooks)
    : timeline_(timeline),
      dice_(dice(seed, Part::kDisk, number)),
      options_(options),
      hooks_(std::move(hooks)),
      files_(std::make_unique<storage::MemoryFiles>()) {
  files_->set_fault([this](const storage::FileOp& op) { return fault(op); });
  files_->set_read_fault([this](const std::string& path, std::uint64_t, std::size_t) {
    return dice_.per_mille(read_fails_per_mille_)
               ? std::optional(Error{ErrorKind::kIo, path + ": sector not readable (injected)"})
               : std::nullopt;
  });
}

// ---- FilePort ---------------------------------------------------------------------------------

void Disk::submit(IoLane lane, storage::IoToken token, storage::FileBatch batch) {
  next_latency_ = batch.empty() ? 0 : latency(batch.front());
  files_->submit(lane, token, std::move(batch));
  schedule(lane);
}

Result<void> Disk::perform(storage::FileBatch batch) { return files_->perform(std::move(batch)); }

Result<std::vector<storage::DirectoryEntry>> Disk::list(const std::string& path) {
  return files_->list(path);
}
Result<Bytes> Disk::read(const std::string& path, std::uint64_t offset, std::size_t count) {
  return files_->read(path, offset, count);
}
Result<std::uint64_t> Disk::free_space(const std::string& path) { return files_->free_space(path); }

// ---- time -------------------------------------------------------------------------------------

Micros Disk::latency(const storage::FileOp& op) {
  Micros mean = options_.other_latency;
  if (std::holds_alternative<op::Write>(op)) mean = options_.write_latency;
  if (std::holds_alternative<op::Flush>(op)) mean = options_.flush_latency;
  Micros draw = 5 + dice_.skewed(mean);
  if (extra_latency_ > 0) draw += dice_.between(0, extra_latency_);
  return draw;
}

void Disk::schedule(IoLane lane) {
  bool& is_stepping = is_stepping_[static_cast<std::size_t>(lane)];
  if (is_stepping || files_->is_idle(lane)) return;
  is_stepping = true;
  timeline_.after(next_latency_, [this, lane, life = life_] {
    if (life == life_) step(lane);
  });
}

void Disk::step(IoLane lane) {
  is_stepping_[static_cast<std::size_t>(lane)] = false;
  if (crash_in_ == 0) {
    crash_in_.reset();
    return hooks_.crash();
  }
  auto completed = files_->step(lane);
  // The next operation is not known before it is done; a flush is what takes long.
  next_latency_ = 5 + dice_.skewed(completed ? options_.write_latency : options_.flush_latency / 2);
  if (extra_latency_ > 0) next_latency_ += dice_.between(0, extra_latency_);
  schedule(lane);
  if (completed) hooks_.done(completed->token, std::move(completed->result));
}

// ---- faults -----------------------------------------------------------------------------------

std::optional<Error> Disk::fault(const storage::FileOp& op) {
  ++operations_;
  if (is_crashing_ || crash_in_ == 0) {
    // Within a blocking batch (or a step that was counted before): nothing more is done, and the
    // crash follows as soon as the call is over.
    if (!std::exchange(is_crashing_, true)) {
      timeline_.after(0, [this, life = life_] {
        if (life == life_) hooks_.crash();
      });
    }
    return Error{ErrorKind::kIo, "the machine is crashing (injected)"};
  }
  if (crash_in_) --*crash_in_;
  if (fails_flush_ && std::holds_alternative<op::Flush>(op)) {
    fails_flush_ = false;
    return Error{ErrorKind::kIo, "fdatasync failed (injected)"};
  }
  if (fails_write_ && std::holds_alternative<op::Write>(op)) {
    fails_write_ = false;
    return Error{ErrorKind::kIo, "write failed (injected)"};
  }
  note(op);
  return std::nullopt;
}

void Disk::process_died() {
  ++life_;
  is_stepping_[0] = is_stepping_[1] = false;
  crash_in_.reset();
  is_crashing_ = fails_flush_ = fails_write_ = false;
  files_->kill();
  open_.clear();
  flushed_.clear();
  unnamed_.clear();
}

void Disk::power_cut() {
  process_died();
  files_->power_cut([this](std::uint64_t bound) { return dice_.below(bound); });
  dirty_.clear();
  renamed_texts_.clear();
  flushed_texts_.clear();
  durable_texts_.clear();
  for (const std::string& path : files_->paths()) {
    if (is_epoch_file(path)) durable_texts_[path] = files_->get(path).value_or("");
  }
}

void Disk::wipe() {
  process_died();
  files_->wipe();
  is_damaged_ = false;
  dirty_.clear();
  renamed_texts_.clear();
  flushed_texts_.clear();
  durable_texts_.clear();
}

// Of the newest log only what the mark vouches for is fair: above it nobody can tell damage from
// what a crash left of a write (storage/flushed_mark.h).
std::uint64_t Disk::damageable_bytes(const std::string& path) {
  const std::uint64_t size = files_->get(path).value_or("").size();
  if (!is_log(path)) return size;
  const auto mark = storage::read_mark(*files_, path.substr(0, path.rfind('/')));
  if (!mark || !*mark) return 0;
  const std::string newest = storage::log_name((*mark)->log_first_zxid);
  return name_of(path) == newest ? std::min(size, (*mark)->offset) : size;
}

bool Disk::flip_bit(Dice& dice) {
  std::vector<std::string> candidates;
  for (const std::string& path : files_->paths()) {
    if (is_history(path) && !dirty_.contains(path) && damageable_bytes(path) > 0)
      candidates.push_back(path);
  }
  if (candidates.empty()) return false;
  const std::string& path = dice.one_of(candidates);
  is_damaged_ = true;
  return files_->flip(path, dice.below(damageable_bytes(path)),
                      static_cast<char>(1 << dice.below(8)));
}

void Disk::fill_up(bool is_full) {
  files_->set_capacity(UINT64_MAX);
  if (is_full) files_->set_capacity(UINT64_MAX - files_->free_space("/").value_or(0));
}

void Disk::heal() {
  fill_up(false);
  read_fails_per_mille_ = 0;
  extra_latency_ = 0;
  crash_in_.reset();
  fails_flush_ = fails_write_ = false;
}

// ---- what is flushed --------------------------------------------------------------------------

void Disk::note(const storage::FileOp& op) {
  if (const auto* create = std::get_if<op::Create>(&op)) {
    open_[create->handle] = {.path = create->path};
    if (is_history(create->path)) dirty_.insert(create->path);
    if (is_log(create->path)) unnamed_[create->path];
  } else if (const auto* open = std::get_if<op::Open>(&op)) {
    open_[open->handle] = {.path = open->path};
  } else if (const auto* write = std::get_if<op::Write>(&op)) {
    note_write(*write);
  } else if (const auto* truncate = std::get_if<op::Truncate>(&op)) {
    const auto file = open_.find(truncate->handle);
    if (file != open_.end() && is_history(file->second.path)) dirty_.insert(file->second.path);
  } else if (const auto* flush = std::get_if<op::Flush>(&op)) {
    note_flush(*flush);
  } else if (const auto* close = std::get_if<op::Close>(&op)) {
    open_.erase(close->handle);
  } else if (const auto* rename = std::get_if<op::Rename>(&op)) {
    note_rename(*rename);
  } else if (const auto* remove = std::get_if<op::Remove>(&op)) {
    dirty_.erase(remove->path);
  } else if (const auto* directory = std::get_if<op::FlushDirectory>(&op)) {
    for (auto& [path, text] : renamed_texts_) {
      if (path.starts_with(directory->path + "/")) durable_texts_[path] = text;
    }
    std::erase_if(renamed_texts_, [&](const auto& renamed) {
      return renamed.first.starts_with(directory->path + "/");
    });
    std::erase_if(unnamed_, [&](const auto& file) {
      if (!file.first.starts_with(directory->path + "/")) return false;
      flushed_.insert(flushed_.end(), file.second.begin(), file.second.end());
      return true;
    });
  }
}

void Disk::note_write(const op::Write& write) {
  const auto found = open_.find(write.handle);
  if (found == open_.end()) return;
  OpenFile& file = found->second;
  if (is_history(file.path)) dirty_.insert(file.path);
  if (is_log(file.path)) {
    for (const Zxid zxid : zxids_in(write)) file.written.push_back(zxid);
  } else if (is_epoch_file(file.path)) {
    file.text = *write.bytes;
  }
}

void Disk::note_flush(const op::Flush& flush) {
  const auto found = open_.find(flush.handle);
  if (found == open_.end()) return;
  OpenFile& file = found->second;
  dirty_.erase(file.path);
  const auto unnamed = unnamed_.find(file.path);
  std::vector<Zxid>& flushed = unnamed == unnamed_.end() ? flushed_ : unnamed->second;
  for (const Zxid zxid : std::exchange(file.written, {})) flushed.push_back(zxid);
  if (!file.text.empty()) flushed_texts_[file.path] = file.text;
}

void Disk::note_rename(const op::Rename& rename) {
  if (dirty_.erase(rename.from) > 0) dirty_.insert(rename.to);
  for (auto& [handle, file] : open_) {
    if (file.path == rename.from) file.path = rename.to;
  }
  const auto text = flushed_texts_.extract(rename.from);
  if (!text.empty()) renamed_texts_[rename.to] = text.mapped();
}

std::string Disk::durable_text(const std::string& name) const {
  for (const auto& [path, text] : durable_texts_) {
    if (name_of(path) == name) return text;
  }
  return {};
}

std::vector<std::string> Disk::unflushed() const {
  std::vector<std::string> paths;
  for (const std::string& path : dirty_) {
    if (is_history(path) && name_of(path).find(".tmp") == std::string::npos && files_->get(path))
      paths.push_back(path);
  }
  return paths;
}

}  // namespace synod::sim
