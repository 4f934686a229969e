// ZooKeeper's own directories, served and compared with what its own server had loaded.
#include <gtest/gtest.h>

#include <boost/json/src.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "replica/test_server.h"

namespace synod::replica {
namespace {

namespace json = boost::json;

std::string directory() {
  const char* fixtures = std::getenv("SYNOD_FIXTURES");
  return std::string(fixtures != nullptr ? fixtures : "tests/fixtures") + "/zookeeper-3.8-datadir";
}

Bytes bytes_of_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

const json::object& variants() {
  static const json::value manifest = json::parse(bytes_of_file(directory() + "/manifest.json"));
  return manifest.at("variants").as_object();
}

std::vector<std::string> variant_names() {
  std::vector<std::string> names;
  for (const auto& variant : variants()) names.emplace_back(variant.key());
  return names;
}

std::int64_t number(const json::value& text) {
  return std::stoll(std::string(text.as_string()), nullptr, 16);
}

std::string base64(BytesView bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += i + j > bytes.size() ? '=' : kDigits[group >> (18 - 6 * j) & 63];
    }
  }
  return text;
}

using Nodes = std::map<std::string, std::string>;

std::string node_text(const json::value& node) {
  return json::serialize(node.at("data_base64")) + ' ' + json::serialize(node.at("stat")) + ' ' +
         json::serialize(node.at("acl"));
}

Nodes expected_nodes(const json::object& variant) {
  const json::value* same_as = variant.if_contains("tree_same_as");
  Nodes nodes;
  const json::object& source =
      same_as != nullptr ? variants().at(same_as->as_string()).as_object() : variant;
  for (const json::value& node : source.at("tree").as_array()) {
    nodes[std::string(node.at("path").as_string())] = node_text(node);
  }
  const json::value* except = variant.if_contains("tree_except");
  if (except == nullptr) return nodes;
  for (const json::value& path : except->at("removed").as_array())
    nodes.erase(std::string(path.as_string()));
  for (const json::value& change : except->at("changed").as_array()) {
    for (const json::value& node : source.at("tree").as_array()) {
      if (node.at("path") != change.at("path")) continue;
      json::value changed = node;
      changed.as_object()["stat"] = change.at("stat");
      nodes[std::string(change.at("path").as_string())] = node_text(changed);
    }
  }
  return nodes;
}

void add_nodes(const state::Tree& tree, const state::Node& node, Nodes& nodes) {
  const jute::Stat s = tree.client_stat(node);
  json::array acl;
  for (const jute::Acl& entry : tree.acls().list(node.acl))
    acl.push_back({entry.perms, entry.scheme, entry.id});
  const NullableView data = node.data.view();
  const json::value found = {
      {"data_base64", data ? json::value(base64(*data)) : json::value()},
      {"stat",
       {s.czxid.value, s.mzxid.value, s.ctime, s.mtime, s.version, s.cversion, s.aversion,
        s.ephemeral_owner, s.data_length, s.num_children, s.pzxid.value}},
      {"acl", acl}};
  nodes[std::string(node.client_path())] = node_text(found);
  if (!node.children) return;
  for (const state::Node* child : *node.children) add_nodes(tree, *child, nodes);
}

Nodes nodes_of(const state::Tree& tree) {
  Nodes nodes;
  add_nodes(tree, *tree.find("/"), nodes);
  return nodes;
}

void put(TestServer& server, const std::string& variant, const std::string& name) {
  server.files.put("/data/version-2/" + name,
                   bytes_of_file(directory() + '/' + variant + "/version-2/" + name));
}

void expect_as_manifest_says(TestServer& server, const json::object& expected) {
  const state::State& state = server.replica->state();
  EXPECT_EQ(state.applied().value, number(expected.at("last_zxid")));
  EXPECT_EQ(static_cast<std::int64_t>(state.tree().digest()),
            expected.at("tree_digest").to_number<std::int64_t>());
  EXPECT_EQ(nodes_of(state.tree()), expected_nodes(expected));
  std::map<SessionId, std::int32_t> sessions;
  for (const json::value& session : expected.at("sessions_after_load").as_array()) {
    const SessionId id{number(session.at("id"))};
    sessions[id] = session.at("timeout_ms").to_number<std::int32_t>();
    EXPECT_EQ(session_password(id),
              test::bytes_of_hex(std::string(session.at("password_hex").as_string())));
  }
  EXPECT_EQ(state.sessions(), sessions);
  if (const json::value* owners = expected.if_contains("ephemerals_by_session")) {
    EXPECT_EQ(state.tree().sessions_with_ephemerals().size(), owners->as_object().size());
    for (const auto& [id, paths] : owners->as_object()) {
      std::vector<std::string> expected_paths;
      for (const json::value& path : paths.as_array())
        expected_paths.emplace_back(path.as_string());
      EXPECT_EQ(state.tree().ephemerals_of({std::stoll(std::string(id), nullptr, 16)}),
                expected_paths);
    }
  }
}

class ServedDirectory : public testing::TestWithParam<std::string> {
 protected:
  ServedDirectory() {
    server_.options.owner_rules.extended_types = true;
    for (const auto& file : expected().at("files").as_object())
      put(server_, GetParam(), std::string(file.key()));
  }
  [[nodiscard]] const json::object& expected() const {
    return variants().at(GetParam()).as_object();
  }

  TestServer server_;
};

TEST_P(ServedDirectory, HoldsWhatItsManifestSays) {
  const std::string refusal = server_.open();
  if (expected().at("expected_load") != "ok") {
    EXPECT_NE(refusal.find("log.56"), std::string::npos) << refusal;
    return;
  }
  ASSERT_EQ(refusal, "");
  expect_as_manifest_says(server_, expected());
  const bool is_mismatch_expected = expected().contains("mismatching_zxids");
  const bool is_tail_torn = GetParam() == "torn-tail";
  EXPECT_EQ(server_.replica->recovery().warnings.size(),
            is_mismatch_expected || is_tail_torn ? 1U : 0U);
}

// Served, written to, and read again: a live session is adopted with its password, and what it adds
// is all that has changed.
TEST_P(ServedDirectory, IsWrittenToAndReadAgain) {
  if (expected().at("expected_load") != "ok") GTEST_SKIP();
  ASSERT_EQ(server_.open(), "");
  const auto connection = server_.connect();
  const bool has_session = !expected().at("sessions_after_load").as_array().empty();
  const SessionId session{
      has_session ? number(expected().at("sessions_after_load").as_array()[0].at("id")) : 0};
  connection->receive(connect_frame(30000, session, session_password(session)),
                      server_.time.steady);
  server_.settle();
  ASSERT_TRUE(connection->has_session());
  if (has_session) {
    EXPECT_EQ(connection->session(), session);
  }
  connection->receive(
      request_frame(1, test::request_of(test::parse_command("create /synod \"was here\""))),
      server_.time.steady);
  server_.settle();
  const Nodes nodes = nodes_of(server_.replica->state().tree());
  const std::uint64_t digest = server_.replica->state().tree().digest();
  EXPECT_TRUE(nodes.contains("/synod"));
  server_.kill();
  ASSERT_EQ(server_.open(), "");
  EXPECT_EQ(nodes_of(server_.replica->state().tree()), nodes);
  EXPECT_EQ(server_.replica->state().tree().digest(), digest);
}

INSTANTIATE_TEST_SUITE_P(All, ServedDirectory, testing::ValuesIn(variant_names()),
                         [](const auto& variant) {
                           std::string name = variant.param;
                           std::erase(name, '-');
                           return name;
                         });

// The reference's derivable case: half a snapshot is passed over, the older one and the whole log
// give the same tree.
TEST(ServedDirectories, HalfASnapshotMakesNoDifference) {
  TestServer server;
  server.options.owner_rules.extended_types = true;
  for (const char* name : {"snapshot.0", "log.1", "snapshot.55", "log.56"})
    put(server, "standalone", name);
  const Bytes whole = *server.files.get("/data/version-2/snapshot.55");
  server.files.put("/data/version-2/snapshot.55", whole.substr(0, whole.size() / 2));
  ASSERT_EQ(server.open(), "");
  expect_as_manifest_says(server, variants().at("standalone").as_object());
}

// Without extended types a TTL node's owner is a session nobody knows.
TEST(ServedDirectories, WithoutExtendedTypesTtlNodesAreGone) {
  TestServer server;
  for (const char* name : {"snapshot.0", "log.1", "snapshot.55", "log.56"})
    put(server, "standalone", name);
  ASSERT_EQ(server.open(), "");
  const Nodes expected = expected_nodes(variants().at("standalone").as_object());
  std::vector<std::string> gone;
  const Nodes found = nodes_of(server.replica->state().tree());
  for (const auto& [path, text] : expected) {
    if (!found.contains(path)) gone.push_back(path);
  }
  for (const std::string& path : gone) EXPECT_NE(path.find("ttl"), std::string::npos) << path;
  EXPECT_FALSE(gone.empty());
}

}  // namespace
}  // namespace synod::replica
