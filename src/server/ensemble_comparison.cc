#include "server/ensemble_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "server/admin_session.h"
#include "server/ask_server.h"
#include "server/tree_digests.h"

namespace synod::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kForOneServer{5000};
constexpr milliseconds kBetweenLooks{200};
constexpr int kSessionsAtOnce = 16;  // while nobody else writes
constexpr std::size_t kPageBytes = 16'384;
constexpr std::size_t kPagePaths = 100;
constexpr int kRounds = 5;          // so often a node is looked at again
constexpr std::size_t kShown = 10;  // of the differences

const SurveyedServer* leader_of(const Survey& survey) {
  for (const auto& [id, server] : survey.servers)
    if (server.mode == "leader") return &server;
  return nullptr;
}

std::unexpected<Error> cannot(const std::string& address, const AdminSession::Failure& failure) {
  return fail(ErrorKind::kNotFound, address + ": " + failure.text);
}

// ---- by digests -------------------------------------------------------------------------------

struct Told {
  std::map<ServerId, TreeDigests> digests;
  std::string mute;  // an address whose whitelist keeps them from us
};

Told ask_digests(const Survey& survey) {
  Told told;
  for (const auto& [id, server] : survey.servers) {
    std::string ignored;
    const auto answer = ask_word(parse_address(server.address), "hash", kForOneServer, ignored);
    const auto digests = parse_digests(answer.value_or(""));  // none yet: nothing is said
    if (!digests) told.mute = server.address;
    told.digests[id] = digests.value_or(TreeDigests{});
  }
  return told;
}

// Each session is two transactions.
void open_and_close_sessions(const std::string& address) {
  for (int i = 0; i < kSessionsAtOnce; ++i)
    if (!AdminSession::open(parse_address(address), kForOneServer)) return;
}

Zxid zxid_at(const std::string& address) { return glance_at(address, kForOneServer).zxid; }

Comparison judged(const Survey& survey, const Told& told, const DigestComparison& found) {
  if (!found.first_difference)
    return {true,
            fmt::format("Equal: the digest of the whole tree is the same on all {} servers, at {} "
                        "zxids up to 0x{:x}.\n",
                        survey.servers.size(), found.compared, found.newest.value)};
  Comparison comparison{
      false, fmt::format("DIFFERENT since zxid 0x{:x}: the digest of the tree there is\n",
                         found.first_difference->value)};
  for (const auto& [id, digests] : told.digests)
    comparison.text +=
        fmt::format("  server.{:<4} {:<24} {}\n", id.value, survey.servers.at(id).address,
                    digests.at(*found.first_difference));
  return comparison;
}

// ---- by reading -------------------------------------------------------------------------------

using Node = AdminSession::Node;

// All that a node is, in few bytes; what its server counts by itself is not among it.
struct Print {
  bool is_there = false;
  bool is_hidden = false;
  std::size_t hash = 0;
  friend bool operator==(const Print&, const Print&) = default;
};

Print print_of(const Node& node) {
  if (!node.is_there) return {};
  Bytes all = jute::encode(node.stat);
  all += node.data ? "=" + *node.data : "";
  all += '\n';
  all += node.acl;
  return {true, node.is_hidden, std::hash<std::string>{}(all)};
}

// A server writes its own configuration there, and the quota's counts are its own.
bool is_own(const std::string& path) {
  return path == "/zookeeper/config" ||
         (path.starts_with("/zookeeper/quota") && path.ends_with("/zookeeper_stats"));
}

using Prints = std::map<std::string, Print>;

Result<AdminSession> open_for_reading(const std::string& address,
                                      const ComparisonOptions& options) {
  auto session = AdminSession::open(parse_address(address), options.patience);
  if (!session) return cannot(address, session.error());
  if (const std::size_t colon = options.auth.find(':'); colon != std::string::npos) {
    const auto accepted =
        session->authenticate(options.auth.substr(0, colon), options.auth.substr(colon + 1));
    if (!accepted) return cannot(address, accepted.error());
  }
  if (const auto synced = session->sync(); !synced) return cannot(address, synced.error());
  return std::move(*session);
}

// As many as are answered without one side waiting for the other to read.
std::vector<std::string> next_page(std::vector<std::string>& paths) {
  std::vector<std::string> page;
  for (std::size_t bytes = 0; !paths.empty() && page.size() < kPagePaths && bytes < kPageBytes;) {
    bytes += paths.back().size();
    page.push_back(std::move(paths.back()));
    paths.pop_back();
  }
  return page;
}

// These nodes, and with `descends` all below them.
Result<Prints> read_nodes(const std::string& address, std::vector<std::string> waiting,
                          bool descends, const ComparisonOptions& options) {
  auto session = open_for_reading(address, options);
  if (!session) return std::unexpected(session.error());
  Prints prints;
  while (!waiting.empty()) {
    const std::vector<std::string> page = next_page(waiting);
    session->be_patient(options.patience);
    const auto nodes = session->read(page);
    if (!nodes) return cannot(address, nodes.error());
    for (std::size_t i = 0; i < page.size(); ++i) {
      if (!is_own(page[i])) prints[page[i]] = print_of((*nodes)[i]);
      if (!descends) continue;
      for (const std::string& child : (*nodes)[i].children)
        waiting.push_back((page[i] == "/" ? "" : page[i]) + '/' + child);
    }
  }
  return prints;
}

Result<Prints> read_tree(const std::string& address, const ComparisonOptions& options) {
  return read_nodes(address, {"/"}, true, options);
}

Print print_at(const Prints& prints, const std::string& path) {
  const auto found = prints.find(path);
  return found == prints.end() ? Print{} : found->second;
}

std::vector<std::string> doubts_between(const Prints& left, const Prints& right) {
  std::vector<std::string> doubts;
  for (const auto& [path, print] : left)
    if (print != print_at(right, path)) doubts.push_back(path);
  for (const auto& [path, print] : right)
    if (!left.contains(path)) doubts.push_back(path);
  return doubts;
}

// Those of the doubtful paths that differ in every round. See the head of the header.
Result<std::vector<std::string>> really_different(const std::string& leader,
                                                  const std::string& other,
                                                  std::vector<std::string> doubts,
                                                  const ComparisonOptions& options) {
  for (int round = 0; round < kRounds && !doubts.empty(); ++round) {
    const auto before = read_nodes(leader, doubts, false, options);
    if (!before) return std::unexpected(before.error());
    const auto there = read_nodes(other, doubts, false, options);
    if (!there) return std::unexpected(there.error());
    const auto after = read_nodes(leader, doubts, false, options);
    if (!after) return std::unexpected(after.error());
    std::vector<std::string> left;
    for (const std::string& path : doubts) {
      const bool was_changed = before->at(path) != after->at(path);
      // What changes all the time can not be judged in any round, and then nothing speaks against
      // it.
      const bool is_last = round + 1 == kRounds;
      if (was_changed ? !is_last : before->at(path) != there->at(path)) left.push_back(path);
    }
    doubts = std::move(left);
  }
  return doubts;
}

}  // namespace

Result<Comparison> compare_by_digests(const Survey& survey, const ComparisonOptions& options) {
  const SurveyedServer* leader = leader_of(survey);
  if (leader == nullptr) return fail(ErrorKind::kNotFound, "no server leads");
  const auto deadline = steady_clock::now() + options.patience;
  Zxid last_seen = zxid_at(leader->address);
  Zxid wanted = next_digest_after(last_seen);
  while (true) {
    const Told told = ask_digests(survey);
    if (!told.mute.empty())
      return fail(ErrorKind::kRefused,
                  told.mute + " does not tell its digests (4lw.commands.whitelist lacks hash)");
    const DigestComparison found = compare_digests(told.digests);
    if (found.first_difference || found.newest >= wanted) return judged(survey, told, found);
    if (steady_clock::now() > deadline)
      return fail(ErrorKind::kNotFound,
                  fmt::format("not every server came to zxid 0x{:x}, at which all tell a digest",
                              wanted.value));
    const Zxid now = zxid_at(leader->address);
    if (now.epoch() > wanted.epoch()) wanted = next_digest_after(now);  // another leader
    // Somebody writes: no need to help.
    if (now < wanted && now.value - last_seen.value < kSessionsAtOnce)
      open_and_close_sessions(leader->address);
    else
      std::this_thread::sleep_for(kBetweenLooks);
    last_seen = now;
  }
}

Result<Comparison> compare_by_reading(const Survey& survey, const ComparisonOptions& options) {
  const SurveyedServer* leader = leader_of(survey);
  if (leader == nullptr) return fail(ErrorKind::kNotFound, "no server leads");
  const auto tree = read_tree(leader->address, options);
  if (!tree) return std::unexpected(tree.error());
  const auto hidden =
      std::ranges::count_if(*tree, [](const auto& node) { return node.second.is_hidden; });
  Comparison comparison{.is_equal = true, .text = {}};
  for (const auto& [id, server] : survey.servers) {
    if (&server == leader) continue;
    const auto other = read_tree(server.address, options);
    if (!other) return std::unexpected(other.error());
    const auto different =
        really_different(leader->address, server.address, doubts_between(*tree, *other), options);
    if (!different) return std::unexpected(different.error());
    if (different->empty()) continue;
    comparison.is_equal = false;
    comparison.text +=
        fmt::format("DIFFERENT: {} nodes are not on server.{} at {} as they are on the leader\n",
                    different->size(), id.value, server.address);
    for (std::size_t i = 0; i < std::min(different->size(), kShown); ++i)
      comparison.text += "  " + (*different)[i] + '\n';
  }
  if (comparison.is_equal)
    comparison.text = fmt::format("Equal: {} nodes were read from each of {} servers.\n",
                                  tree->size(), survey.servers.size());
  if (hidden != 0)
    comparison.text += fmt::format(
        "Of {} nodes not everything may be read by anybody: give --auth digest:super:… to compare "
        "them whole.\n",
        hidden);
  return comparison;
}

}  // namespace synod::server
