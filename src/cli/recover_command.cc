#include "cli/recover_command.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

#include "server/membership_diff.h"
#include "server/membership_outlook.h"
#include "server/posix_files.h"
#include "server/recovery_files.h"
#include "server/recovery_plan.h"

namespace synod::cli {

// The columns are those of a terminal.
const char* const kRecoverHelp =
    "Begin an ensemble again when too many of its servers are gone for good: by those that are\n"
    "left, with what they have. Writes may be lost: without --accept-lost-writes it only says\n"
    "which, and what it would do. Nothing is to be done while a quorum can be started.\n"
    "  synod recover a/zoo.cfg b/zoo.cfg                     what is left, and what may be lost\n"
    "  synod recover a/zoo.cfg b/zoo.cfg --accept-lost-writes\n"
    "  synod recover a/zoo.cfg /mnt/copy-of-2                a directory brought here, with myid\n"
    "  synod recover a/zoo.cfg new/zoo.cfg --add 'server.6=zoo6:2888:3888;2181'\n"
    "                                                        with a newcomer, whose directory is "
    "empty\n"
    "Stop every server first (Java's, too). Whoever is not given is out: the others begin with a\n"
    "membership without it, whose version and epoch are above all that it can know. Should it\n"
    "come back, it has no vote. Members that are gone and could be a quorum by themselves are\n"
    "another matter: destroy their directories (docs/backup.md).\n"
    "The log of the most advanced is taken, by the engine's own rule; all directories given get "
    "it,\n"
    "and every zoo.cfg given names the new members afterwards (the old file: zoo.cfg.bak).\n"
    "When it is interrupted, run it again: until it has finished no server of ours starts on "
    "these\n"
    "directories. Exit status: 0 done or shown, 2 bad use or configuration, 3 refused, or a\n"
    "directory that cannot be read or written.";

namespace {

using server::FoundMember;
using server::RecoveryPlan;
using Kind = server::ConversionPlan::Kind;

// ---- who is given -----------------------------------------------------------------------------

struct Given {
  consensus::Membership membership;
  std::string membership_source;
  std::vector<GivenMember> members;
  server::ConversionOptions options;
};

bool is_named(const RecoverOptions& options, ServerId id) {
  const std::string key = fmt::format("server.{}=", id.value);
  return std::ranges::any_of(options.joining,
                             [&](const std::string& line) { return line.starts_with(key); });
}

// Interrupted, it may have left files of which some name the new membership already: the newest
// counts, and those that say the same version have to say the same voters.
Outcome<void> add_membership(Given& given, const GivenMember& member) {
  const consensus::Membership& its = *member.config->ensemble;
  const bool is_first = given.membership_source.empty();
  if (!is_first && its.version < given.membership.version) return {};
  if (!is_first && its.version == given.membership.version) {
    if (!have_same_voters(given.membership, its))
      return misused(fmt::format(
          "{} and {} differ in who votes: which of them was the ensemble's? Make their server, "
          "group and weight lines the same; a newcomer is named with --add.",
          given.membership_source, member.config_file));
    return {};
  }
  given.membership = its;
  given.membership_source = member.config_file;
  const server::Config& config = *member.config;
  given.options.owner_rules = {config.extended_types_enabled, config.emulate_353_ttl_nodes};
  given.options.trusts_empty_snapshot = config.snapshot_trust_empty;
  return {};
}

Outcome<Given> gather(const RecoverOptions& options, const LoadConfig& load) {
  auto members = read_members(options.members, load, "leave it out");
  if (!members) return std::unexpected(members.error());
  Given given;
  // What a newcomer's own file says of the others may be anything, unless it is the only one.
  for (const bool are_newcomers_asked : {false, true}) {
    if (!given.membership_source.empty()) break;
    for (const GivenMember& member : *members) {
      if (member.member.id == ServerId{})
        return misused(member.config_file + ": has no server lines, and its dataDir no myid");
      const bool has_membership = member.config && member.config->ensemble;
      if (!has_membership || is_named(options, member.member.id) != are_newcomers_asked) continue;
      if (auto added = add_membership(given, member); !added) return std::unexpected(added.error());
    }
  }
  const bool has_file = std::ranges::any_of(
      *members, [](const GivenMember& member) { return !member.config_file.empty(); });
  if (!has_file)
    return misused(
        "only directories are given: one zoo.cfg of a survivor is needed, to say who belonged to "
        "the ensemble");
  given.members = *std::move(members);
  given.options.progress = progress_report();
  return given;
}

// ---- what is said -----------------------------------------------------------------------------

std::string when_text(const FoundMember& member) {
  if (!member.when) return "";
  const std::chrono::sys_time<std::chrono::seconds> when{
      std::chrono::seconds{member.when->value / 1000}};
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", when);
}

std::string place_text(const FoundMember& member, const RecoveryPlan& plan) {
  if (!member.holds_data) return "empty, gets it all";
  if (member.id == plan.work.chosen) return "its log is the one";
  return member.last == plan.work.last ? "has the same" : "gets the chosen one's tree";
}

void print_found(const std::vector<FoundMember>& found, const RecoveryPlan& plan) {
  fmt::print("{:<8}{:<10}{:<9}{:<18}{:<21}{:<28}{}\n", "server", "was", "epoch", "log ends at",
             "of (UTC)", "", "directory");
  for (const FoundMember& member : found) {
    const bool is_new = !plan.before.members.contains(member.id);
    fmt::print("{:<8}{:<10}{:<9}{:<18}{:<21}{:<28}{}\n", member.id.value,
               is_new                            ? "-"
               : plan.before.is_voter(member.id) ? "voter"
                                                 : "observer",
               member.current_epoch, fmt::format("0x{:x}", member.last.value), when_text(member),
               plan.is_resumed ? "has it already" : place_text(member, plan), member.directory);
  }
}

void print_plan(const RecoveryPlan& plan) {
  const server::ConversionPlan& work = plan.work;
  if (work.kind == Kind::kFinish) {
    fmt::print("An earlier recovery was interrupted at its end: it is finished.\n");
    return;
  }
  if (plan.is_resumed)
    fmt::print("An earlier recovery was interrupted: it goes on to the same membership.\n\n");
  else
    fmt::print("Server {} has the most advanced log, by {}.\n\n", work.chosen.value, work.rule);
  fmt::print("{}\n{}\n", server::membership_diff(plan.before, plan.after),
             server::figures(plan.before, plan.after));
  fmt::print("The membership becomes version {:x}, and the first leader opens epoch {} or above.\n",
             plan.after.version, work.epoch + 1);
  for (const std::string& loss : plan.losses) fmt::print("- {}\n", loss);
}

void print_files(const Given& given, const RecoveryPlan& plan) {
  for (const GivenMember& member : given.members) {
    if (!member.config_file.empty())
      fmt::print("  synod serve {}\n", member.config_file);
    else
      fmt::print(
          "  server {}: bring {} back to it; in its zoo.cfg replace the server lines by\n"
          "    dynamicConfigFile=<where it lies there>/zoo.cfg.dynamic.{:x}\n",
          member.member.id.value, member.member.directory.data_dir, plan.after.version);
  }
}

void print_next(const Given& given, const RecoveryPlan& plan) {
  fmt::print("Now start them, Java's as ever:\n");
  print_files(given, plan);
  if (plan.after.members.size() == 1)
    fmt::print(
        "It is alone: to add others with synod reconfig, put standaloneEnabled=false and "
        "reconfigEnabled=true into its zoo.cfg before.\n");
  if (plan.gone.empty()) return;
  fmt::print(
      "Server {}: out for good. Should one come back, empty its directory, give it a number that "
      "was never used, and add it (synod reconfig --add).\n",
      server::list_of(plan.gone));
}

// ---- what is done -----------------------------------------------------------------------------

std::vector<server::RecoveredPlace> places_of(const Given& given) {
  std::vector<server::RecoveredPlace> places;
  for (const GivenMember& member : given.members) {
    server::RecoveredPlace place{
        .config = {.config_file = member.config_file, .self = member.member.id, .clients = {}},
        .data_dir = member.member.directory.data_dir};
    if (member.config && member.config->client_port)
      place.config.clients = {member.config->client_port_address,
                              static_cast<std::uint16_t>(*member.config->client_port)};
    places.push_back(std::move(place));
  }
  return places;
}

server::RecoveryWish wish_of(const RecoverOptions& options) {
  server::RecoveryWish wish;
  for (const std::string& line : options.joining)
    wish.joining += (wish.joining.empty() ? "" : ",") + line;
  if (!options.from.empty()) wish.from = options.from;
  return wish;
}

Outcome<void> carry_out(const Given& given, const RecoveryPlan& plan, storage::FilePort& files) {
  server::ConversionOptions options = given.options;
  options.before_finish = [&] {
    return server::write_memberships(files, places_of(given), plan.after);
  };
  const auto done =
      server::carry_out(files, directories_of(given.members), plan.work, new_number(), options);
  if (!done) return refused(done.error());
  for (const std::string& warning : done->warnings) fmt::print(stderr, "warning: {}\n", warning);
  if (plan.work.kind == Kind::kConvert)
    fmt::print("Recovered: {} nodes, {} sessions, in {} directories.\n", done->nodes,
               done->sessions, given.members.size());
  print_next(given, plan);
  return {};
}

Outcome<void> run(const RecoverOptions& options, const LoadConfig& load) {
  const auto given = gather(options, load);
  if (!given) return std::unexpected(given.error());
  const auto members = directories_of(given->members);
  const auto locked = lock_members(members, "a recovery");
  if (!locked) return std::unexpected(locked.error());
  server::PosixFiles files([](storage::IoToken /*token*/, Result<void> /*result*/) {});
  const auto found = server::survey_members(files, members, given->options);
  if (!found)
    return refused({found.error().kind, found.error().text +
                                            "\nNothing was changed. If another survivor has its "
                                            "data, leave this one out."});
  const auto plan = server::plan_recovery(given->membership, wish_of(options), *found);
  if (!plan) return refused({plan.error().kind, plan.error().text + "\nNothing was changed."});
  print_found(*found, *plan);
  print_plan(*plan);
  if (!options.accepts_lost_writes) {
    fmt::print(
        "\nNothing was changed. To do it, say the same with --accept-lost-writes, and be sure "
        "that none of those left out runs.\n");
    return {};
  }
  std::fflush(stdout);
  return carry_out(*given, *plan, files);
}

}  // namespace

int recover(const RecoverOptions& options, const LoadConfig& load) {
  return concluded(run(options, load));
}

}  // namespace synod::cli
