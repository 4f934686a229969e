#include "server/takeover.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <tuple>
#include <utility>

#include "server/quorum_math.h"

namespace synod::server {
namespace {

using consensus::Membership;

// Its servers have the same peer protocol since; and these are the ones that were tried.
constexpr std::pair<int, int> kOldestPossible{3, 5};
constexpr std::pair<int, int> kOldestTried{3, 8};
constexpr std::pair<int, int> kNewestTried{3, 9};

// Major and minor; 0.0 where it is no such number.
std::pair<int, int> release_of(std::string_view version) {
  std::pair<int, int> release{};
  const char* const end = version.data() + version.size();
  const auto major = std::from_chars(version.data(), end, release.first);
  if (major.ec != std::errc{} || major.ptr == end || *major.ptr != '.') return {};
  std::from_chars(major.ptr + 1, end, release.second);
  return release;
}

// Observers cost least when they are away; the leader's going means an election.
auto rank_of(const Survey& survey, ServerId server) {
  const bool leads = survey.servers.at(server).mode == "leader";
  return std::tuple(leads, survey.membership.is_voter(server), server);
}

void note_releases(const Survey& survey, TakeoverPlan& plan) {
  std::set<std::string> versions;
  for (const auto& [id, server] : survey.servers) {
    if (server.kind != ServerKind::kJava) continue;
    versions.insert(server.version);
    const auto release = release_of(server.version);
    if (release < kOldestPossible)
      plan.unfit.push_back(fmt::format("server.{} runs ZooKeeper {}: bring it to 3.8 or 3.9 first",
                                       id.value, server.version));
    else if (release < kOldestTried || release > kNewestTried)
      plan.notes.push_back(
          fmt::format("server.{} runs ZooKeeper {}, which was not tried: 3.8 and 3.9 were",
                      id.value, server.version));
  }
  if (versions.size() > 1)
    plan.notes.emplace_back(
        "the ZooKeeper servers run different versions: better finish that upgrade first");
}

void note_configurations(const Survey& survey, Direction direction, TakeoverPlan& plan) {
  for (const auto& [id, server] : survey.servers) {
    if (!server.engine.empty() && server.engine != "zab")
      plan.unfit.push_back(
          fmt::format("server.{} runs {}: only consensus=zab can be mixed with ZooKeeper (synod "
                      "convert brings a stopped ensemble there)",
                      id.value, server.engine));
    const auto said = Membership::parse(server.membership_text);
    if (said && said->voters() != survey.membership.voters())
      plan.unfit.push_back(
          fmt::format("server.{} has other voters in its configuration than {} has: make them the "
                      "same, and restart it",
                      id.value, survey.source));
  }
  for (const auto& [id, server] : survey.servers)
    if (direction == Direction::kToSynod && !server.secure_port.empty())
      plan.unfit.push_back(
          fmt::format("server.{} has clients with TLS on port {} (secureClientPort), which this "
                      "version of Synod does not have",
                      id.value, server.secure_port));
  if (tolerated_failures(survey.membership) == 0)
    plan.unfit.push_back(
        fmt::format("{} voters: none of them can be away. Add one first, or stop them all and "
                    "start the others on their directories",
                    survey.membership.voter_count()));
  if (survey.membership.version != 0)
    plan.notes.push_back(
        fmt::format("the membership has a version ({:x}): where a zoo.cfg has dynamicConfigFile=, "
                    "both programs read and write that file, too. Keep the two together",
                    survey.membership.version));
}

void note_states(const Survey& survey, TakeoverPlan& plan) {
  bool has_leader = false;
  for (const auto& [id, server] : survey.servers) {
    has_leader = has_leader || server.mode == "leader";
    if (!server.trouble.empty())
      plan.troubles.push_back(fmt::format("server.{}{}{}: {}", id.value,
                                          server.address.empty() ? "" : " at ", server.address,
                                          server.trouble));
    else if (!server.is_serving())
      plan.troubles.push_back(
          fmt::format("server.{} at {} is up and does not serve", id.value, server.address));
  }
  if (!has_leader) plan.troubles.emplace_back("no server leads");
}

void note_words(const Survey& survey, TakeoverPlan& plan) {
  std::vector<ServerId> mute;
  for (const auto& [id, server] : survey.servers)
    if (std::ranges::find(server.unanswered, "hash") != server.unanswered.end()) mute.push_back(id);
  if (!mute.empty())
    plan.notes.push_back(fmt::format(
        "{}: 4lw.commands.whitelist lacks hash, so that trees have to be read node by node to "
        "compare them. With hash,conf,mntr in it they are compared while they change",
        names_of(mute)));
}

std::string away_text(const Survey& survey, const std::vector<ServerId>& away,
                      const Standings& others) {
  std::string text;
  for (const ServerId server : away)
    text += fmt::format("\n  server.{} ({}): {}", server.value, survey.servers.at(server).address,
                        others.at(server).state);
  return text;
}

}  // namespace

ServerKind goal_of(Direction direction) {
  return direction == Direction::kToSynod ? ServerKind::kSynod : ServerKind::kJava;
}

std::string_view program_of(ServerKind kind) {
  return kind == ServerKind::kSynod ? "Synod" : "ZooKeeper";
}

TakeoverPlan plan_takeover(const Survey& survey, Direction direction) {
  TakeoverPlan plan;
  for (const auto& [id, server] : survey.servers)
    if (server.kind != goal_of(direction)) plan.order.push_back(id);
  std::ranges::sort(plan.order, {}, [&](ServerId id) { return rank_of(survey, id); });
  note_releases(survey, plan);
  note_configurations(survey, direction, plan);
  note_states(survey, plan);
  note_words(survey, plan);
  return plan;
}

std::optional<std::string> why_not_without(const Survey& survey, ServerId server,
                                           const Outlook& outlook) {
  consensus::Servers in_step;
  std::vector<ServerId> away;
  for (const auto& [other, standing] : outlook.others) {
    if (!standing.is_ready)
      away.push_back(other);
    else if (survey.membership.is_voter(other))
      (void)consensus::add_to(in_step, other);
  }
  const std::string missing = away_text(survey, away, outlook.others);
  if (!survey.membership.is_quorum(in_step))
    return fmt::format(
        "without server.{} no quorum is left: {} of {} voters would be in step, and it takes {}.{}",
        server.value, in_step.size(), survey.membership.voter_count(),
        quorum_size(survey.membership), missing);
  if (!away.empty() && !outlook.accepts_missing)
    return fmt::format(
        "without server.{} a quorum is left, and nobody else may fail then: {} away or behind "
        "already.{}\nMend that first, or say --accept-missing.",
        server.value, away.size() == 1 ? "one is" : "some are", missing);
  const auto voters_away = static_cast<std::size_t>(
      std::ranges::count_if(away, [&](ServerId id) { return survey.membership.is_voter(id); }));
  const std::size_t expected = survey.membership.voter_count() - 1 - voters_away;
  if (outlook.synced_followers && *outlook.synced_followers < expected)
    return fmt::format(
        "the leader counts {} followers in step (zk_synced_followers), and {} are expected. Wait, "
        "and ask again.",
        *outlook.synced_followers, expected);
  return std::nullopt;
}

std::string table_of(const Survey& survey) {
  std::string text = fmt::format("{:<11} {:<24} {:<14} {:<10} {:<16} {}\n", "server", "address",
                                 "runs", "mode", "zxid", "data directory");
  for (const auto& [id, server] : survey.servers) {
    const std::string name = fmt::format("server.{}", id.value);
    const std::string address = server.address.empty() ? "-" : server.address;
    if (!server.trouble.empty()) {
      text += fmt::format("{:<11} {:<24} {}\n", name, address, server.trouble);
      continue;
    }
    text += fmt::format("{:<11} {:<24} {:<14} {:<10} {:<16} {}\n", name, address, name_of(server),
                        server.mode, fmt::format("0x{:x}", server.zxid.value),
                        server.data_dir.empty() ? "-" : server.data_dir);
  }
  return text;
}

}  // namespace synod::server
