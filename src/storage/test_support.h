// What the tests of this folder share: a sink that remembers, and directories to recover.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "jute/txn.h"
#include "storage/log_writer.h"
#include "storage/memory_files.h"
#include "storage/recovery.h"

namespace synod::storage {

struct RecordedNode {
  std::string path;
  std::optional<std::string> data;
  std::int64_t acl_id = 0;
  jute::StatPersisted stat;

  [[nodiscard]] NodeImage image() const {
    NodeImage node{.acl_id = acl_id, .stat = stat};
    if (data) node.data = *data;
    return node;
  }
  friend bool operator==(const RecordedNode&, const RecordedNode&) = default;
};

struct RecordedTxn {
  Zxid zxid;
  Bytes body;
};

class RecordingSink : public RecoverySink {
 public:
  void reset() override { *this = RecordingSink{}; }
  void session(SessionId id, std::int32_t timeout_ms) override { sessions[id.value] = timeout_ms; }
  void acl(std::int64_t id, jute::AclList list) override { acls[id] = std::move(list); }
  Result<void> node(std::string_view path, const NodeImage& node) override {
    nodes.push_back({.path = std::string(path),
                     .data = node.data ? std::optional<std::string>(*node.data) : std::nullopt,
                     .acl_id = node.acl_id,
                     .stat = node.stat});
    return {};
  }
  void snapshot_loaded(Zxid zxid, std::optional<SnapshotDigest> loaded_digest) override {
    snapshot_zxid = zxid;
    digest = loaded_digest;
  }
  void txn(const jute::Txn& txn, BytesView body) override {
    txns.push_back({.zxid = txn.header.zxid, .body = Bytes(body)});
    const std::int64_t id = txn.header.client_id.value;
    if (const auto* created = std::get_if<jute::CreateSessionTxn>(&txn.record)) {
      sessions[id] = created->timeout_ms;
    } else if (std::holds_alternative<jute::CloseSessionTxn>(txn.record)) {
      sessions.erase(id);
    }
  }

  std::map<std::int64_t, std::int32_t> sessions;  // as they are after the replay
  std::map<std::int64_t, jute::AclList> acls;
  std::vector<RecordedNode> nodes;
  std::optional<Zxid> snapshot_zxid;
  std::optional<SnapshotDigest> digest;
  std::vector<RecordedTxn> txns;
};

inline const DataDirectory kDirectory{.data_dir = "/data", .data_log_dir = "/data"};

inline std::string fixtures() {
  const char* path = std::getenv("SYNOD_FIXTURES");
  return path != nullptr ? path : "tests/fixtures";
}

inline Bytes bytes_of_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline Bytes fixture(const std::string& variant, const std::string& name) {
  return bytes_of_file(fixtures() + "/zookeeper-3.8-datadir/" + variant + "/version-2/" + name);
}

// A transaction of any size; it sets the data of /x.
inline Bytes set_data_txn(Zxid zxid, std::size_t data_bytes = 10) {
  const std::string data(data_bytes, static_cast<char>('a' + zxid.value % 26));
  return jute::encode_txn(
      {.client_id = {1}, .cxid = 1, .zxid = zxid, .time_ms = 1000, .type = jute::OpCode::kSetData},
      jute::SetDataTxn{.path = "/x", .data = data, .version = 1}, std::nullopt);
}

inline void append_range(LogWriter& log, std::int64_t first, std::int64_t last) {
  for (std::int64_t zxid = first; zxid <= last; ++zxid) log.append({zxid}, set_data_txn({zxid}));
}

// What Java would leave: logs and no mark.
inline Bytes log_bytes(std::int64_t first, std::int64_t last) {
  MemoryFiles files;
  FileHandleSource handles;
  LogWriter log({.log_dir = "/data/version-2", .preallocate_bytes = 0}, handles);
  append_range(log, first, last);
  if (!files.perform({op::MakeDirectory{"/data/version-2"}})) std::abort();
  if (!files.perform(log.take_batch())) std::abort();
  return *files.get("/data/version-2/" + log_name({first}));
}

// A snapshot without nodes; its content reaches `content`, which may be newer than its name.
inline Bytes snapshot_bytes(std::optional<Zxid> content = std::nullopt) {
  SnapshotEncoder encoder;
  encoder.begin({}, {});
  encoder.add("", {});
  SnapshotTrailer trailer;
  if (content) trailer.digest = SnapshotDigest{.zxid = *content};
  encoder.finish(trailer);
  return encoder.take();
}

inline std::string zxids(const std::vector<LoggedEntry>& entries) {
  std::string text;
  for (const LoggedEntry& entry : entries) text += (text.empty() ? "" : " ") + hex(entry.zxid);
  return text;
}

// A disk on which `begin` did something, and then a batch was under way when a crash came: after
// each of its operations, as a kill and as many power cuts. Then look(files) tells what is there;
// it is called with the operations that were done.
template <class Begin, class Look>
void crash_everywhere(const Begin& begin, const Look& look, std::uint64_t power_cuts = 20) {
  bool is_over = false;
  for (std::size_t done = 0; !is_over; ++done) {
    for (std::uint64_t chance = 0; chance <= power_cuts; ++chance) {
      MemoryFiles files;
      FileBatch batch = begin(files);
      is_over = done >= batch.size();
      files.submit(IoLane::kLog, {1}, std::move(batch));
      for (std::size_t i = 0; i < done; ++i) {
        const auto completion = files.step(IoLane::kLog);
        if (completion && !completion->result) throw std::runtime_error("the batch failed");
      }
      if (chance == 0) {
        files.kill();
      } else {
        std::mt19937_64 random(done * 1000 + chance);
        files.power_cut([&](std::uint64_t bound) { return random() % bound; });
      }
      look(files, done, is_over);
    }
  }
}

}  // namespace synod::storage
