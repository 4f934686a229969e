#include "cli/reconfig_command.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <expected>
#include <functional>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "consensus/membership_change.h"
#include "server/admin_session.h"
#include "server/config.h"
#include "server/membership_diff.h"
#include "server/membership_outlook.h"
#include "server/properties.h"

namespace synod::cli {

const char* const kReconfigHelp =
    "Show who belongs to a running ensemble, or change it. No restart; clients stay connected.\n"
    "  synod reconfig --server zk1:2181                         show members, and who is in step\n"
    "  synod reconfig --add 'server.4=zk4:2888:3888;2181'       zk4 joins as a participant\n"
    "  synod reconfig --add 'server.4=zk4:2888:3888:observer;2181'   or becomes an observer\n"
    "  synod reconfig --remove 2                                server 2 leaves\n"
    "  synod reconfig --members members.txt                     all of it, a server.N=… line each\n"
    "Whoever joins is started first, with the lines of the members and its own in its zoo.cfg.\n"
    "--dry-run says what would change, and why it would be refused. The servers need\n"
    "reconfigEnabled=true, and the caller the right to write /zookeeper/config (--auth, or "
    "skipACL).\n"
    "Works with Java's servers too. Exit status: 0 done, 1 refused, 2 bad use, 3 no answer.";

const char* const kReplaceHelp =
    "Put one server in the place of another, in one step.\n"
    "  synod replace 2 'server.4=zk4:2888:3888;2181' --server zk1:2181\n"
    "The new one is started first, with the lines of the members and its own in its zoo.cfg. The\n"
    "command waits until it is in step, then lets it join and the old one leave in one change: "
    "the\n"
    "old one may be up or dead. Exit status: 0 done, 1 refused, 2 bad use, 3 no answer.";

namespace {

using consensus::Membership;
using jute::ErrorCode;
using server::AdminSession;
using std::chrono::milliseconds;

enum class Exit : int { kDone = 0, kRefused = 1, kBadUse = 2, kNoAnswer = 3 };

constexpr milliseconds kForOneServer{5000};
constexpr milliseconds kForTheLeader{5000};
constexpr milliseconds kBetweenRequests{250};
constexpr milliseconds kBetweenLooks{500};
constexpr std::string_view kDefaultServer = "127.0.0.1:2181";

int complain(Exit status, std::string_view text) {
  fmt::print(stderr, "{}\n", text);
  return static_cast<int>(status);
}

std::string hint_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNewConfigNoQuorum:
      return "no quorum of the new participants is connected to the leader and in step. Its log "
             "says who is missing; start those, wait, and ask again";
    case ErrorCode::kReconfigInProgress:
      return "another change is under way; look at its outcome (synod reconfig) and ask again";
    case ErrorCode::kBadVersion:
      return "the membership has changed meanwhile; look at it (synod reconfig) and ask again";
    case ErrorCode::kBadArguments:
      return "the leader does not take this membership; its log says why";
    case ErrorCode::kReconfigDisabled:
      return "the servers do not allow it: put reconfigEnabled=true into the zoo.cfg of each, and "
             "restart one after the other";
    case ErrorCode::kNoAuth:
      return "not allowed: give --auth digest:user:password of somebody with the permission to "
             "write /zookeeper/config, or of the super user (superDigest); or start the servers "
             "with skipACL=yes";
    case ErrorCode::kUnimplemented:
      return "this server runs alone: it has no membership to change";
    default:
      return fmt::format("ZooKeeper's error {}", static_cast<int>(code));
  }
}

// ---- reaching the ensemble --------------------------------------------------------------------

struct Ensemble {
  AdminSession session;
  std::string address;
  Membership membership;
  Zxid seen;  // what it had at least when it was asked
};

struct Trouble {
  Exit status{};
  std::string text;
};

std::expected<AdminSession, Trouble> open_session(const std::string& address,
                                                  const std::string& auth, milliseconds patience) {
  auto session = AdminSession::open(server::parse_address(address), patience);
  if (!session)
    return std::unexpected(Trouble{Exit::kNoAnswer, address + ": " + session.error().text});
  if (auth.empty()) return std::move(*session);
  const std::size_t colon = auth.find(':');
  if (colon == std::string::npos)
    return std::unexpected(Trouble{
        Exit::kBadUse, "--auth is scheme:credential, as in digest:user:password, not " + auth});
  const auto accepted = session->authenticate(std::string_view(auth).substr(0, colon),
                                              std::string_view(auth).substr(colon + 1));
  if (!accepted)
    return std::unexpected(Trouble{Exit::kRefused, address + ": " + accepted.error().text});
  return std::move(*session);
}

std::expected<Ensemble, Trouble> reach_one(const std::string& address, const std::string& auth,
                                           milliseconds patience) {
  auto session = open_session(address, auth, patience);
  if (!session) return std::unexpected(session.error());
  const auto config = session->config();
  if (!config) {
    const auto& [code, text] = config.error();
    if (!code) return std::unexpected(Trouble{Exit::kNoAnswer, address + ": " + text});
    return std::unexpected(Trouble{
        Exit::kRefused, fmt::format("{}: /zookeeper/config cannot be read: {}", address, text)});
  }
  auto membership = Membership::parse(config->text);
  if (!membership)
    return std::unexpected(
        Trouble{Exit::kRefused,
                fmt::format("{}: runs alone, or says nothing of its ensemble in /zookeeper/config",
                            address)});
  return Ensemble{std::move(*session), address, std::move(*membership), config->seen};
}

// Through the first that answers.
std::expected<Ensemble, Trouble> reach(const EnsembleAccess& access) {
  std::vector<std::string> servers = access.servers;
  if (servers.empty()) servers.emplace_back(kDefaultServer);
  std::string texts;
  for (const std::string& address : servers) {
    auto ensemble = reach_one(address, access.auth, kForOneServer);
    if (ensemble || ensemble.error().status != Exit::kNoAnswer) return ensemble;
    texts += (texts.empty() ? "" : "\n") + ensemble.error().text;
  }
  return std::unexpected(Trouble{
      Exit::kNoAnswer,
      texts + "\nNo server answers. Name others with --server host:port; without a quorum nothing "
              "can be changed."});
}

// ---- asking for the change --------------------------------------------------------------------

struct Change {
  std::optional<std::string> joining;
  std::optional<std::string> leaving;
  std::optional<std::string> members;
};

std::optional<std::string_view> view(const std::optional<std::string>& text) {
  return text ? std::optional<std::string_view>(*text) : std::nullopt;
}

int say_done(const Membership& membership) {
  fmt::print("Done: the membership is version {:x}.\n", membership.version);
  return static_cast<int>(Exit::kDone);
}

// The connection broke before an answer came, as it does when the server that was asked leaves or
// takes another role: whoever is there now says what became of it.
int find_out(const EnsembleAccess& access, const Ensemble& before, const Membership& next,
             const server::Standings& standings) {
  EnsembleAccess others = access;
  if (others.servers.empty()) others.servers.emplace_back(kDefaultServer);
  for (const auto& [server, standing] : standings)
    if (!standing.address.empty()) others.servers.push_back(standing.address);
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(access.wait_seconds);
  while (std::chrono::steady_clock::now() < deadline) {
    if (const auto now = reach(others)) {
      if (now->membership.members == next.members &&
          now->membership.version != before.membership.version)
        return say_done(now->membership);
      if (now->membership.version != before.membership.version)
        return complain(Exit::kRefused,
                        "The membership has changed otherwise; look at it (synod "
                        "reconfig) and ask again.");
    }
    std::this_thread::sleep_for(kBetweenLooks);
  }
  return complain(Exit::kNoAnswer,
                  fmt::format("The connection broke and the membership is still version {:x}: the "
                              "change was lost, or is not finished. Look again (synod reconfig).",
                              before.membership.version));
}

// The leader may hear a moment later than we do that a new server is there.
AdminSession::Outcome<AdminSession::Config> ask_until_known(AdminSession& session,
                                                            const jute::ReconfigRequest& request) {
  const auto deadline = std::chrono::steady_clock::now() + kForTheLeader;
  while (true) {
    auto changed = session.reconfigure(request);
    const bool is_too_early = !changed && changed.error().code == ErrorCode::kNewConfigNoQuorum;
    if (!is_too_early || std::chrono::steady_clock::now() > deadline) return changed;
    std::this_thread::sleep_for(kBetweenRequests);
  }
}

int ask_for(const EnsembleAccess& access, const Ensemble& ensemble, const Change& change,
            const Membership& next, const server::Standings& standings) {
  // Opened anew: standings may have taken longer than a session lasts.
  auto session = open_session(ensemble.address, access.auth,
                              kForTheLeader + std::chrono::seconds(access.wait_seconds));
  if (!session) return complain(session.error().status, session.error().text);
  const auto changed =
      ask_until_known(*session, {.joining_servers = view(change.joining),
                                 .leaving_servers = view(change.leaving),
                                 .new_members = view(change.members),
                                 .current_config_id = ensemble.membership.version});
  if (!changed && !changed.error().code) return find_out(access, ensemble, next, standings);
  if (!changed) return complain(Exit::kRefused, "Refused: " + hint_of(*changed.error().code) + '.');
  const auto membership = Membership::parse(changed->text);
  return say_done(membership ? *membership : next);
}

// Shows the change and its prospects; nothing: it may be asked for.
std::optional<int> foretell(const Ensemble& ensemble, const Membership& next,
                            const server::Standings& standings, bool is_dry_run) {
  fmt::print("The membership is version {:x}, as {} says. {}:\n\n{}\n{}\n{}\n",
             ensemble.membership.version, ensemble.address,
             server::change_line(ensemble.membership, next),
             server::membership_diff(ensemble.membership, next),
             server::figures(ensemble.membership, next), server::table_of(standings));
  for (const std::string& warning : server::warnings_of(next, standings))
    fmt::print("Note: {}.\n", warning);
  const auto refusal = server::foretell_refusal(next, standings);
  if (refusal)
    return complain(Exit::kRefused,
                    (is_dry_run ? "It would be refused: " : "Not asked for: ") + *refusal);
  if (!is_dry_run) return std::nullopt;
  fmt::print("Nothing speaks against it. (A dry run: nothing was changed.)\n");
  return static_cast<int>(Exit::kDone);
}

int carry_out(const EnsembleAccess& access, const Change& change,
              std::optional<std::int64_t> version,
              const std::function<std::optional<std::string>(
                  const Membership& now, const server::Standings& standings)>& veto) {
  auto ensemble = reach(access);
  if (!ensemble) return complain(ensemble.error().status, ensemble.error().text);
  if (version && *version != ensemble->membership.version)
    return complain(Exit::kRefused, fmt::format("Refused: the membership is at version {:x}.",
                                                ensemble->membership.version));
  // One participant is for the servers to allow: only they know standaloneEnabled.
  const auto next = consensus::changed(
      ensemble->membership, {view(change.joining), view(change.leaving), view(change.members)}, 1);
  if (!next) return complain(Exit::kBadUse, "Not asked for: " + next.error().text + '.');
  consensus::Servers newcomers;
  for (const auto& [server, member] : next->members)
    if (!ensemble->membership.members.contains(server)) newcomers.push_back(server);
  const milliseconds patience =
      access.is_dry_run ? milliseconds(0) : std::chrono::seconds(access.wait_seconds);
  const auto standings = server::ask_standings(*next, ensemble->seen, newcomers, patience);
  if (const auto answer = foretell(*ensemble, *next, standings, access.is_dry_run)) return *answer;
  if (const auto reason = veto(ensemble->membership, standings))
    return complain(Exit::kRefused, "Not asked for: " + *reason);
  return ask_for(access, *ensemble, change, *next, standings);
}

int show(const EnsembleAccess& access) {
  const auto ensemble = reach(access);
  if (!ensemble) return complain(ensemble.error().status, ensemble.error().text);
  const Membership& membership = ensemble->membership;
  fmt::print(
      "The membership is version {:x}, as {} says.\n\n{}\n{}\n{}", membership.version,
      ensemble->address, server::membership_diff(membership, membership),
      server::figures(membership, membership),
      server::table_of(server::ask_standings(membership, ensemble->seen, {}, kForOneServer)));
  return static_cast<int>(Exit::kDone);
}

// ---- the command line -------------------------------------------------------------------------

std::optional<std::string> joined(const std::vector<std::string>& parts) {
  if (parts.empty()) return std::nullopt;
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

std::optional<std::int64_t> hexadecimal(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, number, 16);
  if (problem != std::errc{} || stop != end) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

// The file's lines as a request has them; the version is the request's business.
std::expected<std::string, std::string> members_in(const std::string& path) {
  const auto file = server::read_config_file(path);
  if (!file) return std::unexpected(server::to_string(file.error()));
  const auto entries = server::parse_properties(file->text);
  if (!entries)
    return std::unexpected(fmt::format("{}:{}: cannot be read", path, entries.error().line));
  std::string members;
  for (const server::PropertyEntry& entry : *entries) {
    if (entry.key == "version") continue;
    members += (members.empty() ? "" : ",") + entry.key + '=' + entry.value;
  }
  return members;
}

}  // namespace

int reconfig(const ReconfigOptions& options) {
  Change change{
      .joining = joined(options.joining), .leaving = joined(options.leaving), .members = {}};
  std::optional<std::int64_t> version;
  if (!options.version.empty()) {
    version = hexadecimal(options.version);
    if (!version) return complain(Exit::kBadUse, "--version is hexadecimal, as in 100000004");
  }
  if (!options.members_file.empty()) {
    if (change.joining || change.leaving)
      return complain(Exit::kBadUse, "either --members, which is all of it, or --add and --remove");
    auto members = members_in(options.members_file);
    if (!members) return complain(Exit::kBadUse, members.error());
    change.members = std::move(*members);
  }
  if (!change.joining && !change.leaving && !change.members) return show(options.access);
  return carry_out(options.access, change, version,
                   [](const Membership&, const server::Standings&) { return std::nullopt; });
}

int replace(const ReplaceOptions& options) {
  const Change change{.joining = options.joining, .leaving = options.leaving, .members = {}};
  const auto veto = [&](const Membership& now,
                        const server::Standings& standings) -> std::optional<std::string> {
    for (const auto& [server, standing] : standings) {
      if (now.members.contains(server) || standing.is_ready) continue;
      return fmt::format(
          "server.{} at {} is not in step ({}). Start it with the members and itself in its "
          "zoo.cfg, and run this again; --wait gives it longer.",
          server.value, standing.address, standing.state);
    }
    return std::nullopt;
  };
  return carry_out(options.access, change, std::nullopt, veto);
}

}  // namespace synod::cli
