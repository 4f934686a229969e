#include "cli/commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/check_history.h"
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

int serve(const std::vector<std::string>& words, const std::vector<std::string>& properties) {
  const auto input = config_input(words, properties);
  if (!input) return complain(input.error());
  auto loaded = server::load_config(*input);
  if (!loaded) return complain(loaded.error());
  const bool is_plain = words.empty();
  return static_cast<int>(server::serve({.loaded = std::move(*loaded),
                                         .source = is_plain ? "embedded defaults" : words.front(),
                                         .is_first_steps = is_plain}));
}

int check(const std::vector<std::string>& words, const std::vector<std::string>& properties) {
  const auto input = config_input(words, properties);
  if (!input) return complain(input.error());
  const auto loaded = server::load_config(*input);
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

int status(std::vector<std::string> addresses) {
  if (addresses.empty()) addresses.emplace_back("127.0.0.1:2181");
  const server::StatusTable table = server::ask_status(addresses, std::chrono::seconds(3));
  fmt::print("{}", table.text);
  return table.is_all_serving ? 0 : 1;
}

}  // namespace

int run(int argc, const char* const* argv) {
  CommandLine line = split(argc, argv);
  CLI::App app(
      "Synod: a coordination service that is ZooKeeper from outside.\n"
      "Start with `synod serve`: it needs no file and prints the next step.");
  app.require_subcommand(1);
  app.get_formatter()->column_width(28);

  std::vector<std::string> words;
  CLI::App* serve_command = app.add_subcommand(
      "serve",
      "Run a server.\n"
      "  synod serve                  defaults: 127.0.0.1:2181, data below ~/.local/state/synod\n"
      "  synod serve zoo.cfg          ZooKeeper's configuration file, as it is\n"
      "  synod serve 2181 /var/zk     port and data directory\n"
      "Properties may be given as -Dzookeeper.name=value. Exit status: 0 stopped, 2 bad "
      "configuration,\n"
      "3 data directory, 4 port taken, 11 the log could not be written, 14 port for peers taken.");
  serve_command->add_option("config", words, "zoo.cfg, or port and data directory")->expected(0, 4);
  CLI::App* check_command =
      app.add_subcommand("check", "Say what `serve` would say of a zoo.cfg, without starting.");
  check_command->add_option("config", words, "the file")->required()->expected(1);
  std::string key;
  CLI::App* explain_command =
      app.add_subcommand("explain", "What a key of zoo.cfg means, accepts, and defaults to.");
  explain_command->add_option("key", key, "e.g. tickTime, or zookeeper.extendedTypesEnabled")
      ->required();
  std::vector<std::string> addresses;
  CLI::App* status_command = app.add_subcommand(
      "status",
      "Who leads, who follows, and how many servers may fail. Exit status 0: all of them serve.");
  status_command->add_option("address", addresses, "host:port of each server; 127.0.0.1:2181");
  CLI::App* sim_command = app.add_subcommand("sim", "The simulator, and what judges its runs.");
  sim_command->require_subcommand(1);
  CheckHistory history;
  CLI::App* check_history_command = sim_command->add_subcommand(
      "check",
      "Judge a history of clients, written as JSON lines: does it show what ZooKeeper promises?\n"
      "Exit status: 0 it does, 1 it does not, 2 unreadable, 3 undecided.");
  check_history_command->add_option("file", history.files, "together one history")->required();
  check_history_command->add_flag("--weak-sync", history.has_weak_sync,
                                  "sync is ZooKeeper's own, which is no barrier");
  check_history_command->add_option("--budget", history.search_budget,
                                    "states to search per node before it is undecided");
  CLI::App* version_command = app.add_subcommand("version", "Print the version.");

  try {
    std::ranges::reverse(line.arguments);  // as the library wants them
    app.parse(std::move(line.arguments));
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  if (serve_command->parsed()) return serve(words, line.properties);
  if (check_command->parsed()) return check(words, line.properties);
  if (explain_command->parsed()) return explain(key);
  if (status_command->parsed()) return status(addresses);
  if (check_history_command->parsed()) return check_history(history);
  if (version_command->parsed()) fmt::print("synod {}\n", server::kVersion);
  return 0;
}

}  // namespace synod::cli
