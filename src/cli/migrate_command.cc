#include "cli/migrate_command.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "cli/migrate_access.h"
#include "server/ask_server.h"
#include "server/config_membership.h"
#include "server/properties.h"
#include "server/quorum_math.h"

namespace synod::cli {

const char* const kMigrateHelp =
    "Move a running ZooKeeper ensemble to Synod, one server after the other, and back.\n"
    "  synod migrate plan --server zk1:2181,zk2:2181,zk3:2181     what to do, for this ensemble\n"
    "  synod migrate step 1 --server zk1:2181,zk2:2181,zk3:2181   server 1 becomes Synod\n"
    "  synod migrate verify --server …                            all have the same tree\n"
    "  synod migrate back 1 --server …                            server 1 is ZooKeeper again\n"
    "The same zoo.cfg, the same dataDir, the same ports; clients stay connected to the others.\n"
    "Servers of both kinds work together for as long as you like.";

const char* const kMigratePlanHelp =
    "Ask a running ensemble, and print the steps for it; nothing is changed.\n"
    "  synod migrate plan --server zk1:2181,zk2:2181,zk3:2181\n"
    "  synod migrate plan --config zoo.cfg                      members of that file; checks it, "
    "too\n"
    "  synod migrate plan --back --server …                     the way back\n"
    "Exit status: 0 it can begin, 1 something is to be mended first, 2 bad use, 3 no answer.";

const char* const kMigrateStepHelp =
    "Replace one server by Synod: look whether the others can do without it, have it stopped, "
    "have\n"
    "Synod started with the same zoo.cfg, wait until it is back in its role and in step, and\n"
    "compare all trees.\n"
    "  synod migrate step 2 --server zk1:2181,zk2:2181,zk3:2181 --dry-run   look only\n"
    "  synod migrate step 2 --server …                  says when to stop and to start it, and "
    "waits\n"
    "  synod migrate step 2 --server … --stop 'ssh zk2 systemctl stop zookeeper' \\\n"
    "                                  --start 'ssh zk2 systemctl start synod'\n"
    "Without a number: the next one of the plan. The commands get SYNOD_SERVER (its number),\n"
    "SYNOD_ADDRESS and SYNOD_HOST. Interrupted, it is run again.\n"
    "Exit status: 0 done, 1 not done, or trees differ, 2 bad use, 3 no answer or not in time.";

const char* const kMigrateBackHelp =
    "Replace one server of Synod's by ZooKeeper again, in the way of `synod migrate step`.\n"
    "  synod migrate back 2 --server zk1:2181,zk2:2181,zk3:2181\n"
    "  synod migrate back 2 --server … --stop 'ssh zk2 systemctl stop synod' \\\n"
    "                                  --start 'ssh zk2 systemctl start zookeeper'\n"
    "Exit status: 0 done, 1 not done, or trees differ, 2 bad use, 3 no answer or not in time.";

const char* const kMigrateVerifyHelp =
    "Do all servers have the same tree? While they run and clients write. By the digests that "
    "they\n"
    "keep of it, where every 4lw.commands.whitelist has hash (sessions are opened and closed "
    "until\n"
    "there is a new one); otherwise, or with --trees, every node is read from every server.\n"
    "Exit status: 0 the same, 1 different, 2 bad use, 3 no answer.";

namespace {

using consensus::Membership;
using server::Direction;
using server::Survey;

constexpr std::string_view kDefaultServer = "127.0.0.1:2181";

// ---- files ------------------------------------------------------------------------------------

// Some member's number: the file of another machine has its myid there.
std::string some_number_in(const std::string& file) {
  const auto text = server::read_config_file(file);
  const auto entries =
      text ? server::parse_properties(text->text)
           : std::expected<std::vector<server::PropertyEntry>, server::PropertiesError>{};
  if (!entries) return "";
  for (const server::PropertyEntry& entry : *entries)
    if (entry.key.starts_with("server.")) return entry.key.substr(entry.key.find('.') + 1);
  return "";
}

Result<server::LoadedConfig> load_file(const std::string& file, const LoadMembersConfig& load) {
  auto loaded = load(file, some_number_in(file));
  if (loaded) return std::move(*loaded);
  return fail(ErrorKind::kMalformed,
              server::to_string(loaded.error()) + "\nSynod would not start with this file.");
}

// Where the clients of a file's members go: their lines say it, or the file's clientPort is theirs.
std::vector<std::string> addresses_in(const server::Config& config) {
  std::vector<std::string> addresses;
  for (const auto& [id, member] : config.ensemble->members) {
    const std::string& host = member.quorum.front().host;
    if (member.client)
      addresses.push_back(fmt::format("{}:{}", host, member.client->port));
    else if (config.client_port)
      addresses.push_back(fmt::format("{}:{}", host, *config.client_port));
  }
  return addresses;
}

// ---- what is said -----------------------------------------------------------------------------

void print_list(std::string_view title, const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  fmt::print("{}\n", title);
  for (const std::string& line : lines) fmt::print("  - {}.\n", line);
  fmt::print("\n");
}

std::string directories_of(const server::SurveyedServer& server) {
  if (server.data_dir.empty()) return "its dataDir";
  if (server.data_log_dir.empty() || server.data_log_dir == server.data_dir)
    return "dataDir " + server.data_dir;
  return fmt::format("dataDir {} and dataLogDir {}", server.data_dir, server.data_log_dir);
}

void print_step(const Survey& survey, ServerId id, std::size_t number, Direction direction) {
  const server::SurveyedServer& server = survey.servers.at(id);
  const bool is_forth = direction == Direction::kToSynod;
  const std::string where = addresses_of(survey);
  fmt::print(
      "Step {}: server.{} at {} ({}) becomes {}.{}\n", number, id.value, server.address,
      server.mode.empty() ? "does not answer" : server.mode, program_of(goal_of(direction)),
      server.mode == "leader" ? " The others elect a leader meanwhile, within some ticks." : "");
  fmt::print("  look   synod migrate {} {} {} --dry-run\n", is_forth ? "step" : "back", id.value,
             where);
  fmt::print("  do     synod migrate {} {} {}\n", is_forth ? "step" : "back", id.value, where);
  fmt::print("         It says when to stop {}, and when to start {}:\n",
             program_of(goal_of(is_forth ? Direction::kToJava : Direction::kToSynod)),
             is_forth ? "`synod serve zoo.cfg`" : "ZooKeeper");
  fmt::print("         on the same machine, as the same user, with the same zoo.cfg and {}.\n",
             directories_of(server));
  fmt::print("  undo   synod migrate {} {} {}\n\n", is_forth ? "back" : "step", id.value, where);
}

void print_steps(const Survey& survey, const server::TakeoverPlan& plan, Direction direction) {
  if (plan.order.empty()) {
    fmt::print("All of them run {}: nothing is left to do.\n", program_of(goal_of(direction)));
    return;
  }
  if (direction == Direction::kToSynod)
    fmt::print("On each machine, before its step: synod check zoo.cfg\n\n");
  std::size_t number = 0;
  for (const ServerId id : plan.order) print_step(survey, id, ++number, direction);
  fmt::print("After any step, and as long as both kinds run: synod migrate verify {}\n",
             addresses_of(survey));
}

// What Synod says of members' files. False: it would not start with one of them.
bool print_checks(const MigrateAccess& access, const LoadMembersConfig& load) {
  bool is_good = true;
  for (const std::string& file : access.config_files) {
    const auto loaded = load_file(file, load);
    is_good = is_good && loaded.has_value();
    if (!loaded) {
      fmt::print("{}\n\n", loaded.error().text);
      continue;
    }
    fmt::print("{}: good{}\n", file, loaded->warnings.empty() ? "." : ", but for");
    for (const server::Warning& warning : loaded->warnings)
      fmt::print("  - {}\n", server::to_string(warning));
    fmt::print("\n");
  }
  return is_good;
}

}  // namespace

// ---- shared -----------------------------------------------------------------------------------

int complain(MigrateExit status, std::string_view text) {
  std::fflush(stdout);
  fmt::print(stderr, "{}\n", text);
  return static_cast<int>(status);
}

int complain(const Error& error) {
  switch (error.kind) {
    case ErrorKind::kRefused:
      return complain(MigrateExit::kNotDone, error.text);
    case ErrorKind::kMalformed:
      return complain(MigrateExit::kBadUse, error.text);
    default:
      return complain(MigrateExit::kNoAnswer, error.text);
  }
}

Result<Survey> reach(const MigrateAccess& access, const LoadMembersConfig& load) {
  server::SurveyWish wish{.addresses = access.servers, .membership = {}};
  for (const std::string& file : access.config_files) {
    const auto loaded = load_file(file, load);
    if (!loaded) continue;  // said where files are checked
    if (!loaded->config.ensemble)
      return fail(ErrorKind::kMalformed, file + ": has no server lines: that server runs alone");
    if (!wish.membership) wish.membership = loaded->config.ensemble;
    if (access.servers.empty() && wish.addresses.empty())
      wish.addresses = addresses_in(loaded->config);
  }
  if (wish.addresses.empty() && !access.config_files.empty())
    return fail(ErrorKind::kMalformed,
                "these files name no client ports: give --server host:port,… of the members");
  if (wish.addresses.empty()) wish.addresses.emplace_back(kDefaultServer);
  return survey_ensemble(wish);
}

std::string addresses_of(const Survey& survey) {
  std::string text;
  for (const auto& [id, server] : survey.servers)
    if (!server.address.empty()) text += (text.empty() ? "--server " : ",") + server.address;
  return text;
}

Result<server::Comparison> compare(const Survey& survey, const MigrateAccess& access,
                                   bool is_by_reading) {
  const server::ComparisonOptions options{.auth = access.auth};
  if (!is_by_reading) {
    auto compared = compare_by_digests(survey, options);
    if (compared) return compared;
    fmt::print("Not by digests: {}. Reading every node…\n", compared.error().text);
    std::fflush(stdout);
  }
  return compare_by_reading(survey, options);
}

// ---- plan and verify --------------------------------------------------------------------------

int migrate_plan(const MigratePlanOptions& options, const LoadMembersConfig& load) {
  const bool are_files_good = print_checks(options.access, load);
  const auto survey = reach(options.access, load);
  if (!survey) return complain(survey.error());
  const Direction direction = options.is_back ? Direction::kToJava : Direction::kToSynod;
  const server::TakeoverPlan plan = plan_takeover(*survey, direction);
  fmt::print("{} voters and {} observers, as {} says. A quorum is {}: {} may be away.\n\n{}\n",
             survey->membership.voter_count(),
             survey->membership.members.size() - survey->membership.voter_count(), survey->source,
             server::quorum_size(survey->membership),
             server::tolerated_failures(survey->membership), table_of(*survey));
  print_list("To be changed first:", plan.unfit);
  print_list("To be mended first:", plan.troubles);
  print_list("To be known:", plan.notes);
  print_steps(*survey, plan, direction);
  const bool can_begin = are_files_good && plan.unfit.empty() && plan.troubles.empty();
  return static_cast<int>(can_begin ? MigrateExit::kDone : MigrateExit::kNotDone);
}

int migrate_verify(const MigrateVerifyOptions& options, const LoadMembersConfig& load) {
  const auto survey = reach(options.access, load);
  if (!survey) return complain(survey.error());
  fmt::print("{}\n", table_of(*survey));
  std::fflush(stdout);
  for (const auto& [id, server] : survey->servers)
    if (!server.is_serving())
      return complain(MigrateExit::kNoAnswer,
                      fmt::format("server.{} does not serve: nothing can be said of its tree. {}",
                                  id.value, server.trouble));
  const auto compared = compare(*survey, options.access, options.is_by_reading);
  if (!compared) return complain(compared.error());
  fmt::print("{}", compared->text);
  return static_cast<int>(compared->is_equal ? MigrateExit::kDone : MigrateExit::kNotDone);
}

}  // namespace synod::cli
