// A snapshot's bytes before compression (reference: FileSnap, SerializeUtils, DataTree).
//
//   "ZKSN" | version:int = 2 | dbid:long = -1
//   sessions   count:int, count x (id:long, timeout_ms:int)
//   ACL map    count:int, count x (id:long, list)
//   nodes      (path, NodeImage) each; the root's path is ""; parents first; then path "/"
//   seal       adler:long | "/"
//   digest     zxid:long | version:int | digest:long, and a seal     (3.6 and later; may be absent)
//   last zxid  zxid:long, and a seal                                 (3.9; may be absent)
//
// Each adler is the Adler-32 of all bytes before it, earlier seals included.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "jute/records.h"
#include "storage/node_image.h"

namespace synod::storage {

inline constexpr BytesView kSnapshotHeader{"ZKSN\0\0\0\2\377\377\377\377\377\377\377\377", 16};
inline constexpr BytesView kSnapshotEnd{"\0\0\0\1/", 5};

struct SnapshotSession {
  SessionId id;
  std::int32_t timeout_ms = 0;
  static void fields(auto& self, auto&& visit) { visit(self.id, self.timeout_ms); }
};

struct SnapshotAcl {
  std::int64_t id = 0;
  jute::AclList list;
  static void fields(auto& self, auto&& visit) { visit(self.id, self.list); }
};

// Digest of the tree as it was after this zxid, the highest that went into the content.
struct SnapshotDigest {
  Zxid zxid;
  std::int32_t version = 2;
  std::int64_t digest = 0;
  static void fields(auto& self, auto&& visit) { visit(self.zxid, self.version, self.digest); }
  friend bool operator==(const SnapshotDigest&, const SnapshotDigest&) = default;
};

// What stands behind the nodes.
struct SnapshotTrailer {
  std::optional<SnapshotDigest> digest;
  std::optional<Zxid> last_zxid;  // ignored for files: their name decides
};

// Produces the bytes; they gather in out() until the caller takes them.
class SnapshotEncoder {
 public:
  void begin(const std::vector<SnapshotSession>& sessions, const std::vector<SnapshotAcl>& acls);
  void add(std::string_view path, const NodeImage& node);
  void finish(const SnapshotTrailer& trailer);

  [[nodiscard]] std::size_t pending_bytes() const { return out_.size(); }
  [[nodiscard]] Bytes take();

 private:
  void sum();
  void seal();

  Bytes out_;
  std::size_t summed_ = 0;  // bytes of out_ that are in adler_
  std::uint32_t adler_ = 1;
};

// What a snapshot is loaded into. Views are good during the call only.
class SnapshotSink {
 public:
  virtual ~SnapshotSink() = default;
  virtual void session(SessionId id, std::int32_t timeout_ms) = 0;
  virtual void acl(std::int64_t id, jute::AclList list) = 0;
  // Parents first. An error ends the loading: the snapshot does not hold together.
  [[nodiscard]] virtual Result<void> node(std::string_view path, const NodeImage& node) = 0;
};

// Takes the bytes in pieces of any size, from a file or from a peer. Memory follows the bytes that
// came, never a length they claim.
class SnapshotDecoder {
 public:
  explicit SnapshotDecoder(SnapshotSink& sink) : sink_(sink) {}

  // Errors are final. What comes behind the first seal never fails: see trailer().
  [[nodiscard]] Result<void> feed(BytesView bytes);
  // The end of the bytes: an error unless the nodes were complete and their seal right.
  [[nodiscard]] Result<SnapshotTrailer> finish();

 private:
  enum class Stage : std::uint8_t {
    kHeader,
    kSessionCount,
    kSessions,
    kAclCount,
    kAcls,
    kNodes,
    kSeal,
    kTrailer,
  };

  // Each takes one piece from the front of `rest`, or answers false: it is not all there yet.
  [[nodiscard]] Result<bool> take_piece(BytesView& rest);
  [[nodiscard]] Result<bool> take_header(BytesView& rest);
  bool take_count(BytesView& rest, Stage next);
  bool take_session(BytesView& rest);
  bool take_acl(BytesView& rest);
  [[nodiscard]] Result<bool> take_node(BytesView& rest);
  [[nodiscard]] Result<bool> take_seal(BytesView& rest);
  [[nodiscard]] Result<void> take_all(BytesView& rest);
  void sum_up_to(const char* end);
  [[nodiscard]] std::unexpected<Error> malformed(std::string_view what) const;

  SnapshotSink& sink_;
  Stage stage_ = Stage::kHeader;
  std::int32_t left_ = 0;       // sessions or ACL lists still to come
  Bytes pending_;               // what came but is not complete yet; in the end, the trailer
  std::uint64_t consumed_ = 0;  // bytes before it
  std::uint32_t adler_ = 1;     // over those bytes, and of the view under work up to summed_
  const char* summed_ = nullptr;
};

}  // namespace synod::storage
