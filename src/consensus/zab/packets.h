// The learner protocol's packets (reference, quorum protocol 4.1). They follow each other on the
// quorum port without frames:
//
//   int type | long zxid | buffer data (-1: null) | vector<Id> authinfo (-1: null)
//   Id: string scheme | string id
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"

namespace synod::consensus::zab {

enum class PacketType : std::int32_t {
  kRequest = 1,
  kProposal = 2,
  kAck = 3,
  kCommit = 4,
  kPing = 5,
  kRevalidate = 6,
  kSync = 7,
  kInform = 8,
  kCommitAndActivate = 9,
  kNewLeader = 10,
  kFollowerInfo = 11,
  kUpToDate = 12,
  kDiff = 13,
  kTrunc = 14,
  kSnap = 15,
  kObserverInfo = 16,
  kLeaderInfo = 17,
  kAckEpoch = 18,
  kInformAndActivate = 19,
};
[[nodiscard]] std::string_view name_of(PacketType type);  // as ZooKeeper spells it

inline constexpr BytesView kNoAuthinfo{"\xff\xff\xff\xff", 4};  // null

struct QuorumPacket {
  PacketType type{};
  Zxid zxid;
  NullableView data;
  BytesView authinfo = kNoAuthinfo;  // the vector as encoded, its count included
};

inline constexpr Zxid kNoZxid{-1};  // of packets that are about no transaction

void append_packet(Bytes& out, const QuorumPacket& packet);
[[nodiscard]] Bytes encode_packet(const QuorumPacket& packet);

// jute.maxbuffer and the extra that ZooKeeper allows readers on top of it.
inline constexpr std::size_t kMaxBufferBytes = 2'097'150;
// The most identities a REQUEST may carry.
inline constexpr std::int32_t kMaxIdentities = 65536;

// Finds the packets in a stream. Holds no more than one unfinished packet and what was fed last:
// feed what arrives and take all packets before the next feed.
class PacketReader {
 public:
  struct Malformed {
    std::string_view what;  // a constant
  };

  explicit PacketReader(std::size_t max_buffer_bytes = kMaxBufferBytes)
      : max_buffer_bytes_(max_buffer_bytes) {}

  void feed(BytesView bytes);
  // The next packet, nothing while it is incomplete. Its views hold until the next feed() or
  // take_rest(). What is malformed once stays so: close the link.
  [[nodiscard]] std::expected<std::optional<QuorumPacket>, Malformed> next();
  // What follows the last packet and was not read: the beginning of a tree, after SNAP.
  [[nodiscard]] Bytes take_rest();

 private:
  // The packet at the front, as far as it has been looked at: no byte is looked at twice, however
  // small the pieces are in which it comes.
  struct Progress {
    bool has_head = false;
    std::int32_t type = 0;
    Zxid zxid;
    std::int32_t data_bytes = 0;  // -1: null
    bool has_count = false;
    std::int32_t strings_left = 0;  // two for an identity
    std::size_t scanned = 0;        // from the packet's start
  };

  bool scan();
  bool scan_head();
  bool scan_authinfo();
  [[nodiscard]] std::optional<std::int32_t> int_at(std::size_t offset) const;
  [[nodiscard]] QuorumPacket found() const;

  std::size_t max_buffer_bytes_;
  Bytes buffer_;
  std::size_t start_ = 0;  // of the packet at the front
  Progress progress_;
  std::string_view problem_;  // not empty: malformed
};

// What a learner says of itself in FOLLOWERINFO and OBSERVERINFO.
struct LearnerInfo {
  ServerId server;
  std::int32_t protocol_version = kProtocolVersion;
  std::int64_t config_version = 0;

  static constexpr std::int32_t kProtocolVersion = 0x10000;  // the one with LEADERINFO and ACKEPOCH

  friend bool operator==(const LearnerInfo&, const LearnerInfo&) = default;
};
[[nodiscard]] Bytes encode_learner_info(const LearnerInfo& info);
// 8, 12 or 20 bytes; nothing if there are fewer.
[[nodiscard]] std::optional<LearnerInfo> decode_learner_info(BytesView data);

}  // namespace synod::consensus::zab
