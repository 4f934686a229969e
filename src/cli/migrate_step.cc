// `synod migrate step` and `back`: one server goes, and comes back as the other program.
#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <thread>
#include <utility>

#include "cli/migrate_access.h"
#include "server/ask_server.h"
#include "server/membership_outlook.h"
#include "server/quorum_math.h"

namespace synod::cli {
namespace {

using server::ServerKind;
using server::Survey;
using server::SurveyedServer;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kForOneServer{5000};
constexpr milliseconds kBetweenLooks{100};
constexpr milliseconds kForTheOthers{3000};  // to be in step: they are, but for a moment
constexpr milliseconds kForAnElection{60'000};
// A tree of more nodes is not read node by node unasked.
constexpr std::size_t kFewNodes = 100'000;

double seconds_since(steady_clock::time_point begin) {
  return std::chrono::duration<double>(steady_clock::now() - begin).count();
}

// One server, on its way from one program to the other.
class Takeover {
 public:
  Takeover(const MigrateStepOptions& options, const LoadMembersConfig& load, Survey survey,
           ServerId id)
      : options_(options),
        load_(load),
        survey_(std::move(survey)),
        id_(id),
        goal_(goal_of(options.direction)),
        found_(survey_.servers.at(id)),
        patience_(std::chrono::seconds(options.access.wait_seconds)) {}

  [[nodiscard]] int run();

 private:
  [[nodiscard]] std::string_view new_program() const { return program_of(goal_); }
  [[nodiscard]] std::string_view old_program() const {
    return program_of(goal_ == ServerKind::kSynod ? ServerKind::kJava : ServerKind::kSynod);
  }
  [[nodiscard]] std::string host() const { return server::parse_address(found_.address).host; }
  [[nodiscard]] std::string undo() const {
    return fmt::format("synod migrate {} {} {}", goal_ == ServerKind::kSynod ? "back" : "step",
                       id_.value, addresses_of(survey_));
  }
  [[nodiscard]] bool is_in_its_role(std::string_view mode) const {
    return survey_.membership.is_voter(id_) ? mode == "leader" || mode == "follower"
                                            : mode == "observer";
  }

  [[nodiscard]] server::Standings ask_others(milliseconds patience) const;
  [[nodiscard]] Result<void> look() const;
  [[nodiscard]] Result<void> carry_out(const std::string& command, std::string_view what) const;
  [[nodiscard]] Result<void> have_it_stopped() const;
  [[nodiscard]] Result<void> have_it_started() const;
  [[nodiscard]] Result<SurveyedServer> wait_until_back(Zxid at_least) const;
  [[nodiscard]] Result<void> check_others() const;
  [[nodiscard]] Result<void> compare_trees(const Survey& now) const;
  [[nodiscard]] Zxid latest() const;
  void say_next(const Survey& now) const;
  [[nodiscard]] Result<void> replace();

  const MigrateStepOptions& options_;
  const LoadMembersConfig& load_;
  const Survey survey_;
  const ServerId id_;
  const ServerKind goal_;
  const SurveyedServer& found_;
  const milliseconds patience_;
};

server::Standings Takeover::ask_others(milliseconds patience) const {
  consensus::Membership others = survey_.membership;
  others.members.erase(id_);
  consensus::Servers awaited;
  for (const auto& [id, member] : others.members) awaited.push_back(id);
  return server::ask_standings(others, latest(), awaited, patience);
}

// As much as the ensemble has by now.
Zxid Takeover::latest() const {
  Zxid latest = survey_.seen;
  for (const auto& [id, server] : survey_.servers)
    if (id != id_ && !server.address.empty() && server.mode == "leader")
      latest = std::max(latest, server::glance_at(server.address, kForOneServer).zxid);
  return latest;
}

// Whether the others can do without it.
Result<void> Takeover::look() const {
  server::Outlook outlook{.others = ask_others(kForTheOthers),
                          .synced_followers = {},
                          .accepts_missing = options_.accepts_missing};
  for (const auto& [id, server] : survey_.servers)
    if (server.mode == "leader" && server.kind == ServerKind::kJava && found_.is_serving())
      outlook.synced_followers = server::synced_followers(server.address, kForOneServer);
  if (const auto reason = why_not_without(survey_, id_, outlook))
    return fail(ErrorKind::kRefused, "Not done: " + *reason);
  fmt::print("Without it there are in step:\n{}A quorum is {}.\n", table_of(outlook.others),
             server::quorum_size(survey_.membership));
  return {};
}

Result<void> Takeover::carry_out(const std::string& command, std::string_view what) const {
  fmt::print("{}: {}\n", what, command);
  std::fflush(stdout);
  const int status = std::system(command.c_str());
  if (status == 0) return {};
  const std::string how = status != -1 && WIFEXITED(status)
                              ? fmt::format("ended with status {}", WEXITSTATUS(status))
                              : "did not end by itself";
  return fail(ErrorKind::kRefused, fmt::format("The command {}: {}", how, command));
}

Result<void> Takeover::have_it_stopped() const {
  if (!found_.trouble.empty()) {
    fmt::print("server.{} does not answer ({}): taken as stopped.\n", id_.value, found_.trouble);
    return {};
  }
  if (!options_.stop.empty()) {
    if (auto stopped = carry_out(options_.stop, "Stop"); !stopped)
      return fail(ErrorKind::kRefused, stopped.error().text + "\nNothing was changed.");
  } else {
    fmt::print("Now stop {} on {}, until its process has ended. Waiting…\n", old_program(), host());
    std::fflush(stdout);
  }
  const auto deadline = steady_clock::now() + patience_;
  while (server::glance_at(found_.address, kForOneServer).trouble.empty()) {
    if (steady_clock::now() > deadline)
      return fail(ErrorKind::kNotFound,
                  fmt::format("server.{} at {} still answers. Nothing was changed; stop it, and "
                              "run this again (--wait gives it longer).",
                              id_.value, found_.address));
    std::this_thread::sleep_for(kBetweenLooks);
  }
  return {};
}

Result<void> Takeover::have_it_started() const {
  if (!options_.start.empty()) {
    if (auto started = carry_out(options_.start, "Start"); !started)
      return fail(ErrorKind::kRefused,
                  fmt::format("{}\nserver.{} is down; nothing is lost. Start {} again there, or "
                              "see to the command, and run this again.",
                              started.error().text, id_.value, old_program()));
    return {};
  }
  fmt::print(
      "It is down. Now start {} there, with the same zoo.cfg, as the same user{}. Waiting…\n",
      new_program(), goal_ == ServerKind::kSynod ? ": synod serve zoo.cfg" : "");
  std::fflush(stdout);
  return {};
}

Result<SurveyedServer> Takeover::wait_until_back(Zxid at_least) const {
  const auto deadline = steady_clock::now() + patience_;
  SurveyedServer now;
  while (steady_clock::now() < deadline) {
    now = server::glance_at(found_.address, kForOneServer);
    if (now.is_serving() && now.kind != goal_)
      return fail(ErrorKind::kRefused,
                  fmt::format("{} is back at {}, and not {}: does something restart it by itself? "
                              "Switch that off, and run this again.",
                              name_of(now), found_.address, new_program()));
    if (now.is_serving() && is_in_its_role(now.mode) && now.zxid >= at_least)
      return server::look_at(found_.address, kForOneServer);
    std::this_thread::sleep_for(kBetweenLooks);
  }
  const std::string state =
      !now.trouble.empty() ? now.trouble : fmt::format("{} at 0x{:x}", now.mode, now.zxid.value);
  return fail(
      ErrorKind::kNotFound,
      fmt::format("server.{} at {} is not back after {} s: {}. Its log says why; the others go on "
                  "meanwhile. Mend it and run this again, or give the place back: stop it, and "
                  "start {} on the same zoo.cfg and directories.",
                  id_.value, found_.address, options_.access.wait_seconds, state, old_program()));
}

Result<void> Takeover::check_others() const {
  const server::Standings others = ask_others(kForAnElection);
  for (const auto& [id, standing] : others) {
    const bool was_away = !survey_.servers.at(id).is_serving();
    if (!standing.is_ready && !was_away)
      return fail(ErrorKind::kRefused,
                  fmt::format("server.{} is not in step any more: {}. Look at it before the next "
                              "step; the way back: {}",
                              id.value, standing.state, undo()));
  }
  return {};
}

Result<void> Takeover::compare_trees(const Survey& now) const {
  for (const auto& [id, server] : now.servers) {
    if (server.is_serving()) continue;
    fmt::print("Trees are not compared: server.{} does not serve.\n", id.value);
    return {};
  }
  auto compared = compare_by_digests(now, {.auth = options_.access.auth});
  const std::size_t nodes = now.servers.at(id_).nodes;
  if (!compared && nodes <= kFewNodes) compared = compare(now, options_.access, true);
  if (!compared && nodes > kFewNodes) {
    fmt::print(
        "Trees are not compared ({}); it takes reading {} nodes from each server: synod "
        "migrate verify {}\n",
        compared.error().text, nodes, addresses_of(now));
    return {};
  }
  if (!compared) return std::unexpected(compared.error());
  fmt::print("{}", compared->text);
  if (compared->is_equal) return {};
  return fail(
      ErrorKind::kRefused,
      "The servers differ. Take no further step, and copy what is in their directories. One "
      "that differs from all others gets their tree when it is stopped, emptied (all but "
      "myid) and started again.");
}

void Takeover::say_next(const Survey& now) const {
  const server::TakeoverPlan plan = plan_takeover(now, options_.direction);
  if (plan.order.empty()) {
    fmt::print("All {} servers run {} now.\n", now.servers.size(), new_program());
    return;
  }
  fmt::print("Next: synod migrate {} {} {}\n", goal_ == ServerKind::kSynod ? "step" : "back",
             plan.order.front().value, addresses_of(now));
}

Result<void> Takeover::replace() {
  const auto begin = steady_clock::now();
  if (auto stopped = have_it_stopped(); !stopped) return stopped;
  const auto down = steady_clock::now();
  if (auto started = have_it_started(); !started) return started;
  // It held this much itself, or the others did.
  const auto back = wait_until_back(std::max(found_.zxid, survey_.seen));
  if (!back) return std::unexpected(back.error());
  if (back->id != id_)
    return fail(ErrorKind::kRefused,
                fmt::format("At {} there is server.{} now, and server.{} was meant: has it the "
                            "right dataDir, with its myid?",
                            found_.address, back->id.value, id_.value));
  fmt::print("server.{} is back as {}: {}, at 0x{:x}. Away for {:.1f} s, {:.1f} s in all.\n",
             id_.value, name_of(*back), back->mode, back->zxid.value, seconds_since(down),
             seconds_since(begin));
  std::fflush(stdout);
  if (auto others = check_others(); !others) return others;
  const auto now = reach(options_.access, load_);
  if (!now) return std::unexpected(now.error());
  if (auto compared = compare_trees(*now); !compared) return compared;
  say_next(*now);
  return {};
}

int Takeover::run() {
  if (found_.address.empty())
    return complain(MigrateExit::kBadUse, fmt::format("server.{}: {}", id_.value, found_.trouble));
  if (found_.is_serving() && found_.kind == goal_) {
    fmt::print("server.{} at {} runs {} already.\n", id_.value, found_.address, name_of(found_));
    return static_cast<int>(MigrateExit::kDone);
  }
  fmt::print("server.{} at {}: {}{}.\n", id_.value, found_.address,
             found_.trouble.empty() ? name_of(found_) + ", " : "",
             found_.trouble.empty() ? found_.mode : found_.trouble);
  if (const auto unfit = plan_takeover(survey_, options_.direction).unfit; !unfit.empty())
    return complain(MigrateExit::kNotDone, "Not done: " + unfit.front() + '.');
  if (auto looked = look(); !looked) return complain(looked.error());
  if (options_.is_dry_run) {
    fmt::print("Nothing speaks against it. (A dry run: nothing was changed.)\n");
    return static_cast<int>(MigrateExit::kDone);
  }
  // For the commands; no other thread runs here.
  setenv("SYNOD_SERVER", std::to_string(id_.value).c_str(), 1);
  setenv("SYNOD_ADDRESS", found_.address.c_str(), 1);
  setenv("SYNOD_HOST", host().c_str(), 1);
  if (auto replaced = replace(); !replaced) return complain(replaced.error());
  return static_cast<int>(MigrateExit::kDone);
}

}  // namespace

int migrate_step(const MigrateStepOptions& options, const LoadMembersConfig& load) {
  auto survey = reach(options.access, load);
  if (!survey) return complain(survey.error());
  if (!options.server.empty()) {
    const auto id = find_server(*survey, options.server);
    if (!id) return complain(id.error());
    return Takeover(options, load, std::move(*survey), *id).run();
  }
  const server::TakeoverPlan plan = plan_takeover(*survey, options.direction);
  if (plan.order.empty()) {
    fmt::print("All {} servers run {} already.\n", survey->servers.size(),
               program_of(goal_of(options.direction)));
    return static_cast<int>(MigrateExit::kDone);
  }
  return Takeover(options, load, std::move(*survey), plan.order.front()).run();
}

}  // namespace synod::cli
