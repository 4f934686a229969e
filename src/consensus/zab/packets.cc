#include "consensus/zab/packets.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"
#include "base/mutation.h"
#include "jute/codec.h"

namespace synod::consensus::zab {
namespace {

constexpr std::array<std::string_view, 19> kNames{"REQUEST",
                                                  "PROPOSAL",
                                                  "ACK",
                                                  "COMMIT",
                                                  "PING",
                                                  "REVALIDATE",
                                                  "SYNC",
                                                  "INFORM",
                                                  "COMMITANDACTIVATE",
                                                  "NEWLEADER",
                                                  "FOLLOWERINFO",
                                                  "UPTODATE",
                                                  "DIFF",
                                                  "TRUNC",
                                                  "SNAP",
                                                  "OBSERVERINFO",
                                                  "LEADERINFO",
                                                  "ACKEPOCH",
                                                  "INFORMANDACTIVATE"};

constexpr std::size_t kHeadBytes = 16;  // type, zxid and the data's length
constexpr std::size_t kIntBytes = 4;

}  // namespace

std::string_view name_of(PacketType type) {
  const auto index = static_cast<std::size_t>(type) - 1;
  SYNOD_ASSERT(index < kNames.size());
  return kNames[index];
}

void append_packet(Bytes& out, const QuorumPacket& packet) {
  jute::Writer writer(out);
  writer.i32(static_cast<std::int32_t>(packet.type));
  writer.i64(packet.zxid.value);
  writer.view(packet.data);
  out.append(packet.authinfo);
}

Bytes encode_packet(const QuorumPacket& packet) {
  Bytes out;
  out.reserve(kHeadBytes + packet.data.value_or("").size() + packet.authinfo.size());
  append_packet(out, packet);
  return out;
}

// ---- the reader -------------------------------------------------------------------------------

void PacketReader::feed(BytesView bytes) {
  buffer_.erase(0, is_mutated(Mutation::kChunkIsPacket) ? BytesView::npos : start_);
  start_ = 0;
  if (problem_.empty()) buffer_.append(bytes);
}

std::expected<std::optional<QuorumPacket>, PacketReader::Malformed> PacketReader::next() {
  const bool is_whole = problem_.empty() && scan();
  if (!problem_.empty()) return std::unexpected(Malformed{problem_});
  if (!is_whole) return std::nullopt;
  const QuorumPacket packet = found();
  start_ += progress_.scanned;
  progress_ = {};
  return packet;
}

Bytes PacketReader::take_rest() {
  Bytes rest = buffer_.substr(start_);
  buffer_.clear();
  start_ = 0;
  progress_ = {};
  return rest;
}

bool PacketReader::scan() { return (progress_.has_head || scan_head()) && scan_authinfo(); }

bool PacketReader::scan_head() {
  jute::Reader head(BytesView(buffer_).substr(start_));
  if (head.remaining() < kHeadBytes) return false;
  progress_.type = head.i32();
  progress_.zxid.value = head.i64();
  progress_.data_bytes = head.i32();
  if (progress_.type < 1 || progress_.type > static_cast<std::int32_t>(kNames.size())) {
    problem_ = "a packet of unknown type";
  } else if (progress_.data_bytes < -1 ||
             (progress_.data_bytes > 0 &&
              static_cast<std::size_t>(progress_.data_bytes) > max_buffer_bytes_)) {
    problem_ = "a packet's data has an unreasonable length";
  }
  progress_.has_head = problem_.empty();
  progress_.scanned = kHeadBytes + static_cast<std::size_t>(std::max(progress_.data_bytes, 0));
  return progress_.has_head;
}

// A count, then two strings for each identity.
bool PacketReader::scan_authinfo() {
  if (!progress_.has_count) {
    const auto count = int_at(progress_.scanned);
    if (!count) return false;
    if (*count < -1 || *count > kMaxIdentities) {
      problem_ = "a packet has an unreasonable number of identities";
      return false;
    }
    progress_.has_count = true;
    progress_.strings_left = 2 * std::max(*count, 0);
    progress_.scanned += kIntBytes;
  }
  const std::size_t before =
      kHeadBytes + static_cast<std::size_t>(std::max(progress_.data_bytes, 0));
  for (; progress_.strings_left > 0; --progress_.strings_left) {
    const auto length = int_at(progress_.scanned);
    if (!length) return false;
    const std::size_t end =
        progress_.scanned + kIntBytes + static_cast<std::size_t>(std::max(*length, 0));
    if (*length < -1 || end - before > max_buffer_bytes_) {
      problem_ = "a packet's identities have an unreasonable length";
      return false;
    }
    if (buffer_.size() - start_ < end) return false;
    progress_.scanned = end;
  }
  return true;
}

std::optional<std::int32_t> PacketReader::int_at(std::size_t offset) const {
  if (buffer_.size() - start_ < offset + kIntBytes) return std::nullopt;
  return jute::load_big_endian<std::int32_t>(buffer_.data() + start_ + offset);
}

QuorumPacket PacketReader::found() const {
  const BytesView packet = BytesView(buffer_).substr(start_, progress_.scanned);
  QuorumPacket result{.type = static_cast<PacketType>(progress_.type), .zxid = progress_.zxid};
  std::size_t at = kHeadBytes;
  if (progress_.data_bytes >= 0) {
    result.data = packet.substr(at, static_cast<std::size_t>(progress_.data_bytes));
    at += result.data->size();
  }
  result.authinfo = packet.substr(at);
  return result;
}

// ---- learner info -----------------------------------------------------------------------------

Bytes encode_learner_info(const LearnerInfo& info) {
  Bytes out;
  jute::Writer writer(out);
  writer.i64(info.server.value);
  writer.i32(info.protocol_version);
  writer.i64(info.config_version);
  return out;
}

std::optional<LearnerInfo> decode_learner_info(BytesView data) {
  jute::Reader in(data);
  LearnerInfo info{.server = {in.i64()}};
  if (!in.ok()) return std::nullopt;
  if (in.remaining() >= sizeof(std::int32_t)) info.protocol_version = in.i32();
  if (in.remaining() >= sizeof(std::int64_t)) info.config_version = in.i64();
  return info;
}

}  // namespace synod::consensus::zab
