// Snapshots: written, read back, cut, and flipped.
#include <gtest/gtest.h>

#include "storage/log_format.h"
#include "storage/snapshot_reader.h"
#include "storage/snapshot_writer.h"
#include "storage/test_support.h"

namespace synod::storage {
namespace {

struct Content {
  std::vector<SnapshotSession> sessions;
  std::vector<SnapshotAcl> acls;
  std::vector<RecordedNode> nodes;
  std::optional<SnapshotDigest> digest;
};

// In the order of the file, which the recording sink's maps would lose.
class ContentSink : public SnapshotSink {
 public:
  void session(SessionId id, std::int32_t timeout_ms) override {
    content.sessions.push_back({id, timeout_ms});
  }
  void acl(std::int64_t id, jute::AclList list) override {
    content.acls.push_back({id, std::move(list)});
  }
  Result<void> node(std::string_view path, const NodeImage& node) override {
    RecordingSink one;
    const auto added = one.node(path, node);
    content.nodes.push_back(one.nodes.front());
    return added;
  }
  Content content;
};

Result<Content> load(MemoryFiles& files, const SnapshotFile& file, std::size_t chunk_bytes = 4096) {
  ContentSink sink;
  const auto trailer = read_snapshot(files, "/data/version-2", file, sink,
                                     {.chunk_bytes = chunk_bytes, .progress = {}});
  if (!trailer) return std::unexpected(trailer.error());
  sink.content.digest = trailer->digest;
  return std::move(sink.content);
}

Bytes write(MemoryFiles& files, const Content& content, SnapshotWriter::Options options,
            std::size_t batch_bytes = 1000) {
  FileHandleSource handles;
  options.directory = "/data/version-2";
  SnapshotWriter writer(options, handles);
  EXPECT_TRUE(files.perform({op::MakeDirectory{options.directory}}));
  writer.begin(content.sessions, content.acls);
  for (const RecordedNode& node : content.nodes) {
    writer.add(node.path, node.image());
    if (writer.pending_bytes() < batch_bytes) continue;
    EXPECT_TRUE(files.perform(writer.take_batch()));
  }
  writer.finish(content.digest);
  EXPECT_TRUE(files.perform(writer.take_batch()));
  EXPECT_FALSE(files.get("/data/version-2/" + writer.file().name)) << "visible too early";
  EXPECT_TRUE(files.perform(writer.publish()));
  return *files.get("/data/version-2/" + writer.file().name);
}

Content content_of_fixture() {
  MemoryFiles files;
  files.put("/data/version-2/snapshot.55", fixture("standalone", "snapshot.55"));
  return *load(files, {.name = "snapshot.55", .zxid = {0x55}});
}

TEST(Snapshot, WrittenAgainIsTheSameFile) {
  struct Row {
    const char* variant;
    Zxid zxid;
    bool with_last_zxid;
  };
  for (const auto& [variant, zxid, with_last_zxid] :
       {Row{"standalone", {0x55}, false}, Row{"snapshot-39-layout", {0}, true},
        Row{"no-digest", {0x4e}, false}, Row{"no-digest", {0}, false}}) {
    const std::string name = snapshot_name(zxid, Compression::kNone);
    const Bytes original = fixture(variant, name);
    MemoryFiles files;
    files.put("/data/version-2/" + name, original);
    const Content content = *load(files, {.name = name, .zxid = zxid});
    MemoryFiles copy;
    EXPECT_TRUE(write(copy, content, {.zxid = zxid, .with_last_zxid = with_last_zxid}) == original)
        << variant;
  }
}

TEST(Snapshot, EveryCompressionAndChunkSizeGivesTheSameContent) {
  Content content = content_of_fixture();
  RecordedNode big = content.nodes.back();
  big.path = "/big";
  big.data = std::string(3'000'000, 'x');
  for (std::size_t i = 0; i < big.data->size(); i += 3) (*big.data)[i] = static_cast<char>(i * 7);
  content.nodes.push_back(big);
  for (const Compression compression :
       {Compression::kNone, Compression::kGzip, Compression::kSnappy}) {
    MemoryFiles files;
    const Bytes written = write(files, content, {.zxid = {0x55}, .compression = compression});
    const SnapshotFile file{.name = snapshot_name({0x55}, compression),
                            .zxid = {0x55},
                            .compression = compression,
                            .size = written.size()};
    EXPECT_TRUE(*looks_whole(files, "/data/version-2", file));
    for (const std::size_t chunk_bytes : {1000U, 65536U, 4U << 20}) {
      const auto loaded = load(files, file, chunk_bytes);
      ASSERT_TRUE(loaded) << loaded.error().text;
      EXPECT_TRUE(loaded->nodes == content.nodes);
      EXPECT_EQ(loaded->digest, content.digest);
      EXPECT_EQ(loaded->sessions.size(), content.sessions.size());
      EXPECT_EQ(loaded->acls.size(), content.acls.size());
    }
  }
}

TEST(Snapshot, PiecesMayBeSingleBytes) {
  const Content content = content_of_fixture();
  MemoryFiles files;
  write(files, content, {.zxid = {0x55}});
  const auto loaded = load(files, {.name = "snapshot.55", .zxid = {0x55}}, 1);
  ASSERT_TRUE(loaded);
  EXPECT_TRUE(loaded->nodes == content.nodes);
  EXPECT_EQ(loaded->digest, content.digest);
}

// Up to the first seal a cut is an error; behind it the sections are simply absent, as in older
// files.
TEST(Snapshot, CutAnywhere) {
  const Bytes whole = fixture("snapshot-39-layout", "snapshot.0");
  constexpr std::size_t kFirstSealEnd = 0x19b + 13;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    MemoryFiles files;
    files.put("/data/version-2/snapshot.0", whole.substr(0, size));
    const auto loaded = load(files, {.name = "snapshot.0", .zxid = {0}}, 100);
    EXPECT_EQ(loaded.has_value(), size >= kFirstSealEnd) << size;
    const bool has_digest = loaded && loaded->digest;
    EXPECT_EQ(has_digest, size >= 0x1bc + 13U) << size;
  }
}

TEST(Snapshot, AnyFlippedByteBeforeTheFirstSealIsNoticed) {
  const Bytes whole = fixture("standalone", "snapshot.55");
  constexpr std::size_t kFirstSealEnd = 0x2016 + 13;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    if (at >= 8 && at < 16) continue;  // the database id is only summed
    Bytes flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x40);
    MemoryFiles files;
    files.put("/data/version-2/snapshot.55", flipped);
    const auto loaded = load(files, {.name = "snapshot.55", .zxid = {0x55}});
    EXPECT_EQ(loaded.has_value(), at >= kFirstSealEnd) << at;
    EXPECT_FALSE(loaded && loaded->digest) << at;
  }
}

TEST(Snapshot, OldDigestsWereText) {
  SnapshotEncoder encoder;
  encoder.begin({}, {});
  encoder.finish({});
  Bytes bytes = encoder.take();
  jute::Writer out(bytes);
  out.i64(0x63);
  out.i32(1);
  out.view("ff");
  out.i64(adler32_of(bytes));
  out.view("/");
  MemoryFiles files;
  files.put("/data/version-2/snapshot.55", bytes);
  const auto loaded = load(files, {.name = "snapshot.55", .zxid = {0x55}});
  ASSERT_TRUE(loaded);
  const SnapshotDigest expected{.zxid = {0x63}, .version = 1, .digest = 0xff};
  EXPECT_EQ(loaded->digest, expected);
}

TEST(Snapshot, ADigestOlderThanTheNameIsIgnored) {
  Content content = content_of_fixture();
  content.digest->zxid = {0x54};
  MemoryFiles files;
  write(files, content, {.zxid = {0x55}});
  EXPECT_FALSE(load(files, {.name = "snapshot.55", .zxid = {0x55}})->digest);
}

TEST(SnapshotWriter, AbandonedLeavesNothing) {
  MemoryFiles files;
  FileHandleSource handles;
  ASSERT_TRUE(files.perform({op::MakeDirectory{"/data/version-2"}}));
  SnapshotWriter writer({.directory = "/data/version-2", .zxid = {1}}, handles);
  writer.begin({}, {});
  ASSERT_TRUE(files.perform(writer.take_batch()));
  EXPECT_EQ(files.list("/data/version-2")->size(), 1U);
  EXPECT_TRUE(snapshots_among(*files.list("/data/version-2")).empty());
  ASSERT_TRUE(files.perform(writer.abandon()));
  EXPECT_TRUE(files.list("/data/version-2")->empty());
}

}  // namespace
}  // namespace synod::storage
