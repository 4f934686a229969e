#include "cli/commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/backup_command.h"
#include "cli/check_history.h"
#include "cli/convert_command.h"
#include "cli/migrate_command.h"
#include "cli/mutation_hunt.h"
#include "cli/reconfig_command.h"
#include "cli/recover_command.h"
#include "cli/scenario_command.h"
#include "cli/sim_command.h"
#include "server/ask_status.h"
#include "server/config.h"
#include "server/four_letter_words.h"
#include "server/serve.h"

namespace synod::cli {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Java's properties look like no option that a parser knows: -Dname=value, anywhere on the line.
struct CommandLine {
  std::vector<std::string> arguments;   // in order, the program's name left out
  std::vector<std::string> properties;  // without the -D
};

CommandLine split(int argc, const char* const* argv) {
  CommandLine line;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("-D") && argument.size() > 2)
      line.properties.emplace_back(argument.substr(2));
    else
      line.arguments.emplace_back(argument);
  }
  return line;
}

int complain(const server::ConfigError& error) {
  fmt::print(stderr, "{}\n", server::to_string(error));
  return static_cast<int>(server::ExitStatus::kBadConfiguration);
}

void add_sim_options(CLI::App& command, SimOptions& options) {
  command.require_subcommand(0, 1);
  command
      .add_option("--scenario", options.scenarios,
                  "quorum-loss, constrained-election, chained, howard-abraham, nuraft: which "
                  "engine\ngoes on when links are cut so, and how soon; reconfigure (replace-one, "
                  "replace-majority,\nreplace-all): what it takes to replace servers; with "
                  "--engine, --seeds (20), --first-seed")
      ->delimiter(',');
  command.add_option("--engine", options.engine, "zab (the default), raft, omnipaxos, or solo");
  command.add_option("--servers", options.servers, "that vote");
  command.add_option("--observers", options.observers, "that do not");
  command.add_option("--spares", options.spares,
                     "that are no members at first; with any, the membership changes all the time");
  command.add_option("--seeds", options.seeds, "how many runs (100; 20 in a report)");
  command.add_option("--first-seed", options.first_seed, "of so many in a row");
  command.add_option("--faults", options.faults, "all, none, or kinds: kill,power-cut,…");
  command.add_option("--only", options.only, "of the faults drawn, those with these numbers");
  command.add_option("--seconds", options.seconds, "simulated, before everything is healed");
  command.add_option("--jobs", options.jobs, "processes");
  command.add_option("--report", options.report,
                     "a file: an HTML page with who led, what was committed, and bytes per link");
  command.add_flag("--trace", options.is_traced, "one seed, and all that happens");
  command.add_flag("--verbose", options.is_verbose, "a line for each seed");
}

// `words`: nothing, a file, or ZooKeeper's old start line (port, directory, …).
std::expected<server::ConfigInput, server::ConfigError> config_input(
    const std::vector<std::string>& words, const std::vector<std::string>& properties) {
  server::ConfigInput input;
  input.state_dir = server::default_state_dir(environment("XDG_STATE_HOME"), environment("HOME"));
  input.properties = properties;
  input.read_text = [](const std::filesystem::path& path) -> std::optional<std::string> {
    auto file = server::read_config_file(path);
    if (!file) return std::nullopt;
    return std::move(file->text);
  };
  for (const char* name : {"SERVER_JVMFLAGS", "JVMFLAGS"})
    input.environment.push_back({name, environment(name)});
  if (words.size() == 1) {
    auto file = server::read_config_file(words.front());
    if (!file) return std::unexpected(file.error());
    input.file = std::move(*file);
  } else {
    input.start_line = words;
  }
  return input;
}

std::expected<server::LoadedConfig, server::ConfigError> load(
    const std::vector<std::string>& words, const std::vector<std::string>& properties) {
  const auto input = config_input(words, properties);
  if (!input) return std::unexpected(input.error());
  return server::load_config(*input);
}

// A file of whatever machine: where its myid is not here, it is this one.
std::expected<server::LoadedConfig, server::ConfigError> load_members_file(
    const std::string& file, const std::string& my_id, const std::vector<std::string>& properties) {
  auto input = config_input({file}, properties);
  if (!input) return std::unexpected(input.error());
  input->read_text = [here = std::move(input->read_text),
                      my_id](const std::filesystem::path& path) -> std::optional<std::string> {
    auto text = here(path);
    return !text && path.filename() == "myid" ? my_id : std::move(text);
  };
  return server::load_config(*input);
}

int serve(const std::vector<std::string>& words, const std::vector<std::string>& properties) {
  auto loaded = load(words, properties);
  if (!loaded) return complain(loaded.error());
  const bool is_plain = words.empty();
  const bool has_file = words.size() == 1;
  return static_cast<int>(server::serve(
      {.loaded = std::move(*loaded),
       .source = is_plain ? "embedded defaults" : words.front(),
       .config_file = has_file ? std::filesystem::absolute(words.front()).string() : "",
       .is_first_steps = is_plain}));
}

int check(const std::vector<std::string>& words, const std::vector<std::string>& properties) {
  const auto loaded = load(words, properties);
  if (!loaded) return complain(loaded.error());
  for (const server::Warning& warning : loaded->warnings)
    fmt::print("{}\n", server::to_string(warning));
  fmt::print("{}: good\n", words.front());
  return 0;
}

int explain(const std::string& key) {
  const auto explanation = server::explain(key);
  if (!explanation) {
    fmt::print(stderr, "{}: unknown key; the nearest known one is {}\n", key,
               server::nearest_key(key));
    return 1;
  }
  fmt::print("{}\n", server::to_string(*explanation));
  return 0;
}

int status(const std::vector<std::string>& given) {
  std::vector<std::string> addresses = given;
  if (addresses.empty()) addresses.emplace_back("127.0.0.1:2181");
  const server::StatusTable table = server::ask_status(addresses, std::chrono::seconds(3));
  fmt::print("{}", table.text);
  return table.is_all_serving ? 0 : 1;
}

// ---- the commands -----------------------------------------------------------------------------

// What the command line asks for. Set while it is parsed: a command by itself, before the one that
// it belongs to.
using Action = std::function<int()>;

// Offers one command; its options live as long as the callback does.
template <class Options>
void on_parsed(CLI::App& command, Action& action, std::shared_ptr<Options> options,
               std::function<int(const Options&)> run) {
  command.callback([&action, options = std::move(options), run = std::move(run)] {
    if (!action) action = [options, run] { return run(*options); };
  });
}

using Words = std::vector<std::string>;

void add_serve(CLI::App& app, const CommandLine& line, Action& action) {
  auto words = std::make_shared<Words>();
  CLI::App* command = app.add_subcommand(
      "serve",
      "Run a server.\n"
      "  synod serve                  defaults: 127.0.0.1:2181, data below ~/.local/state/synod\n"
      "  synod serve zoo.cfg          ZooKeeper's configuration file, as it is\n"
      "  synod serve 2181 /var/zk     port and data directory\n"
      "Properties may be given as -Dzookeeper.name=value. Exit status: 0 stopped, 2 bad "
      "configuration,\n"
      "3 data directory, 4 port taken, 11 the log could not be written, 14 port for peers taken.");
  command->add_option("config", *words, "zoo.cfg, or port and data directory")->expected(0, 4);
  on_parsed<Words>(*command, action, words,
                   [&line](const Words& given) { return serve(given, line.properties); });
}

void add_questions(CLI::App& app, const CommandLine& line, Action& action) {
  auto file = std::make_shared<Words>();
  CLI::App* check_command =
      app.add_subcommand("check", "Say what `serve` would say of a zoo.cfg, without starting.");
  check_command->add_option("config", *file, "the file")->required()->expected(1);
  on_parsed<Words>(*check_command, action, file,
                   [&line](const Words& given) { return check(given, line.properties); });

  auto key = std::make_shared<std::string>();
  CLI::App* explain_command =
      app.add_subcommand("explain", "What a key of zoo.cfg means, accepts, and defaults to.");
  explain_command->add_option("key", *key, "e.g. tickTime, or zookeeper.extendedTypesEnabled")
      ->required();
  on_parsed<std::string>(*explain_command, action, key, explain);

  auto addresses = std::make_shared<Words>();
  CLI::App* status_command = app.add_subcommand(
      "status",
      "Who leads, who follows, and how many servers may fail. Exit status 0: all of them serve.");
  status_command->add_option("address", *addresses, "host:port of each server; 127.0.0.1:2181");
  on_parsed<Words>(*status_command, action, addresses, status);

  CLI::App* version_command = app.add_subcommand("version", "Print the version.");
  version_command->callback([&action] {
    action = [] {
      fmt::print("synod {}\n", server::kVersion);
      return 0;
    };
  });
}

void add_convert(CLI::App& app, const CommandLine& line, Action& action) {
  const CLI::IsMember is_engine({"zab", "raft", "omnipaxos"});
  auto options = std::make_shared<ConvertOptions>();
  CLI::App* command = app.add_subcommand("convert", kConvertHelp);
  command->add_option("--to", options->to, "the new engine: zab, raft or omnipaxos")
      ->required()
      ->check(is_engine);
  command
      ->add_option("--from", options->from,
                   "the old engine, of directories that do not say (else they are zab's)")
      ->check(is_engine);
  command->add_option("--lost", options->lost, "a member whose directory is gone; again for others")
      ->allow_extra_args(false);
  command->add_flag("--dry-run", options->is_dry_run, "say what would be done, and change nothing");
  command->add_flag("--accept-lost-writes", options->accepts_lost_writes,
                    "go on without a quorum: what was acknowledged may be gone");
  command->add_option("member", options->members, "each member's zoo.cfg or data directory")
      ->required();
  on_parsed<ConvertOptions>(*command, action, options, [&line](const ConvertOptions& given) {
    return convert(given, [&](const std::string& file) { return load({file}, line.properties); });
  });
}

void add_recover(CLI::App& app, const CommandLine& line, Action& action) {
  auto options = std::make_shared<RecoverOptions>();
  CLI::App* command = app.add_subcommand("recover", kRecoverHelp);
  command
      ->add_option("--add", options->joining,
                   "server.N=host:port:port[:role];clientPort: a newcomer, or another line for a "
                   "survivor; again for others")
      ->allow_extra_args(false);
  command
      ->add_option("--from", options->from,
                   "the engine, of directories that do not say (else they are zab's)")
      ->check(CLI::IsMember({"zab", "raft", "omnipaxos"}));
  command->add_flag("--accept-lost-writes", options->accepts_lost_writes,
                    "do it; without, it only says what it would do");
  command
      ->add_option("member", options->members,
                   "each survivor's and newcomer's zoo.cfg or data directory")
      ->required();
  on_parsed<RecoverOptions>(*command, action, options, [&line](const RecoverOptions& given) {
    return recover(given, [&](const std::string& file) { return load({file}, line.properties); });
  });
}

void add_backup(CLI::App& app, const CommandLine& line, Action& action) {
  const auto load_file = [&line](const std::string& file) { return load({file}, line.properties); };
  auto taken = std::make_shared<BackupOptions>();
  CLI::App* command = app.add_subcommand("backup", kBackupHelp);
  command->require_subcommand(0, 1);
  command->add_option("source", taken->source,
                      "a server's zoo.cfg or dataDir (it may run); or host:port, for clients");
  command->add_option("--wait", taken->wait_seconds, "seconds for an observer to catch up")
      ->check(CLI::Range(1, 86'400));
  command->add_option("out", taken->out, "a directory that does not exist yet, or is empty");
  command->add_flag("--all", taken->takes_all,
                    "everything that is there, to restore to points before the newest snapshot");
  on_parsed<BackupOptions>(*command, action, taken, [load_file](const BackupOptions& given) {
    return take_backup(given, load_file);
  });
  auto verified = std::make_shared<std::string>();
  CLI::App* verify = command->add_subcommand(
      "verify", "Read a backup again: checksums, and that it loads to what its manifest says.");
  verify->add_option("backup", *verified, "the directory")->required();
  on_parsed<std::string>(*verify, action, verified, verify_backup);

  auto restored = std::make_shared<RestoreOptions>();
  CLI::App* restore = app.add_subcommand("restore", kRestoreHelp);
  restore->add_option("backup", restored->backup, "the directory")->required();
  restore->add_option("target", restored->target, "a zoo.cfg, or a dataDir that holds no data")
      ->required();
  restore->add_option("--until-zxid", restored->until,
                      "as it was after this transaction (0x…; hexadecimal)");
  restore->add_flag("--raise-epoch", restored->raises_epoch,
                    "for all members of an ensemble that begins anew: see above");
  restore->add_flag("--dry-run", restored->only_looks,
                    "only verify the backup, and say what would be there and what is there now");
  on_parsed<RestoreOptions>(*restore, action, restored, [load_file](const RestoreOptions& given) {
    return restore_backup(given, load_file);
  });
}

void add_access(CLI::App& command, EnsembleAccess& access) {
  command
      .add_option("--server", access.servers,
                  "host:port of a server of the ensemble; again for others to try (127.0.0.1:2181)")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--auth", access.auth, "scheme:credential, as in digest:super:password");
  command.add_option("--wait", access.wait_seconds, "seconds for new servers to catch up")
      ->check(CLI::Range(1, 86'400));
  command.add_flag("--dry-run", access.is_dry_run, "say what would happen, and change nothing");
}

void add_membership(CLI::App& app, Action& action) {
  auto options = std::make_shared<ReconfigOptions>();
  CLI::App* command = app.add_subcommand("reconfig", kReconfigHelp);
  add_access(*command, options->access);
  command->add_option("--add", options->joining, "server.N=host:port:port[:role];clientPort")
      ->allow_extra_args(false);
  command->add_option("--remove", options->leaving, "the number of a server; again for others")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--members", options->members_file, "a file with all of the new membership");
  command->add_option("--version", options->version, "only if it is the membership's, hexadecimal");
  on_parsed<ReconfigOptions>(*command, action, options, reconfig);

  auto swapped = std::make_shared<ReplaceOptions>();
  CLI::App* swap_command = app.add_subcommand("replace", kReplaceHelp);
  add_access(*swap_command, swapped->access);
  swap_command->add_option("old", swapped->leaving, "the number of the server that leaves")
      ->required();
  swap_command->add_option("new", swapped->joining, "server.N=host:port:port[:role];clientPort")
      ->required();
  on_parsed<ReplaceOptions>(*swap_command, action, swapped, replace);
}

void add_migrate_access(CLI::App& command, MigrateAccess& access) {
  command
      .add_option("--server", access.servers,
                  "host:port of every member, joined by commas (127.0.0.1:2181)")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      .add_option("--config", access.config_files,
                  "a member's zoo.cfg, for who belongs; `plan` also says what Synod says of it")
      ->allow_extra_args(false);
  command.add_option("--auth", access.auth,
                     "scheme:credential, as in digest:super:password, to compare what not all may "
                     "read");
}

void add_migrate_step(CLI::App& app, const char* name, const char* help,
                      server::Direction direction, Action& action, const LoadMembersConfig& load) {
  auto options = std::make_shared<MigrateStepOptions>();
  options->direction = direction;
  CLI::App* command = app.add_subcommand(name, help);
  command->add_option("which", options->server,
                      "its number, host or host:port; without: the next of the plan");
  add_migrate_access(*command, options->access);
  command->add_option("--stop", options->stop, "a shell command that stops it, and returns then");
  command->add_option("--start", options->start, "a shell command that starts the other program");
  command
      ->add_option("--wait", options->access.wait_seconds,
                   "seconds for it to go, and to come back (300)")
      ->check(CLI::Range(1, 86'400));
  command->add_flag("--dry-run", options->is_dry_run, "look only");
  command->add_flag("--accept-missing", options->accepts_missing,
                    "go on although another member is away or behind");
  on_parsed<MigrateStepOptions>(*command, action, options, [load](const MigrateStepOptions& given) {
    return migrate_step(given, load);
  });
}

void add_migrate(CLI::App& app, const CommandLine& line, Action& action) {
  const LoadMembersConfig load = [&line](const std::string& file, const std::string& my_id) {
    return load_members_file(file, my_id, line.properties);
  };
  CLI::App* command = app.add_subcommand("migrate", kMigrateHelp);
  command->require_subcommand(1);
  auto planned = std::make_shared<MigratePlanOptions>();
  CLI::App* plan = command->add_subcommand("plan", kMigratePlanHelp);
  add_migrate_access(*plan, planned->access);
  plan->add_flag("--back", planned->is_back, "from Synod to ZooKeeper");
  on_parsed<MigratePlanOptions>(*plan, action, planned, [load](const MigratePlanOptions& given) {
    return migrate_plan(given, load);
  });
  add_migrate_step(*command, "step", kMigrateStepHelp, server::Direction::kToSynod, action, load);
  auto verified = std::make_shared<MigrateVerifyOptions>();
  CLI::App* verify = command->add_subcommand("verify", kMigrateVerifyHelp);
  add_migrate_access(*verify, verified->access);
  verify->add_flag("--trees", verified->is_by_reading, "read every node from every server");
  on_parsed<MigrateVerifyOptions>(
      *verify, action, verified,
      [load](const MigrateVerifyOptions& given) { return migrate_verify(given, load); });
  add_migrate_step(*command, "back", kMigrateBackHelp, server::Direction::kToJava, action, load);
}

void add_scenarios(CLI::App& sim, Action& action) {
  auto options = std::make_shared<ScenarioOptions>();
  CLI::App* command = sim.add_subcommand(
      "scenario",
      "Play the schedules that broke real systems, or those named. A wrong name lists them all.");
  command->add_option("name", options->names, "without any: all");
  command->add_option("--first-seed", options->first_seed, "of the seeds each is played with");
  command->add_option("--seeds", options->seeds, "how many");
  command->add_flag("--trace", options->is_traced, "all that happens");
#ifdef SYNOD_MUTANTS
  command->add_flag("--break-rules", options->breaks_rules,
                    "switch off the rule that each guards: it must fail then");
#endif
  on_parsed<ScenarioOptions>(*command, action, options, play_scenarios);
}

void add_check_history(CLI::App& sim, Action& action) {
  auto history = std::make_shared<CheckHistory>();
  CLI::App* command = sim.add_subcommand(
      "check",
      "Judge a history of clients, written as JSON lines: does it show what ZooKeeper promises?\n"
      "Exit status: 0 it does, 1 it does not, 2 unreadable, 3 undecided.");
  command->add_option("file", history->files, "together one history")->required();
  command->add_flag("--weak-sync", history->has_weak_sync,
                    "sync is ZooKeeper's own, which is no barrier");
  command->add_option("--budget", history->search_budget,
                      "states to search per node before it is undecided");
  on_parsed<CheckHistory>(*command, action, history, check_history);
}

void add_sim(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "sim",
      "Run an ensemble and its clients in simulation, with faults; and what judges its runs.\n"
      "  synod sim --servers 5 --seeds 1000 --faults all\n"
      "  synod sim --scenario quorum-loss,constrained-election,chained --seeds 200\n"
      "  synod sim --scenario reconfigure --report replaced.html\n"
      "A seed is the whole run. Exit status: 0 all passed, 1 some failed, 2 bad use.");
  auto options = std::make_shared<SimOptions>();
  add_sim_options(*command, *options);
  add_scenarios(*command, action);
  add_check_history(*command, action);
#ifdef SYNOD_MUTANTS
  auto hunted = std::make_shared<HuntOptions>();
  command->add_option("--mutation", hunted->mutation,
                      "put this bug back, and look for it with one seed after another");
  command->add_option("--cpu-seconds", hunted->cpu_seconds, "then it gives up");
  on_parsed<SimOptions>(*command, action, options, [hunted](const SimOptions& given) {
    if (hunted->mutation.empty()) return sim(given);
    hunted->engine = given.engine.empty() ? "zab" : given.engine;
    hunted->servers = given.servers;
    hunted->first_seed = given.first_seed;
    return hunt(*hunted);
  });
#else
  on_parsed<SimOptions>(*command, action, options, sim);
#endif
}

}  // namespace

int run(int argc, const char* const* argv) {
  CommandLine line = split(argc, argv);
  CLI::App app(
      "Synod: a coordination service that is ZooKeeper from outside.\n"
      "Start with `synod serve`: it needs no file and prints the next step.");
  app.require_subcommand(1);
  app.get_formatter()->column_width(28);
  Action action;
  add_serve(app, line, action);
  add_questions(app, line, action);
  add_convert(app, line, action);
  add_recover(app, line, action);
  add_backup(app, line, action);
  add_membership(app, action);
  add_migrate(app, line, action);
  add_sim(app, action);
  try {
    std::ranges::reverse(line.arguments);  // as the library wants them
    app.parse(std::move(line.arguments));
  } catch (const CLI::ParseError& error) {
    constexpr int kBadUse = 2;  // as every command's help says; the library has a number an error
    return app.exit(error) == 0 ? 0 : kBadUse;
  }
  return action();
}

}  // namespace synod::cli
