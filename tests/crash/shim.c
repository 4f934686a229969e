// Preloaded into a server under test (LD_PRELOAD): writes down what it does to the files of one
// directory, when, and with which bytes; makes flushes slow; makes chosen calls fail.
//
//   SYNOD_CRASH_DIR       the directory; calls on anything outside it pass through untouched
//   SYNOD_CRASH_TRACE     the trace, appended to; one record a call, layout in `struct record`
//   SYNOD_CRASH_FLUSH_US  each flush takes up to so many microseconds more
//   SYNOD_CRASH_FAULT     <call>:<part of the file's name>:<n>:<errno>: from the n-th such call on
//                         all of them fail. Calls: open write flush truncate rename.
//                         A part that ends in $ must end the name.
//
// Records are appended after the call they speak of, except close, which comes before: the number
// of a closed descriptor may be another file's at once. Times are CLOCK_MONOTONIC, in nanoseconds.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { kOpen = 1, kWrite, kTruncate, kFlush, kClose, kRename, kUnlink, kMkdir, kStart };
enum { kMaxDescriptor = 65536 };

struct record {  // little-endian; then path_bytes of path (a rename's two have a NUL between), data
  uint32_t kind;
  int32_t descriptor;
  int64_t start, end;
  int64_t offset;  // of a write; the size of a truncate; the flags of an open
  int32_t error;   // errno, or 0
  uint32_t path_bytes;
  uint32_t data_bytes;
  uint32_t unused;
};

static const char* watched_dir;
static size_t watched_length;
static int trace_fd = -1;
static unsigned flush_us;
static char fault_call[16], fault_name[64];
static int fault_from, fault_errno;
static atomic_int fault_count;
static char* names[kMaxDescriptor];  // of watched open files; a name is never freed: few are opened

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void write_down(struct record r, const char* path, size_t path_bytes,
                       const struct iovec* data, int pieces) {
  struct iovec all[IOV_MAX];
  r.path_bytes = (uint32_t)path_bytes;
  all[0] = (struct iovec){&r, sizeof r};
  all[1] = (struct iovec){(void*)path, path_bytes};
  int count = 2;
  size_t left = r.data_bytes;
  for (int i = 0; i < pieces && left > 0 && count < IOV_MAX; ++i) {
    const size_t size = data[i].iov_len < left ? data[i].iov_len : left;
    all[count++] = (struct iovec){data[i].iov_base, size};
    left -= size;
  }
  const int saved = errno;
  size_t total = 0;
  for (int i = 0; i < count; ++i) total += all[i].iov_len;
  if (left > 0 || syscall(SYS_writev, trace_fd, all, count) != (long)total) {
    fprintf(stderr, "crash shim: the trace cannot be written\n");
    abort();
  }
  errno = saved;
}

__attribute__((constructor)) static void set_up(void) {
  const char* fault = getenv("SYNOD_CRASH_FAULT");
  const char* trace = getenv("SYNOD_CRASH_TRACE");
  watched_dir = getenv("SYNOD_CRASH_DIR");
  if (!watched_dir || !trace) return;
  watched_length = strlen(watched_dir);
  if (getenv("SYNOD_CRASH_FLUSH_US")) flush_us = (unsigned)atoi(getenv("SYNOD_CRASH_FLUSH_US"));
  if (fault)
    sscanf(fault, "%15[^:]:%63[^:]:%d:%d", fault_call, fault_name, &fault_from, &fault_errno);
  trace_fd =
      (int)syscall(SYS_openat, AT_FDCWD, trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const int64_t t = now();
  write_down((struct record){.kind = kStart, .start = t, .end = t}, "", 0, NULL, 0);
}

static int is_watched(const char* path) {
  return trace_fd >= 0 && strncmp(path, watched_dir, watched_length) == 0;
}

static const char* name_of(int descriptor) {
  if (trace_fd < 0 || descriptor < 0 || descriptor >= kMaxDescriptor) return NULL;
  return names[descriptor];
}

static int is_meant(const char* name) {
  const size_t part = strlen(fault_name), whole = strlen(name);
  if (part == 0 || fault_name[part - 1] != '$') return strstr(name, fault_name) != NULL;
  return whole >= part - 1 && strncmp(name + whole - (part - 1), fault_name, part - 1) == 0;
}

// Whether this call is to fail; the caller then writes that down and returns -1.
static int fault(const char* call, const char* name) {
  if (fault_errno == 0 || strcmp(call, fault_call) != 0 || !is_meant(name)) return 0;
  return atomic_fetch_add(&fault_count, 1) + 1 >= fault_from ? fault_errno : 0;
}

static long failing(struct record r, const char* path, int error) {
  r.end = now();
  r.error = error;
  write_down(r, path, strlen(path), NULL, 0);
  errno = error;
  return -1;
}

// ---- Names

static int watched_open(int directory, const char* path, int flags, mode_t mode) {
  struct record r = {.kind = kOpen, .descriptor = -1, .start = now(), .offset = flags};
  const int error = flags & (O_WRONLY | O_RDWR) ? fault("open", path) : 0;
  if (error) return (int)failing(r, path, error);
  const int descriptor = (int)syscall(SYS_openat, directory, path, flags, mode);
  r.end = now();
  if (descriptor < 0 || descriptor >= kMaxDescriptor) return descriptor;
  r.descriptor = descriptor;
  names[descriptor] = strdup(path);
  write_down(r, path, strlen(path), NULL, 0);
  return descriptor;
}

#define OPEN(name, flags_wanted)                                                             \
  int name(const char* path, int flags, ...) {                                               \
    va_list rest;                                                                            \
    va_start(rest, flags);                                                                   \
    const mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;                          \
    va_end(rest);                                                                            \
    if (is_watched(path)) return watched_open(AT_FDCWD, path, flags | (flags_wanted), mode); \
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | (flags_wanted), mode);           \
  }
OPEN(open, 0)
OPEN(open64, O_LARGEFILE)

#define OPENAT(name)                                                         \
  int name(int directory, const char* path, int flags, ...) {                \
    va_list rest;                                                            \
    va_start(rest, flags);                                                   \
    const mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;          \
    va_end(rest);                                                            \
    if (is_watched(path)) return watched_open(directory, path, flags, mode); \
    return (int)syscall(SYS_openat, directory, path, flags, mode);           \
  }
OPENAT(openat)
OPENAT(openat64)

int __open_2(const char* path, int flags) { return open(path, flags); }
int __open64_2(const char* path, int flags) { return open64(path, flags); }
int creat(const char* path, mode_t mode) { return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int descriptor) {
  if (name_of(descriptor)) {
    const int64_t t = now();
    write_down((struct record){.kind = kClose, .descriptor = descriptor, .start = t, .end = t}, "",
               0, NULL, 0);
    names[descriptor] = NULL;
  }
  return (int)syscall(SYS_close, descriptor);
}

int rename(const char* from, const char* to) {
  if (!is_watched(from)) return REAL(rename)(from, to);
  struct record r = {.kind = kRename, .start = now()};
  const int error = fault("rename", to);
  if (error) return (int)failing(r, from, error);
  const int result = REAL(rename)(from, to);
  r.end = now();
  if (result != 0) return result;
  char both[2 * PATH_MAX];
  const int length = snprintf(both, sizeof both, "%s%c%s", from, 0, to);
  write_down(r, both, (size_t)length, NULL, 0);
  return result;
}

static int named(int kind, const char* path, int result, int64_t start) {
  if (result == 0)
    write_down((struct record){.kind = (uint32_t)kind, .start = start, .end = now()}, path,
               strlen(path), NULL, 0);
  return result;
}

int unlink(const char* path) {
  const int64_t start = now();
  const int result = REAL(unlink)(path);
  return is_watched(path) ? named(kUnlink, path, result, start) : result;
}

int remove(const char* path) { return is_watched(path) ? unlink(path) : REAL(remove)(path); }

int mkdir(const char* path, mode_t mode) {
  const int64_t start = now();
  const int result = REAL(mkdir)(path, mode);
  return is_watched(path) ? named(kMkdir, path, result, start) : result;
}

// ---- Bytes

static ssize_t watched_write(int descriptor, const struct iovec* data, int pieces, off_t offset) {
  const char* name = name_of(descriptor);
  if (offset < 0) {
    offset = fcntl(descriptor, F_GETFL) & O_APPEND ? lseek(descriptor, 0, SEEK_END)
                                                   : lseek(descriptor, 0, SEEK_CUR);
    if (lseek(descriptor, offset, SEEK_SET) < 0) return -1;
    const ssize_t written = watched_write(descriptor, data, pieces, offset);
    if (written > 0) lseek(descriptor, offset + written, SEEK_SET);
    return written;
  }
  struct record r = {.kind = kWrite, .descriptor = descriptor, .start = now(), .offset = offset};
  const int error = fault("write", name);
  ssize_t written;
  if (error && data[0].iov_len > 1 && atomic_load(&fault_count) == fault_from) {
    // The first write that fails is cut short, as on a disk that fills up.
    written = syscall(SYS_pwrite64, descriptor, data[0].iov_base, data[0].iov_len / 2, offset);
  } else if (error) {
    return failing(r, name, error);
  } else {
    written = syscall(SYS_pwritev, descriptor, data, pieces, (long)offset, 0L);
  }
  r.end = now();
  if (written < 0) return failing(r, name, errno);
  r.data_bytes = (uint32_t)written;
  write_down(r, "", 0, data, pieces);
  return written;
}

ssize_t write(int descriptor, const void* data, size_t size) {
  const struct iovec one = {(void*)data, size};
  if (name_of(descriptor)) return watched_write(descriptor, &one, 1, -1);
  return syscall(SYS_write, descriptor, data, size);
}

ssize_t writev(int descriptor, const struct iovec* data, int pieces) {
  if (name_of(descriptor)) return watched_write(descriptor, data, pieces, -1);
  return syscall(SYS_writev, descriptor, data, pieces);
}

ssize_t pwrite(int descriptor, const void* data, size_t size, off_t offset) {
  const struct iovec one = {(void*)data, size};
  if (name_of(descriptor)) return watched_write(descriptor, &one, 1, offset);
  return syscall(SYS_pwrite64, descriptor, data, size, offset);
}
ssize_t pwrite64(int descriptor, const void* data, size_t size, off_t offset) {
  return pwrite(descriptor, data, size, offset);
}

ssize_t pwritev(int descriptor, const struct iovec* data, int pieces, off_t offset) {
  if (name_of(descriptor)) return watched_write(descriptor, data, pieces, offset);
  return syscall(SYS_pwritev, descriptor, data, pieces, (long)offset, 0L);
}
ssize_t pwritev64(int descriptor, const struct iovec* data, int pieces, off_t offset) {
  return pwritev(descriptor, data, pieces, offset);
}

int ftruncate(int descriptor, off_t size) {
  const char* name = name_of(descriptor);
  struct record r = {.kind = kTruncate, .descriptor = descriptor, .start = now(), .offset = size};
  const int error = name ? fault("truncate", name) : 0;
  if (error) return (int)failing(r, name, error);
  const int result = (int)syscall(SYS_ftruncate, descriptor, size);
  r.end = now();
  if (name && result == 0) write_down(r, "", 0, NULL, 0);
  return result;
}
int ftruncate64(int descriptor, off_t size) { return ftruncate(descriptor, size); }

// To a reader, an allocation that extends a file and one that leaves a hole are the same zeros.
int fallocate(int descriptor, int mode, off_t offset, off_t size) {
  if (!name_of(descriptor)) return (int)syscall(SYS_fallocate, descriptor, mode, offset, size);
  struct stat status;
  if (mode == 0 && fstat(descriptor, &status) == 0 && status.st_size < offset + size)
    return ftruncate(descriptor, offset + size);
  return 0;
}
int fallocate64(int descriptor, int mode, off_t offset, off_t size) {
  return fallocate(descriptor, mode, offset, size);
}
int posix_fallocate(int descriptor, off_t offset, off_t size) {
  return fallocate(descriptor, 0, offset, size) == 0 ? 0 : errno;
}
int posix_fallocate64(int descriptor, off_t offset, off_t size) {
  return posix_fallocate(descriptor, offset, size);
}

static int watched_flush(int descriptor, long call) {
  const char* name = name_of(descriptor);
  if (!name) return (int)syscall(call, descriptor);
  static _Thread_local unsigned seed = 1;
  struct record r = {.kind = kFlush, .descriptor = descriptor, .start = now()};
  const int error = fault("flush", name);
  if (error) return (int)failing(r, name, error);
  if (flush_us > 0) usleep((unsigned)rand_r(&seed) % flush_us);
  const int result = (int)syscall(call, descriptor);
  if (result != 0) return (int)failing(r, name, errno);
  r.end = now();
  write_down(r, "", 0, NULL, 0);
  return 0;
}
int fsync(int descriptor) { return watched_flush(descriptor, SYS_fsync); }
int fdatasync(int descriptor) { return watched_flush(descriptor, SYS_fdatasync); }
