#include "storage/snapshot_format.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "base/assert.h"
#include "jute/codec.h"
#include "jute/txn_records.h"
#include "storage/log_format.h"

namespace synod::storage {
namespace {

constexpr std::string_view kEndPath = "/";
constexpr std::size_t kSealBytes = 8 + kSnapshotEnd.size();
// No session, ACL list or node is longer. A length that claims more is damage, and is not waited
// for.
constexpr std::size_t kPieceBytesMax = std::size_t{256} << 20;
// The sections behind the nodes take 54 bytes at most; whatever follows them is not ours to judge.
constexpr std::size_t kTrailerBytesMax = 4096;

// Does `bytes`, from the start of the trailer, hold a right seal at `at`? `adler` covers all
// before.
bool is_sealed_at(BytesView bytes, std::size_t at, std::uint32_t adler) {
  if (bytes.size() < at + kSealBytes) return false;
  jute::Reader in(bytes.substr(at));
  return in.i64() == std::int64_t{adler32_of(bytes.substr(0, at), adler)} &&
         in.take(kSnapshotEnd.size()) == kSnapshotEnd;
}

// Before digests had version 2 they were written as hexadecimal text.
std::optional<SnapshotDigest> read_digest(jute::Reader& in) {
  SnapshotDigest digest;
  digest.zxid = {in.i64()};
  digest.version = in.i32();
  if (digest.version >= jute::kDigestVersion) {
    digest.digest = in.i64();
  } else {
    const std::string_view text = in.view().value_or("");
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number, 16);
    digest.digest = static_cast<std::int64_t>(number);
  }
  if (!in.ok()) return std::nullopt;
  return digest;
}

// Either section may be absent: a section is there when its seal is right.
SnapshotTrailer read_trailer(BytesView bytes, std::uint32_t adler) {
  SnapshotTrailer trailer;
  std::size_t at = 0;
  jute::Reader in(bytes);
  const std::optional<SnapshotDigest> digest = read_digest(in);
  const std::size_t digest_end = bytes.size() - in.remaining();
  if (digest && is_sealed_at(bytes, digest_end, adler)) {
    trailer.digest = digest;
    at = digest_end + kSealBytes;
  }
  if (is_sealed_at(bytes, at + 8, adler)) {
    trailer.last_zxid = Zxid{jute::load_big_endian<std::int64_t>(bytes.data() + at)};
  }
  return trailer;
}

}  // namespace

// ---- Encoder

void SnapshotEncoder::begin(const std::vector<SnapshotSession>& sessions,
                            const std::vector<SnapshotAcl>& acls) {
  out_.append(kSnapshotHeader);
  jute::append(out_, sessions);
  jute::append(out_, acls);
}

void SnapshotEncoder::add(std::string_view path, const NodeImage& node) {
  jute::Writer out(out_);
  out.view(path);
  jute::write(out, node);
}

void SnapshotEncoder::finish(const SnapshotTrailer& trailer) {
  jute::Writer(out_).view(kEndPath);
  seal();
  if (trailer.digest) {
    jute::append(out_, *trailer.digest);
    seal();
  }
  if (trailer.last_zxid) {
    jute::append(out_, *trailer.last_zxid);
    seal();
  }
}

void SnapshotEncoder::sum() {
  adler_ = adler32_of(BytesView(out_).substr(summed_), adler_);
  summed_ = out_.size();
}

void SnapshotEncoder::seal() {
  sum();
  jute::Writer out(out_);
  out.i64(adler_);
  out.view(kEndPath);
}

Bytes SnapshotEncoder::take() {
  sum();
  summed_ = 0;
  return std::exchange(out_, {});
}

// ---- Decoder

Result<void> SnapshotDecoder::feed(BytesView bytes) {
  if (pending_.empty()) {
    BytesView rest = bytes;
    if (auto taken = take_all(rest); !taken) return taken;
    pending_.assign(rest);
  } else {
    pending_.append(bytes);
    BytesView rest = pending_;
    if (auto taken = take_all(rest); !taken) return taken;
    pending_.erase(0, pending_.size() - rest.size());
  }
  if (stage_ == Stage::kTrailer && pending_.size() > kTrailerBytesMax) {
    pending_.resize(kTrailerBytesMax);
  }
  return {};
}

Result<void> SnapshotDecoder::take_all(BytesView& rest) {
  summed_ = rest.data();
  while (stage_ != Stage::kTrailer) {
    const char* const before = rest.data();
    const Result<bool> was_taken = take_piece(rest);
    if (!was_taken) return std::unexpected(was_taken.error());
    if (!*was_taken) break;
    consumed_ += static_cast<std::uint64_t>(rest.data() - before);
  }
  sum_up_to(rest.data());
  if (stage_ != Stage::kTrailer && rest.size() > kPieceBytesMax) {
    return malformed("a length is out of range");
  }
  return {};
}

Result<bool> SnapshotDecoder::take_piece(BytesView& rest) {
  switch (stage_) {
    case Stage::kHeader:
      return take_header(rest);
    case Stage::kSessionCount:
      return take_count(rest, Stage::kSessions);
    case Stage::kSessions:
      if (left_ > 0) return take_session(rest);
      stage_ = Stage::kAclCount;
      return true;
    case Stage::kAclCount:
      return take_count(rest, Stage::kAcls);
    case Stage::kAcls:
      if (left_ > 0) return take_acl(rest);
      stage_ = Stage::kNodes;
      return true;
    case Stage::kNodes:
      return take_node(rest);
    case Stage::kSeal:
      return take_seal(rest);
    case Stage::kTrailer:
      break;
  }
  return false;
}

Result<bool> SnapshotDecoder::take_header(BytesView& rest) {
  if (rest.size() < kSnapshotHeader.size()) return false;
  // The last eight bytes are a database id that nobody compares.
  if (!rest.starts_with(kSnapshotHeader.substr(0, 8))) {
    return malformed("this is not the header of a snapshot of version 2");
  }
  rest.remove_prefix(kSnapshotHeader.size());
  stage_ = Stage::kSessionCount;
  return true;
}

bool SnapshotDecoder::take_count(BytesView& rest, Stage next) {
  jute::Reader in(rest);
  left_ = in.i32();
  if (!in.ok()) return false;
  rest = in.rest();
  stage_ = next;
  return true;
}

bool SnapshotDecoder::take_session(BytesView& rest) {
  jute::Reader in(rest);
  const auto session = jute::decode<SnapshotSession>(in);
  if (!session) return false;
  sink_.session(session->id, session->timeout_ms);
  rest = in.rest();
  --left_;
  return true;
}

bool SnapshotDecoder::take_acl(BytesView& rest) {
  jute::Reader in(rest);
  auto acl = jute::decode<SnapshotAcl>(in);
  if (!acl) return false;
  sink_.acl(acl->id, std::move(acl->list));
  rest = in.rest();
  --left_;
  return true;
}

Result<bool> SnapshotDecoder::take_node(BytesView& rest) {
  jute::Reader in(rest);
  const NullableView path = in.view();
  if (!in.ok()) return false;
  if (!path) return malformed("a node has no path");
  if (*path == kEndPath) {
    stage_ = Stage::kSeal;
  } else {
    NodeImage node;
    jute::read(in, node);
    if (!in.ok()) return false;
    if (Result<void> added = sink_.node(*path, node); !added) {
      return malformed(added.error().text);
    }
  }
  rest = in.rest();
  return true;
}

Result<bool> SnapshotDecoder::take_seal(BytesView& rest) {
  if (rest.size() < kSealBytes) return false;
  sum_up_to(rest.data());
  if (!is_sealed_at(rest, 0, adler_)) return malformed("the checksum does not match");
  rest.remove_prefix(kSealBytes);
  stage_ = Stage::kTrailer;
  return true;
}

void SnapshotDecoder::sum_up_to(const char* end) {
  adler_ = adler32_of({summed_, static_cast<std::size_t>(end - summed_)}, adler_);
  summed_ = end;
}

Result<SnapshotTrailer> SnapshotDecoder::finish() {
  if (stage_ != Stage::kTrailer) {
    return malformed("the snapshot ends here, or a length here is wrong");
  }
  return read_trailer(pending_, adler_);
}

std::unexpected<Error> SnapshotDecoder::malformed(std::string_view what) const {
  return fail(ErrorKind::kCorrupt, fmt::format("offset {}: {}", consumed_, what));
}

}  // namespace synod::storage
