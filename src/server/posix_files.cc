#include "server/posix_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <system_error>
#include <utility>

namespace synod::server {
namespace {

using storage::DirectoryEntry;
using storage::FileBatch;
using storage::FileHandle;
using storage::FileOp;
using storage::IoLane;
using storage::IoToken;
namespace op = storage::op;

// Reads errno, so: call it at once. Its text goes to an operator.
std::unexpected<Error> failed(std::string_view what, const std::string& path) {
  const int code = errno;
  ErrorKind kind = ErrorKind::kIo;
  if (code == ENOSPC || code == EDQUOT) kind = ErrorKind::kNoSpace;
  if (code == ENOENT) kind = ErrorKind::kNotFound;
  return fail(kind, fmt::format("cannot {} {}: {} (errno {})", what, path,
                                std::generic_category().message(code), code));
}

template <class Call>
auto retried(const Call& call) {  // when a signal came in between
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

Result<Descriptor> open_path(const std::string& path, int flags) {
  constexpr ::mode_t kMode = 0644;
  Descriptor descriptor(retried([&] { return ::open(path.c_str(), flags | O_CLOEXEC, kMode); }));
  if (descriptor.number() < 0) return failed("open", path);
  return descriptor;
}

Result<void> flush_directory(const std::string& path) {
  const Result<Descriptor> directory = open_path(path, O_RDONLY | O_DIRECTORY);
  if (!directory) return std::unexpected(directory.error());
  if (::fsync(directory->number()) != 0) return failed("flush the directory", path);
  return {};
}

// A directory that a crash takes away again would take the log in it along.
Result<void> make_directory(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash);
  if (::mkdir(path.c_str(), 0755) != 0) {
    struct ::stat status{};
    if (errno == EEXIST && ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
    if (errno != ENOENT || parent.empty() || parent == path)
      return failed("make the directory", path);
    if (Result<void> made = make_directory(parent); !made) return made;
    if (::mkdir(path.c_str(), 0755) != 0) return failed("make the directory", path);
  }
  return flush_directory(parent.empty() ? "/" : parent);
}

Result<void> write_all(int descriptor, std::vector<::iovec> pieces, std::uint64_t offset,
                       const std::string& path) {
  std::size_t first = 0;
  while (first < pieces.size()) {
    const auto written = retried([&] {
      return ::pwritev(descriptor, pieces.data() + first,
                       static_cast<int>(std::min<std::size_t>(pieces.size() - first, IOV_MAX)),
                       static_cast<::off_t>(offset));
    });
    if (written < 0) return failed("write", path);
    offset += static_cast<std::uint64_t>(written);
    auto left = static_cast<std::size_t>(written);
    while (first < pieces.size() && left >= pieces[first].iov_len) left -= pieces[first++].iov_len;
    if (first < pieces.size()) {
      pieces[first].iov_base = static_cast<char*>(pieces[first].iov_base) + left;
      pieces[first].iov_len -= left;
    }
  }
  return {};
}

}  // namespace

// Once an operation on it failed, nothing more is written or flushed: the kernel may have dropped
// what it could not write, and a second flush would succeed without it.
class PosixFiles::OpenFile {
 public:
  OpenFile(Descriptor descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Result<void> write(std::vector<::iovec> pieces, std::uint64_t offset) {
    return guard([&] { return write_all(descriptor_.number(), std::move(pieces), offset, path_); });
  }
  Result<void> flush() {
    return guard([&]() -> Result<void> {
      if (::fdatasync(descriptor_.number()) != 0) return failed("flush", path_);
      return {};
    });
  }
  Result<void> resize(std::uint64_t size) {
    return guard([&]() -> Result<void> {
      const auto done =
          retried([&] { return ::ftruncate(descriptor_.number(), static_cast<::off_t>(size)); });
      if (done != 0) return failed("resize", path_);
      return {};
    });
  }

 private:
  template <class Work>
  Result<void> guard(const Work& work) {
    if (has_failed_) {
      return fail(ErrorKind::kIo,
                  fmt::format("{} is in doubt since an operation on it failed", path_));
    }
    Result<void> done = work();
    if (!done) has_failed_ = true;
    return done;
  }

  Descriptor descriptor_;
  std::string path_;
  std::atomic<bool> has_failed_ = false;
};

// ---- Lanes

PosixFiles::PosixFiles(Done done) : done_(std::move(done)) {
  for (Lane* const each : {&log_lane_, &background_lane_}) {
    each->thread = std::thread([this, each] { run(*each); });
  }
}

PosixFiles::~PosixFiles() {
  stop(log_lane_);
  stop(background_lane_);
}

PosixFiles::Lane& PosixFiles::lane(IoLane which) {
  return which == IoLane::kLog ? log_lane_ : background_lane_;
}

void PosixFiles::submit(IoLane which, IoToken token, FileBatch batch) {
  Lane& to = lane(which);
  bool must_wake = false;
  {
    const std::lock_guard lock(to.mutex);
    to.waiting.push_back({.token = token, .batch = std::move(batch)});
    must_wake = std::exchange(to.is_asleep, false);
  }
  if (must_wake) to.is_wanted.notify_one();
}

void PosixFiles::run(Lane& lane) {
  std::unique_lock lock(lane.mutex);
  for (;;) {
    while (lane.waiting.empty() && !lane.is_stopping) {
      lane.is_asleep = true;
      lane.is_wanted.wait(lock);
    }
    lane.is_asleep = false;
    if (lane.waiting.empty()) return;
    const Submitted work = std::move(lane.waiting.front());
    lane.waiting.pop_front();
    lock.unlock();
    done_(work.token, apply(work.batch));
    lock.lock();
  }
}

void PosixFiles::stop(Lane& lane) {
  {
    const std::lock_guard lock(lane.mutex);
    lane.is_stopping = true;
  }
  lane.is_wanted.notify_one();
  lane.thread.join();
}

// ---- Operations

Result<void> PosixFiles::perform(FileBatch batch) { return apply(batch); }

Result<void> PosixFiles::apply(const FileBatch& batch) {
  for (std::size_t next = 0; next < batch.size();) {
    Result<void> done;
    if (std::holds_alternative<op::Write>(batch[next]))
      done = write(batch, next);
    else
      done = apply_one(batch[next++]);
    if (!done) return done;
  }
  return {};
}

// Writes that continue each other in one file are one call.
Result<void> PosixFiles::write(const FileBatch& batch, std::size_t& next) {
  const auto& first = std::get<op::Write>(batch[next]);
  const Result<std::shared_ptr<OpenFile>> file = find(first.handle);
  if (!file) return std::unexpected(file.error());
  std::vector<::iovec> pieces;
  std::uint64_t end = first.offset;
  for (; next < batch.size(); ++next) {
    const auto* one = std::get_if<op::Write>(&batch[next]);
    if (one == nullptr || one->handle != first.handle || one->offset != end) break;
    pieces.push_back({.iov_base = const_cast<char*>(one->bytes->data()),  // pwritev only reads it
                      .iov_len = one->bytes->size()});
    end += one->bytes->size();
  }
  return (*file)->write(std::move(pieces), first.offset);
}

Result<void> PosixFiles::open(FileHandle handle, const std::string& path, int flags) {
  Result<Descriptor> descriptor = open_path(path, flags);
  if (!descriptor) return std::unexpected(descriptor.error());
  const std::lock_guard lock(open_mutex_);
  open_[handle] = std::make_shared<OpenFile>(*std::move(descriptor), path);
  return {};
}

Result<std::shared_ptr<PosixFiles::OpenFile>> PosixFiles::find(FileHandle handle) {
  const std::lock_guard lock(open_mutex_);
  const auto found = open_.find(handle);
  if (found == open_.end()) {
    return fail(ErrorKind::kIo, "the file is not open: an earlier operation must have failed");
  }
  return found->second;
}

Result<void> PosixFiles::apply_one(const FileOp& operation) {
  struct Visitor {
    PosixFiles& files;

    Result<void> operator()(const op::MakeDirectory& one) const { return make_directory(one.path); }
    Result<void> operator()(const op::Create& one) const {
      return files.open(one.handle, one.path, O_WRONLY | O_CREAT | O_TRUNC);
    }
    // What may only be read (a restored backup, say) can still be flushed.
    Result<void> operator()(const op::Open& one) const {
      const bool is_writable = ::access(one.path.c_str(), W_OK) == 0 || errno == ENOENT;
      return files.open(one.handle, one.path, is_writable ? O_WRONLY : O_RDONLY);
    }
    Result<void> operator()(const op::Write&) const { return {}; }  // see write()
    Result<void> operator()(const op::Flush& one) const {
      const auto file = files.find(one.handle);
      return file ? (*file)->flush() : std::unexpected(file.error());
    }
    Result<void> operator()(const op::Truncate& one) const {
      const auto file = files.find(one.handle);
      return file ? (*file)->resize(one.size) : std::unexpected(file.error());
    }
    Result<void> operator()(const op::Close& one) const {
      const std::lock_guard lock(files.open_mutex_);
      files.open_.erase(one.handle);
      return {};
    }
    Result<void> operator()(const op::Rename& one) const {
      if (::rename(one.from.c_str(), one.to.c_str()) != 0) return failed("rename", one.from);
      return {};
    }
    Result<void> operator()(const op::Remove& one) const {
      if (::unlink(one.path.c_str()) != 0 && errno != ENOENT) return failed("remove", one.path);
      return {};
    }
    Result<void> operator()(const op::FlushDirectory& one) const {
      return flush_directory(one.path);
    }
    Result<void> operator()(const op::Read& one) const {
      Result<Bytes> bytes = files.read(one.path, one.offset, one.count);
      if (!bytes) return std::unexpected(bytes.error());
      *one.into = *std::move(bytes);
      return {};
    }
  };
  return std::visit(Visitor{*this}, operation);
}

// ---- The blocking half

Result<std::vector<DirectoryEntry>> PosixFiles::list(const std::string& path) {
  const std::unique_ptr<::DIR, int (*)(::DIR*)> directory(::opendir(path.c_str()), ::closedir);
  if (!directory) return failed("list", path);
  std::vector<DirectoryEntry> entries;
  for (;;) {
    errno = 0;
    const ::dirent* const entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    struct ::stat status{};
    if (::fstatat(::dirfd(directory.get()), entry->d_name, &status, 0) != 0) {
      if (errno == ENOENT) continue;  // gone meanwhile, or a link to nothing
      return failed("look at", path + "/" + entry->d_name);
    }
    if (!S_ISREG(status.st_mode)) continue;
    entries.push_back({.name = entry->d_name, .size = static_cast<std::uint64_t>(status.st_size)});
  }
  if (errno != 0) return failed("list", path);
  std::ranges::sort(entries, {}, &DirectoryEntry::name);
  return entries;
}

Result<Bytes> PosixFiles::read(const std::string& path, std::uint64_t offset, std::size_t count) {
  const Result<Descriptor> file = open_path(path, O_RDONLY);
  if (!file) return std::unexpected(file.error());
  bool is_refused = false;
  Bytes bytes;
  bytes.resize_and_overwrite(count, [&](char* to, std::size_t room) {
    std::size_t have = 0;
    while (have < room) {
      const auto got = retried([&] {
        return ::pread(file->number(), to + have, room - have, static_cast<::off_t>(offset + have));
      });
      is_refused = got < 0;
      if (got <= 0) break;
      have += static_cast<std::size_t>(got);
    }
    return have;
  });
  if (is_refused) return failed("read", path);
  return bytes;
}

Result<std::uint64_t> PosixFiles::free_space(const std::string& path) {
  struct ::statvfs status{};
  if (::statvfs(path.c_str(), &status) != 0) return failed("ask for the free space of", path);
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

}  // namespace synod::server
