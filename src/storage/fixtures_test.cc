// ZooKeeper's own directories, read against their manifest.
#include <gtest/gtest.h>
#include <zlib.h>

#include <boost/json/src.hpp>
#include <filesystem>

#include "storage/log_reader.h"
#include "storage/test_support.h"

namespace synod::storage {
namespace {

namespace json = boost::json;

const json::object& variants() {
  static const json::value kManifest =
      json::parse(bytes_of_file(fixtures() + "/zookeeper-3.8-datadir/manifest.json"));
  return kManifest.at("variants").as_object();
}

std::int64_t number(const json::value& text) {
  return std::stoll(std::string(text.as_string()), nullptr, 16);
}

std::vector<std::string> variant_names() {
  std::vector<std::string> names;
  for (const auto& variant : variants()) names.emplace_back(variant.key());
  return names;
}

class ZooKeeperDirectory : public testing::TestWithParam<std::string> {
 protected:
  ZooKeeperDirectory() {
    for (const auto& file : expected().at("files").as_object()) {
      files_.put("/data/version-2/" + std::string(file.key()), fixture(GetParam(), file.key()));
    }
  }
  [[nodiscard]] const json::object& expected() const {
    return variants().at(GetParam()).as_object();
  }

  MemoryFiles files_;
  FileHandleSource handles_;
  RecordingSink sink_;
};

TEST_P(ZooKeeperDirectory, RecoversAsItsManifestSays) {
  const auto report = recover(files_, kDirectory, {}, sink_);
  const bool is_loaded_by_java = expected().at("expected_load") == "ok";
  ASSERT_EQ(report.has_value(), is_loaded_by_java) << (report ? "" : report.error().text);
  if (!report) {
    EXPECT_EQ(report.error().kind, ErrorKind::kCorrupt);
    EXPECT_NE(report.error().text.find("log.56, offset 1400"), std::string::npos)
        << report.error().text;
    return;
  }
  EXPECT_EQ(report->last_zxid.value, number(expected().at("last_zxid")));
  std::map<std::int64_t, std::int32_t> sessions;
  for (const json::value& session : expected().at("sessions_after_load").as_array()) {
    sessions[number(session.at("id"))] = session.at("timeout_ms").to_number<std::int32_t>();
  }
  EXPECT_EQ(sink_.sessions, sessions);
  EXPECT_EQ(report->warnings.size(), GetParam() == "torn-tail" ? 1U : 0U);
}

TEST_P(ZooKeeperDirectory, RecordsLieWhereTheManifestSays) {
  const json::value* logs = expected().if_contains("log_records");
  if (logs == nullptr) GTEST_SKIP() << "none listed";
  for (const auto& [name, log] : logs->as_object()) {
    const std::string path = "/data/version-2/" + std::string(name);
    LogReader reader(files_, path, files_.get(path)->size(), 64);
    for (const json::value& record : log.at("records").as_array()) {
      const auto step = reader.next();
      ASSERT_TRUE(step && std::holds_alternative<LogRecord>(*step));
      const auto& [offset, end_offset, body, txn] = std::get<LogRecord>(*step);
      EXPECT_EQ(offset, record.at("offset").to_number<std::uint64_t>());
      EXPECT_EQ(body.size(), record.at("length").to_number<std::uint64_t>());
      EXPECT_EQ(end_offset, offset + body.size() + 13);
      EXPECT_EQ(txn.header.zxid.value, number(record.at("zxid")));
      EXPECT_EQ(txn.header.client_id.value, number(record.at("session")));
      EXPECT_EQ(static_cast<int>(txn.header.type), record.at("type").to_number<int>());
      EXPECT_EQ(txn.digest.has_value(), !record.at("tree_digest").is_null());
      if (txn.digest) {
        EXPECT_EQ(txn.digest->tree_digest, record.at("tree_digest").to_number<std::int64_t>());
      }
    }
    const auto end = reader.next();
    ASSERT_TRUE(end && std::holds_alternative<LogEnd>(*end));
    EXPECT_TRUE(std::get<LogEnd>(*end).is_clean());
    EXPECT_EQ(std::get<LogEnd>(*end).offset, log.at("end_offset").to_number<std::uint64_t>());
  }
}

// Written again by our writer, with the preallocation of the time, a log is the same file.
TEST_P(ZooKeeperDirectory, LogsWrittenAgainAreTheSameBytes) {
  if (GetParam() == "crc-error" || GetParam() == "torn-tail" || GetParam() == "create-v0") {
    GTEST_SKIP() << "damaged or made by hand";
  }
  for (const auto& file : expected().at("files").as_object()) {
    const std::string name(file.key());
    if (!name.starts_with("log.")) continue;
    const Bytes original = fixture(GetParam(), name);
    LogWriter writer({.log_dir = "/copy", .preallocate_bytes = original.size() - 16}, handles_);
    LogReader reader(files_, "/data/version-2/" + name, original.size());
    for (;;) {
      const auto step = reader.next();
      ASSERT_TRUE(step);
      const auto* record = std::get_if<LogRecord>(&*step);
      if (record == nullptr) break;
      writer.append(record->txn.header.zxid, Bytes(record->body));
    }
    ASSERT_TRUE(files_.perform({op::MakeDirectory{"/copy"}}));
    ASSERT_TRUE(files_.perform(writer.take_batch()));
    EXPECT_TRUE(files_.get("/copy/" + name) == original) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, ZooKeeperDirectory, testing::ValuesIn(variant_names()),
                         [](const auto& variant) {
                           std::string name = variant.param;
                           std::erase(name, '-');
                           return name;
                         });

// The reference's derivable case: half a snapshot is passed over, and the older one with the whole
// log gives the same state.
TEST(ZooKeeperDirectories, HalfASnapshotIsPassedOver) {
  MemoryFiles files;
  for (const char* name : {"snapshot.0", "log.1", "snapshot.55", "log.56"}) {
    files.put(std::string("/data/version-2/") + name, fixture("standalone", name));
  }
  Bytes half = fixture("standalone", "snapshot.55");
  files.put("/data/version-2/snapshot.55", half.substr(0, half.size() / 2));
  RecordingSink sink;
  const auto report = recover(files, kDirectory, {}, sink);
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_EQ(report->snapshot->name, "snapshot.0");
  EXPECT_EQ(report->txns_replayed, 0x63U);
  EXPECT_EQ(report->last_zxid, Zxid{0x63});
  EXPECT_EQ(report->warnings.size(), 1U);
}

// The digest in the snapshot is the sum of what the reader delivered.
TEST(ZooKeeperDirectories, DeliveredNodesHaveTheSnapshotsDigest) {
  MemoryFiles files;
  files.put("/data/version-2/snapshot.55", fixture("standalone", "snapshot.55"));
  RecordingSink sink;
  ASSERT_TRUE(recover(files, kDirectory, {}, sink));
  std::uint64_t digest = 0;
  for (const RecordedNode& node : sink.nodes) {
    if (node.path.starts_with("/zookeeper/")) continue;
    const jute::StatPersisted& s = node.stat;
    Bytes summed = node.path + node.data.value_or("");
    jute::Writer out(summed);
    for (const std::int64_t part :
         {s.czxid.value, s.mzxid.value, s.pzxid.value, s.ctime, s.mtime}) {
      out.i64(part);
    }
    for (const std::int32_t part : {s.version, s.cversion, s.aversion}) out.i32(part);
    out.i64(s.ephemeral_owner);
    digest += ::crc32_z(0, reinterpret_cast<const Bytef*>(summed.data()), summed.size());
  }
  const SnapshotDigest expected{.zxid = {0x55}, .version = 2, .digest = 111446637374};
  EXPECT_EQ(sink.digest, expected);
  EXPECT_EQ(digest, 111446637374U);
}

}  // namespace
}  // namespace synod::storage
