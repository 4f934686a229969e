#include "cli/convert_command.h"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

#include "server/conversion.h"
#include "server/posix_files.h"

namespace synod::cli {

// The columns are those of a terminal.
const char* const kConvertHelp =
    "Change a stopped ensemble's consensus engine: its members' directories get one log, and "
    "start\n"
    "under the new engine.\n"
    "  synod convert --to raft a/zoo.cfg b/zoo.cfg c/zoo.cfg --dry-run   says what it would do\n"
    "  synod convert --to raft a/zoo.cfg b/zoo.cfg c/zoo.cfg\n"
    "  synod convert --to raft zoo.cfg /mnt/member2 /mnt/member3         copies brought here\n"
    "  synod convert --to raft a/zoo.cfg b/zoo.cfg --lost 3              server 3's disk is gone\n"
    "Stop every server first (Java's, too: they take no lock that could be seen). Give each "
    "member\n"
    "by its zoo.cfg, or by its dataDir with myid in it; one zoo.cfg at least, for the server "
    "lines.\n"
    "Every voter must be given or named as lost, and those given must be a quorum, so that no\n"
    "acknowledged write is missing. All get the log that the old engine's own rule would have\n"
    "chosen; who was lost comes back with an empty directory. Afterwards set consensus=… in every\n"
    "zoo.cfg, and start the servers.\n"
    "When it is interrupted, run it again: until it has finished no server starts on these\n"
    "directories. Exit status: 0 done, 2 bad use or configuration, 3 refused, or a directory that\n"
    "cannot be read or written.";

namespace {

// ---- who is given -----------------------------------------------------------------------------

struct Given {
  consensus::Membership membership;
  std::string membership_source;
  std::vector<server::ConvertedMember> members;
  server::ConversionOptions options;
};

Outcome<void> add_configured(Given& given, const std::string& file, const server::Config& config) {
  if (!config.ensemble)
    return misused(file + ": has no server lines: a server on its own has no consensus engine");
  if (given.membership_source.empty()) {
    given.membership = *config.ensemble;
    given.membership_source = file;
    given.options.owner_rules = {config.extended_types_enabled, config.emulate_353_ttl_nodes};
    given.options.trusts_empty_snapshot = config.snapshot_trust_empty;
  } else if (!have_same_voters(given.membership, *config.ensemble)) {
    return misused(
        fmt::format("{} and {} differ in who votes: a quorum of the one need not be one "
                    "of the other. Make their server, group and weight lines the same.",
                    given.membership_source, file));
  }
  for (const auto& [id, member] : config.ensemble->members)
    given.membership.members.try_emplace(id, member);
  return {};
}

Outcome<Given> gather(const ConvertOptions& options, const LoadConfig& load) {
  const auto members = read_members(options.members, load, "say so with --lost");
  if (!members) return std::unexpected(members.error());
  Given given;
  for (const GivenMember& member : *members)
    if (member.config)
      if (auto added = add_configured(given, member.config_file, *member.config); !added)
        return std::unexpected(added.error());
  if (given.membership_source.empty())
    return misused("only directories are given: one zoo.cfg is needed, to say who votes");
  given.members = directories_of(*members);
  return given;
}

// ---- what is said -----------------------------------------------------------------------------

std::string engine_text(const server::FoundMember& member, const std::string& otherwise) {
  if (!server::is_used(member)) return "empty";
  if (!member.record) return otherwise;
  return member.record->is_converting()
             ? fmt::format("{}, half way to {}", member.record->engine, member.record->becomes)
             : member.record->engine;
}

std::string place_text(const server::FoundMember& member, const server::ConversionPlan& plan) {
  if (!member.has_memory) return "remembers nothing, gets it all";
  if (member.id == plan.chosen) return "its log is the one";
  return member.last == plan.last ? "has the same" : "gets the chosen one's tree";
}

void print_found(const Given& given, const std::vector<server::FoundMember>& found,
                 const server::ConversionPlan& plan) {
  fmt::print("{:<8}{:<10}{:<12}{:<9}{:<15}{:<30}{}\n", "server", "role", "engine", "epoch",
             "log ends at", "", "directory");
  const bool is_converting = plan.kind == server::ConversionPlan::Kind::kConvert;
  for (const server::FoundMember& member : found)
    fmt::print("{:<8}{:<10}{:<12}{:<9}{:<15}{:<30}{}\n", member.id.value,
               given.membership.is_voter(member.id) ? "voter" : "observer",
               engine_text(member, plan.from), member.current_epoch,
               fmt::format("0x{:x}", member.last.value),
               is_converting ? place_text(member, plan) : "", member.directory);
}

void print_plan(const server::ConversionPlan& plan) {
  switch (plan.kind) {
    case server::ConversionPlan::Kind::kNothing:
      fmt::print("All of them belong to {} already: nothing is to be done.\n", plan.to);
      break;
    case server::ConversionPlan::Kind::kFinish:
      fmt::print(
          "An earlier conversion from {} to {} was interrupted at its end: it is finished.\n",
          plan.from, plan.to);
      break;
    case server::ConversionPlan::Kind::kConvert:
      fmt::print(
          "From {} to {}. Server {} has the log that counts, by {}.\nAll get what it holds "
          "up to zxid 0x{:x}, and epoch {}: the first leader opens one above.\n",
          plan.from, plan.to, plan.chosen.value, plan.rule, plan.last.value, plan.epoch);
  }
  for (const std::string& warning : plan.warnings) fmt::print(stderr, "warning: {}\n", warning);
}

void print_next(const ConvertOptions& options) {
  fmt::print("Now set consensus={} in every zoo.cfg, and start the servers.\n", options.to);
  if (options.to == "zab")
    fmt::print("Zab also needs the election port of every server line, initLimit and syncLimit.\n");
  for (const int lost : options.lost)
    fmt::print(
        "Server {} comes back with an empty directory (but for myid): what it had is "
        "refused.\n",
        lost);
}

// ---- what is done -----------------------------------------------------------------------------

Outcome<void> run(const ConvertOptions& options, const LoadConfig& load) {
  auto given = gather(options, load);
  if (!given) return std::unexpected(given.error());
  const auto locked = lock_members(given->members, "a conversion");
  if (!locked) return std::unexpected(locked.error());
  server::ConversionWish wish{
      .to = options.to, .from = {}, .lost = {}, .accepts_lost_writes = options.accepts_lost_writes};
  if (!options.from.empty()) wish.from = options.from;
  for (const int lost : options.lost) wish.lost.push_back({lost});
  given->options.progress = progress_report();
  server::PosixFiles files([](storage::IoToken /*token*/, Result<void> /*result*/) {});
  const auto found = server::survey_members(files, given->members, given->options);
  if (!found)
    return refused({found.error().kind,
                    found.error().text + "\nNothing was changed. If this member can be given up, "
                                         "name it with --lost in place of its directory."});
  const auto plan = server::plan_conversion(given->membership, wish, *found);
  if (!plan) return refused({plan.error().kind, plan.error().text + "\nNothing was changed."});
  print_found(*given, *found, *plan);
  print_plan(*plan);
  if (plan->kind == server::ConversionPlan::Kind::kNothing) return {};
  if (options.is_dry_run) {
    fmt::print("This was a dry run: nothing was changed.\n");
    return {};
  }
  std::fflush(stdout);
  const auto converted =
      server::carry_out(files, given->members, *plan, new_number(), given->options);
  if (!converted) return refused(converted.error());
  for (const std::string& warning : converted->warnings)
    fmt::print(stderr, "warning: {}\n", warning);
  if (plan->kind == server::ConversionPlan::Kind::kConvert)
    fmt::print("Converted: {} nodes, {} sessions, in {} directories.\n", converted->nodes,
               converted->sessions, given->members.size());
  print_next(options);
  return {};
}

}  // namespace

int convert(const ConvertOptions& options, const LoadConfig& load) {
  return concluded(run(options, load));
}

}  // namespace synod::cli
