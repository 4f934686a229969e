#include "storage/memory_files.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace synod::storage {
namespace {

constexpr std::uint64_t kSectorBytes = 512;  // written whole or not at all

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }
std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::unexpected<Error> no_such(const std::string& path) {
  return fail(ErrorKind::kNotFound, path + ": no such file or directory");
}

void overwrite(Bytes& content, std::uint64_t offset, BytesView bytes) {
  const auto at = static_cast<std::size_t>(offset);
  if (content.size() < at + bytes.size()) content.resize(at + bytes.size());
  bytes.copy(content.data() + at, bytes.size());
}

// How much of what was not flushed a power cut leaves. Coins alone would nearly never leave a large
// write whole, or lose it whole.
enum class Mercy : std::uint64_t { kNothing, kEverything, kCoins, kCount };

}  // namespace

struct MemoryFiles::File {
  struct Change {  // a write, or a new size
    SharedBytes bytes;
    std::uint64_t offset_or_size = 0;
  };

  Bytes content;          // as the process sees it
  Bytes flushed_content;  // as the disk has it
  std::vector<Change> unflushed;

  void change(Change change) {
    apply(content, change);
    unflushed.push_back(std::move(change));
  }
  void flush() {
    for (const Change& change : unflushed) apply(flushed_content, change);
    unflushed.clear();
  }
  void flip(std::size_t offset, char mask) {
    content[offset] = static_cast<char>(content[offset] ^ mask);
    if (offset < flushed_content.size()) {
      flushed_content[offset] = static_cast<char>(flushed_content[offset] ^ mask);
    }
  }
  void power_cut(const Chance& chance) {
    const auto mercy = static_cast<Mercy>(chance(static_cast<std::uint64_t>(Mercy::kCount)));
    const auto survives = [&] {
      return mercy == Mercy::kEverything || (mercy == Mercy::kCoins && chance(2) == 1);
    };
    for (const Change& change : unflushed) {
      if (change.bytes)
        keep_sectors(change, survives);
      else if (survives())
        apply(flushed_content, change);
    }
    unflushed.clear();
    content = flushed_content;
  }

 private:
  static void apply(Bytes& content, const Change& change) {
    if (change.bytes)
      overwrite(content, change.offset_or_size, *change.bytes);
    else
      content.resize(static_cast<std::size_t>(change.offset_or_size));
  }
  void keep_sectors(const Change& write, const auto& survives) {
    std::uint64_t offset = write.offset_or_size;
    BytesView rest = *write.bytes;
    while (!rest.empty()) {
      const BytesView piece = rest.substr(0, kSectorBytes - offset % kSectorBytes);
      if (survives()) overwrite(flushed_content, offset, piece);
      offset += piece.size();
      rest.remove_prefix(piece.size());
    }
  }
};

MemoryFiles::MemoryFiles() = default;
MemoryFiles::~MemoryFiles() = default;

// ---- The port

void MemoryFiles::submit(IoLane lane, IoToken token, FileBatch batch) {
  queue(lane).push_back({.token = token, .batch = std::move(batch)});
}

Result<void> MemoryFiles::perform(FileBatch batch) {
  for (const FileOp& op : batch) {
    if (Result<void> applied = apply(op); !applied) return applied;
  }
  return {};
}

Result<std::vector<DirectoryEntry>> MemoryFiles::list(const std::string& path) {
  const auto directory = directories_.find(path);
  if (directory == directories_.end()) return no_such(path);
  std::vector<DirectoryEntry> entries;
  for (const auto& [name, file] : directory->second.names) {
    entries.push_back({.name = name, .size = file->content.size()});
  }
  return entries;
}

Result<Bytes> MemoryFiles::read(const std::string& path, std::uint64_t offset, std::size_t count) {
  if (read_fault_) {
    if (auto fault = read_fault_(path, offset, count)) return std::unexpected(*std::move(fault));
  }
  const Result<FilePointer> file = file_at(path);
  if (!file) return std::unexpected(file.error());
  const Bytes& content = (*file)->content;
  if (offset >= content.size()) return Bytes{};
  return content.substr(static_cast<std::size_t>(offset), count);
}

Result<std::uint64_t> MemoryFiles::free_space(const std::string& /*path*/) {
  const std::uint64_t used = used_bytes();
  return used < capacity_bytes_ ? capacity_bytes_ - used : 0;
}

// ---- Its hands

std::optional<MemoryFiles::Completion> MemoryFiles::step(IoLane lane) {
  std::deque<Queued>& waiting = queue(lane);
  if (waiting.empty()) return std::nullopt;
  Queued& front = waiting.front();
  Result<void> applied;
  if (front.next < front.batch.size()) applied = apply(front.batch[front.next++]);
  if (applied && front.next < front.batch.size()) return std::nullopt;
  Completion completion{.token = front.token, .result = std::move(applied)};
  waiting.pop_front();
  return completion;
}

std::optional<MemoryFiles::Completion> MemoryFiles::run(IoLane lane) {
  while (!is_idle(lane)) {
    if (auto completion = step(lane)) return completion;
  }
  return std::nullopt;
}

bool MemoryFiles::is_idle(IoLane lane) const {
  return lane == IoLane::kLog ? log_queue_.empty() : background_queue_.empty();
}

void MemoryFiles::kill() {
  log_queue_.clear();
  background_queue_.clear();
  open_.clear();
}

void MemoryFiles::power_cut(const Chance& chance) {
  kill();
  for (auto& [path, directory] : directories_) {
    const std::size_t survivors = static_cast<std::size_t>(chance(directory.unflushed.size() + 1));
    for (std::size_t i = 0; i < survivors; ++i) {
      for (const NameChange& change : directory.unflushed[i]) {
        if (change.file)
          directory.flushed_names[change.name] = change.file;
        else
          directory.flushed_names.erase(change.name);
      }
    }
    directory.unflushed.clear();
    directory.names = directory.flushed_names;
    for (const auto& [name, file] : directory.names) file->power_cut(chance);
  }
}

void MemoryFiles::put(const std::string& path, Bytes content) {
  const auto file = std::make_shared<File>();
  file->content = file->flushed_content = std::move(content);
  const Result<void> made = apply_op(op::MakeDirectory{.path = parent_of(path)});
  SYNOD_ASSERT(made.has_value());
  Directory& directory = directories_.at(parent_of(path));
  directory.names[name_of(path)] = directory.flushed_names[name_of(path)] = file;
}

std::optional<Bytes> MemoryFiles::get(const std::string& path) const {
  const Result<FilePointer> file = file_at(path);
  if (!file) return std::nullopt;
  return (*file)->content;
}

std::vector<std::string> MemoryFiles::paths() const {
  std::vector<std::string> paths;
  for (const auto& [path, directory] : directories_) {
    for (const auto& [name, file] : directory.names) paths.push_back(path + "/" + name);
  }
  std::ranges::sort(paths);
  return paths;
}

bool MemoryFiles::flip(const std::string& path, std::uint64_t offset, char mask) {
  const Result<FilePointer> file = file_at(path);
  if (!file || offset >= (*file)->content.size()) return false;
  (*file)->flip(static_cast<std::size_t>(offset), mask);
  return true;
}

MemoryFiles::Image MemoryFiles::image() const {
  Image image;
  for (const auto& [path, directory] : directories_) {
    image.directories_.push_back(path);
    for (const auto& [name, file] : directory.names) {
      image.files_[path + "/" + name] = file->content;
    }
  }
  return image;
}

void MemoryFiles::restore(const Image& image) {
  wipe();
  for (const std::string& path : image.directories_) directories_[path];
  for (const auto& [path, content] : image.files_) put(path, content);
}

void MemoryFiles::wipe() {
  kill();
  directories_.clear();
}

// ---- Operations

Result<void> MemoryFiles::apply(const FileOp& op) {
  std::optional<Error> fault;
  if (fault_) fault = fault_(op);
  Result<void> applied;
  const bool can_be_lost =
      std::holds_alternative<op::Write>(op) || std::holds_alternative<op::Flush>(op);
  if (fault)
    applied = std::unexpected(*std::move(fault));
  else if (can_be_lost && phantom_ && phantom_(op))
    return {};
  else
    applied = dispatch(op);
  if (applied) return applied;
  std::visit(
      [&](const auto& failed) {
        if constexpr (requires { failed.handle; }) {
          const auto open = open_.find(failed.handle);
          if (open != open_.end()) open->second.has_failed = true;
        }
      },
      op);
  return applied;
}

Result<void> MemoryFiles::dispatch(const FileOp& op) {
  return std::visit([this](const auto& one) { return apply_op(one); }, op);
}

Result<void> MemoryFiles::apply_op(const op::MakeDirectory& op) {
  for (std::size_t slash = op.path.find('/', 1); slash != std::string::npos;
       slash = op.path.find('/', slash + 1)) {
    directories_[op.path.substr(0, slash)];
  }
  directories_[op.path];
  return {};
}

Result<void> MemoryFiles::apply_op(const op::Create& op) {
  const Result<Directory*> directory = directory_of(op.path);
  if (!directory) return std::unexpected(directory.error());
  FilePointer file;
  if (const auto existing = file_at(op.path)) {
    file = *existing;
    file->change({.bytes = nullptr, .offset_or_size = 0});
  } else {
    file = std::make_shared<File>();
    rename_in(**directory, {{.name = name_of(op.path), .file = file}});
  }
  SYNOD_ASSERT(!open_.contains(op.handle));
  open_[op.handle] = {.file = file};
  return {};
}

Result<void> MemoryFiles::apply_op(const op::Open& op) {
  const Result<FilePointer> file = file_at(op.path);
  if (!file) return std::unexpected(file.error());
  SYNOD_ASSERT(!open_.contains(op.handle));
  open_[op.handle] = {.file = *file};
  return {};
}

Result<void> MemoryFiles::apply_op(const op::Write& op) {
  const Result<OpenFile*> open = open_file(op.handle);
  if (!open) return std::unexpected(open.error());
  File& file = *(*open)->file;
  const std::uint64_t end = op.offset + op.bytes->size();
  if (capacity_bytes_ != UINT64_MAX && end > file.content.size() &&
      used_bytes() + (end - file.content.size()) > capacity_bytes_) {
    return fail(ErrorKind::kNoSpace, "no space left on the disk in memory");
  }
  file.change({.bytes = op.bytes, .offset_or_size = op.offset});
  return {};
}

Result<void> MemoryFiles::apply_op(const op::Flush& op) {
  const Result<OpenFile*> open = open_file(op.handle);
  if (!open) return std::unexpected(open.error());
  (*open)->file->flush();
  return {};
}

Result<void> MemoryFiles::apply_op(const op::Truncate& op) {
  const Result<OpenFile*> open = open_file(op.handle);
  if (!open) return std::unexpected(open.error());
  (*open)->file->change({.bytes = nullptr, .offset_or_size = op.size});
  return {};
}

Result<void> MemoryFiles::apply_op(const op::Close& op) {
  open_.erase(op.handle);
  return {};
}

Result<void> MemoryFiles::apply_op(const op::Rename& op) {
  SYNOD_ASSERT(parent_of(op.from) == parent_of(op.to));
  const Result<FilePointer> file = file_at(op.from);
  if (!file) return std::unexpected(file.error());
  const Result<Directory*> directory = directory_of(op.to);
  if (!directory) return std::unexpected(directory.error());
  rename_in(**directory,
            {{.name = name_of(op.from), .file = nullptr}, {.name = name_of(op.to), .file = *file}});
  return {};
}

Result<void> MemoryFiles::apply_op(const op::Remove& op) {
  if (!file_at(op.path)) return {};
  const Result<Directory*> directory = directory_of(op.path);
  if (!directory) return std::unexpected(directory.error());
  rename_in(**directory, {{.name = name_of(op.path), .file = nullptr}});
  return {};
}

Result<void> MemoryFiles::apply_op(const op::FlushDirectory& op) {
  const auto directory = directories_.find(op.path);
  if (directory == directories_.end()) return no_such(op.path);
  directory->second.flushed_names = directory->second.names;
  directory->second.unflushed.clear();
  return {};
}

Result<void> MemoryFiles::apply_op(const op::Read& op) {
  Result<Bytes> bytes = read(op.path, op.offset, op.count);
  if (!bytes) return std::unexpected(bytes.error());
  *op.into = *std::move(bytes);
  return {};
}

// ---- Helpers

void MemoryFiles::rename_in(Directory& directory, std::vector<NameChange> changes) {
  for (const NameChange& change : changes) {
    if (change.file)
      directory.names[change.name] = change.file;
    else
      directory.names.erase(change.name);
  }
  directory.unflushed.push_back(std::move(changes));
}

Result<MemoryFiles::Directory*> MemoryFiles::directory_of(const std::string& path) {
  const auto directory = directories_.find(parent_of(path));
  if (directory == directories_.end()) return no_such(parent_of(path));
  return &directory->second;
}

Result<MemoryFiles::FilePointer> MemoryFiles::file_at(const std::string& path) const {
  const auto directory = directories_.find(parent_of(path));
  if (directory == directories_.end()) return no_such(path);
  const auto file = directory->second.names.find(name_of(path));
  if (file == directory->second.names.end()) return no_such(path);
  return file->second;
}

Result<MemoryFiles::OpenFile*> MemoryFiles::open_file(FileHandle handle) {
  const auto open = open_.find(handle);
  if (open == open_.end()) return fail(ErrorKind::kIo, "the file is not open");
  if (open->second.has_failed)
    return fail(ErrorKind::kIo, "an earlier operation on the file failed");
  return &open->second;
}

std::deque<MemoryFiles::Queued>& MemoryFiles::queue(IoLane lane) {
  return lane == IoLane::kLog ? log_queue_ : background_queue_;
}

std::uint64_t MemoryFiles::used_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [path, directory] : directories_) {
    for (const auto& [name, file] : directory.names) bytes += file->content.size();
  }
  return bytes;
}

}  // namespace synod::storage
