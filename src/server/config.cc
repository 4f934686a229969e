#include "server/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <utility>

#include "server/config_keys.h"
#include "server/config_membership.h"
#include "server/config_values.h"
#include "server/properties.h"

namespace synod::server {
namespace {

constexpr std::string_view kPrefix = "zookeeper.";
constexpr std::string_view kCommandLineSource = "command line";
constexpr std::string_view kStartLine = "port datadir [tickTime] [maxClientCnxns]";
constexpr std::int64_t kLeastExtraBytes = 1024;
constexpr std::size_t kLongestShownText = 200;
constexpr std::string_view kAnyAddress = "0.0.0.0";

// What the JVM and its libraries read for themselves; not worth a warning in JVMFLAGS.
constexpr std::string_view kForeignPrefixes[] = {"java.", "javax.", "jdk.",     "sun.",  "com.",
                                                 "org.",  "net.",   "io.",      "user.", "os.",
                                                 "file.", "log4j",  "logback.", "slf4j."};

// How good a spelling is. Java reads nothing that is kOnlyHere.
enum class Spelling { kOnlyHere, kSecond, kProper };

// Later beats earlier among settings of the same spelling.
enum class Layer { kEnvironment, kCommandLine, kFile };

struct Place {
  std::string source;
  std::size_t line = 0;
};

// One key = value from anywhere.
struct Setting {
  Place place;
  Layer layer = Layer::kFile;
  std::string written_key;  // As messages show it, with -D where it had one.
  std::string name;         // As the table has it, or a member of a family.
  const KeyRow* row = nullptr;
  Spelling spelling = Spelling::kProper;
  std::string value;
  bool has_raw_bytes = false;
};

std::pair<Spelling, Layer> strength(const Setting& setting) {
  return {setting.spelling, setting.layer};
}

std::string shown(const Place& place) {
  return place.line == 0 ? place.source : fmt::format("{}:{}", place.source, place.line);
}

// Fit for one line of a terminal.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kLongestShownText)) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_control = byte < 0x20 || byte == 0x7f;
    out += is_control ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return text.size() > kLongestShownText ? out + "..." : out;
}

std::string message(const Place& place, std::string_view key, std::string_view text) {
  if (key.empty()) return fmt::format("{}: {}", shown(place), text);
  return fmt::format("{}: {}: {}", shown(place), printable(key), text);
}

bool is_foreign(std::string_view key) {
  return std::ranges::any_of(kForeignPrefixes,
                             [key](std::string_view prefix) { return key.starts_with(prefix); });
}

struct Found {
  const KeyRow* row = nullptr;
  std::string_view name;
  Spelling spelling = Spelling::kProper;
};

Found find_in_file(std::string_view key) {
  if (const KeyRow* row = find_key(key)) {
    return {row, key, row->origin == Origin::kBare ? Spelling::kOnlyHere : Spelling::kProper};
  }
  if (!key.starts_with(kPrefix)) return {};
  key.remove_prefix(kPrefix.size());
  return {find_key(key), key, Spelling::kOnlyHere};
}

Found find_prefixed_property(std::string_view key) {
  const KeyRow* row = find_key(key);
  const bool is_proper =
      row != nullptr && (row->origin == Origin::kProperty || row->origin == Origin::kPropertyToo);
  return {row, key, is_proper ? Spelling::kProper : Spelling::kOnlyHere};
}

Found find_bare_property(std::string_view key) {
  const KeyRow* row = find_key(key);
  if (row == nullptr || is_family(*row)) return {};  // -Dssl.x is for some other library.
  if (row->origin == Origin::kBare || row->origin == Origin::kSynod) {
    return {row, key, Spelling::kProper};
  }
  if (row->origin == Origin::kPropertyToo) return {row, key, Spelling::kSecond};
  return {row, key, Spelling::kOnlyHere};
}

Found find_property(std::string_view key) {
  Found found = key.starts_with(kPrefix) ? find_prefixed_property(key.substr(kPrefix.size()))
                                         : find_bare_property(key);
  if (is_membership_key(found.name)) return {};  // Members: file only.
  return found;
}

// What to write so that Java, too, reads it.
std::string proper_spelling(const Setting& setting) {
  switch (setting.row->origin) {
    case Origin::kFile:
      return fmt::format("Java reads it only from the file, as {}=...", setting.name);
    case Origin::kBare:
      return fmt::format("Java ignores it in this place and reads -D{}=...", setting.name);
    case Origin::kSynod:
      return fmt::format("it is Synod's own and written -D{}=...", setting.name);
    case Origin::kProperty:
    case Origin::kPropertyToo:
      return setting.layer == Layer::kFile
                 ? fmt::format("Java reads it in the file as {}=...", setting.name)
                 : fmt::format("Java reads it as -Dzookeeper.{}=...", setting.name);
  }
  return {};
}

using Check = std::expected<void, ConfigError>;

std::unexpected<ConfigError> not_accepted(const Setting& setting, std::string reason) {
  return std::unexpected(ConfigError{.source = setting.place.source,
                                     .line = setting.place.line,
                                     .key = setting.written_key,
                                     .value = setting.value,
                                     .reason = std::move(reason)});
}

// Gathers the settings of all sources, lets one win per key, and puts the winners into the Config.
class Loader {
 public:
  Loader(const ConfigInput& input, Config base) : input_(input), config_(std::move(base)) {}

  std::expected<LoadedConfig, ConfigError> load() {
    for (auto step : {&Loader::read_file, &Loader::read_properties, &Loader::read_dynamic_file,
                      &Loader::choose_winners, &Loader::apply_winners, &Loader::check_data_dir,
                      &Loader::apply_members, &Loader::check_listener, &Loader::derive_timeouts,
                      &Loader::derive_access, &Loader::check_peer_security}) {
      if (const Check done = (this->*step)(); !done) return std::unexpected(done.error());
    }
    derive_the_rest();
    return LoadedConfig{std::move(config_), std::move(warnings_)};
  }

 private:
  void warn(WarningKind kind, const Place& place, std::string key, std::string text) {
    warnings_.push_back({kind, place.source, place.line, std::move(key), std::move(text)});
  }

  Check read_file() { return input_.file ? read_entries(*input_.file, false) : Check{}; }

  Check read_entries(const ConfigFile& file, bool has_only_members) {
    auto entries = parse_properties(file.text);
    if (!entries) {
      return std::unexpected(ConfigError{.source = file.name,
                                         .line = entries.error().line,
                                         .key = {},
                                         .value = entries.error().escape,
                                         .reason = "\\u and four hexadecimal digits"});
    }
    for (PropertyEntry& entry : *entries) {
      Setting setting{.place = {file.name, entry.line},
                      .layer = Layer::kFile,
                      .written_key = entry.key,
                      .name = {},
                      .row = nullptr,
                      .spelling = {},
                      .value = std::move(entry.value),
                      .has_raw_bytes = entry.has_raw_bytes};
      if (has_only_members && !is_membership_key(entry.key)) {
        return not_accepted(setting, "only server.N, group.N and weight.N in this file");
      }
      add(std::move(setting), find_in_file(entry.key));
    }
    return {};
  }

  Check read_properties() {
    for (const EnvironmentText& variable : input_.environment) {
      std::string_view rest = variable.text;
      while (!(rest = trim(rest)).empty()) {
        const auto end = std::ranges::find_if(rest, [](char c) { return c >= 0 && c <= ' '; });
        const std::string_view flag = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
        rest.remove_prefix(flag.size());
        if (flag.starts_with("-D")) add_property(flag, variable.name, Layer::kEnvironment);
      }
    }
    for (const std::string& property : input_.properties) {
      add_property(property, kCommandLineSource, Layer::kCommandLine);
    }
    return {};
  }

  void add_property(std::string_view text, std::string_view source, Layer layer) {
    if (text.starts_with("-D")) text.remove_prefix(2);
    const std::size_t equals = std::min(text.find('='), text.size());
    const std::string_view key = trim(text.substr(0, equals));
    const std::string_view value = text.substr(std::min(equals + 1, text.size()));
    const Found found = find_property(key);
    if (found.row == nullptr && is_foreign(key)) return;
    add(Setting{.place = {std::string(source), 0},
                .layer = layer,
                .written_key = fmt::format("-D{}", key),
                .name = {},
                .row = nullptr,
                .spelling = {},
                .value = std::string(trim(value))},
        found);
  }

  void add(Setting setting, const Found& found) {
    if (found.row == nullptr) {
      const std::string_view key = setting.written_key;
      const std::string nearest = nearest_key(key.starts_with("-D") ? key.substr(2) : key);
      warn(WarningKind::kUnknownKey, setting.place, setting.written_key,
           fmt::format("unknown key, ignored; the nearest known key is {}", nearest));
      return;
    }
    setting.row = found.row;
    setting.name = found.name;
    setting.spelling = found.spelling;
    settings_.push_back(std::move(setting));
  }

  Check choose_winners() {
    for (const Setting& setting : settings_) {
      const auto [place, is_first] = winners_.try_emplace(setting.name, &setting);
      if (is_first) continue;
      const bool wins = strength(setting) >= strength(*place->second);
      const Setting* loser = wins ? std::exchange(place->second, &setting) : &setting;
      losers_.push_back(loser);
    }
    for (const Setting* loser : losers_) warn_of_loser(*loser, *winners_.at(loser->name));
    return {};
  }

  void warn_of_loser(const Setting& loser, const Setting& winner) {
    if (loser.layer == Layer::kFile && winner.layer == Layer::kFile) {
      warn(WarningKind::kDuplicateKey, loser.place, loser.written_key,
           fmt::format("given again in line {}, which counts", winner.place.line));
    } else if (loser.value != winner.value) {
      warn(WarningKind::kOverridden, loser.place, loser.written_key,
           fmt::format("overridden by {} ({})", winner.written_key, shown(winner.place)));
    }
  }

  Check apply_winners() {
    for (const Setting& setting : settings_) {
      if (winners_.at(setting.name) != &setting) continue;
      if (const Check applied = apply(setting); !applied) return applied;
    }
    return {};
  }

  Check apply(const Setting& setting) {
    const KeyRow& row = *setting.row;
    if (row.status == Status::kRefused) return not_accepted(setting, std::string(row.remark));
    Accepts accepts = row.accepts;
    if (row.is_raised_to_min) accepts.min = -kIntMax;
    const bool is_java_property = row.origin != Origin::kFile && row.origin != Origin::kSynod;
    auto value = parse_value(accepts, setting.value,
                             is_java_property ? NumberStyle::kProperty : NumberStyle::kDecimal);
    if (!value) return not_accepted(setting, describe(row.accepts));
    raise(setting, *value);
    warn_of_effect(setting);
    store(config_, row.target, *value);
    return {};
  }

  void raise(const Setting& setting, Value& value) {
    const KeyRow& row = *setting.row;
    if (!row.is_raised_to_min) return;
    auto& number = std::get<std::int64_t>(value);
    if (number >= row.accepts.min) return;
    number = row.accepts.min;
    warn(WarningKind::kRaised, setting.place, setting.written_key,
         fmt::format("{} is too small; {} is used", setting.value, number));
  }

  void warn_of_effect(const Setting& setting) {
    const KeyRow& row = *setting.row;
    const auto warn_here = [&](WarningKind kind, std::string text) {
      warn(kind, setting.place, setting.written_key, std::move(text));
    };
    // Without a file there is no Java server to compare with: no word about a key of the file.
    const bool is_file_key_alone = row.origin == Origin::kFile && !input_.file;
    if (setting.spelling == Spelling::kOnlyHere && !is_file_key_alone) {
      warn_here(WarningKind::kSpelling, proper_spelling(setting) + "; Synod honours it here");
    }
    if (setting.has_raw_bytes) {
      warn_here(WarningKind::kEncoding,
                "holds bytes beyond ASCII, read as ISO-8859-1 as Java does; write \\uXXXX");
    }
    const bool is_harmless = equal_ignoring_case(setting.value, row.harmless);
    if (row.status == Status::kIgnored && !is_harmless) {
      warn_here(WarningKind::kIgnored, fmt::format("ignored: {}", row.remark));
    }
    if (row.status == Status::kLater && !is_harmless) {
      warn_here(WarningKind::kLater,
                fmt::format("ignored: this version does not have {}", row.remark));
    }
    const bool is_data_dir =
        row.target == Target(&Config::data_dir) || row.target == Target(&Config::data_log_dir);
    if (is_data_dir && !setting.value.starts_with('/') && !setting.value.starts_with('.')) {
      warn_here(WarningKind::kRelativePath,
                "depends on where the server is started; write ./ in front if that is meant");
    }
  }

  // The members may stand in a file of their own: then only there, and nothing else in it.
  Check read_dynamic_file() {
    const Setting* pointer = nullptr;
    for (const Setting& setting : settings_) {
      if (setting.name != "dynamicConfigFile") continue;
      if (pointer == nullptr || strength(setting) >= strength(*pointer)) pointer = &setting;
    }
    if (pointer == nullptr) return {};
    for (const Setting& setting : settings_) {
      if (!is_membership_key(setting.name)) continue;
      return not_accepted(setting, "in the file that dynamicConfigFile names, and only there");
    }
    auto text = read_text(pointer->value);
    if (!text) return not_accepted(*pointer, "a file that can be read, with the server.N lines");
    return read_entries(ConfigFile{.name = pointer->value, .text = std::move(*text)}, true);
  }

  std::optional<std::string> read_text(const std::filesystem::path& path) const {
    return input_.read_text ? input_.read_text(path) : std::nullopt;
  }

  // One voter runs standalone, unless that is switched off; several are an ensemble.
  Check apply_members() {
    std::vector<const Setting*> settings;
    std::vector<MembershipLine> lines;
    for (const Setting& setting : settings_) {
      if (!is_membership_key(setting.name) || winners_.at(setting.name) != &setting) continue;
      settings.push_back(&setting);
      lines.push_back({setting.name, setting.value});
    }
    auto membership = read_membership(lines, config_.multi_address_enabled);
    if (!membership) {
      return not_accepted(*settings[membership.error().line], membership.error().reason);
    }
    const std::size_t voters = membership->voter_count();
    if (voters == 0 && membership->members.empty() && config_.standalone_enabled) return {};
    if (voters == 0) return no_voters(settings);
    if (voters == 1 && config_.standalone_enabled) return apply_only_voter(*membership);
    membership->version = version_of_dynamic_file(config_.dynamic_config_file.string());
    warn_of_members(*membership);
    config_.ensemble = std::move(*membership);
    return apply_ensemble();
  }

  Check no_voters(const std::vector<const Setting*>& settings) {
    if (!settings.empty()) {
      return not_accepted(*settings.back(),
                          "at least one participant; an observer cannot serve alone");
    }
    return not_accepted(*winner("standaloneEnabled"),
                        "true where there is no server.N line, as in server.1=host:2888:3888");
  }

  Check apply_only_voter(const consensus::Membership& membership) {
    for (const auto& [id, member] : membership.members) {
      const Setting& setting = *winner(fmt::format("server.{}", id.value));
      if (member.is_observer) {
        return not_accepted(setting,
                            "no observer beside a single participant, unless "
                            "standaloneEnabled=false says that it is an ensemble");
      }
      if (const Check listens = use_client_part(setting, member); !listens) return listens;
    }
    return {};
  }

  void warn_of_members(const consensus::Membership& membership) {
    const std::size_t voters = membership.voter_count();
    if (!membership.groups.empty()) return;
    const Place place{config_.dynamic_config_file.empty() ? input_.file->name
                                                          : config_.dynamic_config_file.string(),
                      0};
    if (voters <= 2) {
      warn(WarningKind::kEnsemble, place, "server.*",
           fmt::format("{} of {} must be up: no failure is tolerated, and three servers tolerate "
                       "one",
                       voters, voters));
    } else if (voters % 2 == 0) {
      warn(WarningKind::kEnsemble, place, "server.*",
           fmt::format("{} voters tolerate no more failures than {}", voters, voters - 1));
    }
  }

  Check apply_ensemble() {
    for (const auto& [name, value] : {std::pair{"initLimit", config_.init_limit_ticks},
                                      std::pair{"syncLimit", config_.sync_limit_ticks}}) {
      if (value != 0) continue;
      if (const Setting* set = winner(name)) return not_accepted(*set, "at least 1 tick");
      return std::unexpected(ConfigError{
          .source = input_.file->name,
          .line = 0,
          .key = name,
          .value = {},
          .reason = fmt::format("missing; an ensemble needs it (synod explain {}), as in {}={}",
                                name, name, std::string_view(name) == "initLimit" ? 10 : 5)});
    }
    if (const Check named = apply_my_id(); !named) return named;
    const consensus::Member& me = config_.ensemble->members.at(config_.my_id);
    const Setting& setting = *winner(fmt::format("server.{}", config_.my_id.value));
    const std::string_view role = me.is_observer ? "observer" : "participant";
    if (!config_.peer_type.empty() && config_.peer_type != role) {
      const Setting& hint = *winner("peerType");
      warn(WarningKind::kEnsemble, hint.place, hint.written_key,
           fmt::format("server.{} says {}, which counts", config_.my_id.value, role));
    }
    return use_client_part(setting, me);
  }

  // The number of this server among the others; no file is an accident waiting to happen, so none
  // is made up.
  Check apply_my_id() {
    const std::string file = (config_.data_dir / "myid").string();
    const auto complain = [&file](std::optional<std::string> value, std::string reason) {
      return std::unexpected(ConfigError{.source = file,
                                         .line = 0,
                                         .key = {},
                                         .value = std::move(value),
                                         .reason = std::move(reason)});
    };
    const auto text = read_text(file);
    if (!text) {
      return complain(std::nullopt,
                      fmt::format("missing, or not readable; it says which of the server.N lines "
                                  "is this server: echo N > {}",
                                  file));
    }
    const std::string first_line(trim(text->substr(0, text->find('\n'))));
    const auto id = parse_server_id(first_line);
    if (!id) return complain(first_line, "the number of this server, from 1 to 254");
    if (!config_.ensemble->members.contains(*id)) {
      if (config_.ensemble->version != 0)
        return complain(first_line, was_removed(*id, config_.ensemble->version));
      return complain(first_line, fmt::format("a number N that has a server.N line; there is no "
                                              "server.{}",
                                              id->value));
    }
    config_.my_id = *id;
    return {};
  }

  std::string was_removed(ServerId id, std::int64_t version) const {
    return fmt::format(
        "the number of a member; a reconfiguration removed server {}: version {:x} of the "
        "membership, in {}, is without it. If it is to come back, put the server.N lines of the "
        "members and its own in place of dynamicConfigFile in {}, start it, and run synod reconfig "
        "--add; it brings itself up to date",
        id.value, version, config_.dynamic_config_file.string(), input_.file->name);
  }

  // Java's rule: the server line names the listener; a clientPort beside it must say the same.
  Check use_client_part(const Setting& setting, const consensus::Member& member) {
    if (!member.client) return {};
    const std::string host = member.client->host == kAnyAddress ? "" : member.client->host;
    const int port = member.client->port;
    if (config_.client_port && *config_.client_port != port) {
      return not_accepted(
          setting, fmt::format("the client port that clientPort has, {}", *config_.client_port));
    }
    const std::string& configured = config_.client_port_address;
    if (config_.client_port && !configured.empty() && configured != kAnyAddress &&
        configured != host) {
      return not_accepted(
          setting, fmt::format("the client address that clientPortAddress has, {}", configured));
    }
    config_.client_port = port;
    config_.client_port_address = host;
    return {};
  }

  Check check_data_dir() {
    if (config_.data_dir.empty()) {
      return std::unexpected(ConfigError{.source = base_name(),
                                         .line = 0,
                                         .key = "dataDir",
                                         .value = {},
                                         .reason =
                                             "missing; it is the directory for snapshots and logs, "
                                             "as in dataDir=/var/lib/zookeeper"});
    }
    if (config_.data_log_dir.empty()) config_.data_log_dir = config_.data_dir;
    return {};
  }

  Check check_listener() {
    if (config_.client_port) return {};
    if (const Setting* address = winner("clientPortAddress")) {
      return not_accepted(*address, "an address together with a clientPort, which is missing");
    }
    warn(WarningKind::kNoListener, {base_name(), 0}, "clientPort",
         "missing; no client can connect until it is set, as in clientPort=2181");
    return {};
  }

  std::string base_name() const { return input_.file ? input_.file->name : "defaults"; }

  Check derive_timeouts() {
    const auto ticks = [this](std::int64_t count) {
      return static_cast<int>(std::min(count * config_.tick_time_ms, kIntMax));
    };
    const bool has_default_min = config_.min_session_timeout_ms == -1;
    if (has_default_min) config_.min_session_timeout_ms = ticks(2);
    if (config_.max_session_timeout_ms == -1) config_.max_session_timeout_ms = ticks(20);
    if (config_.min_session_timeout_ms <= config_.max_session_timeout_ms) return {};
    if (!has_default_min) {
      return not_accepted(
          *winner("minSessionTimeout"),
          fmt::format("at most maxSessionTimeout, which is {}", config_.max_session_timeout_ms));
    }
    return not_accepted(
        *winner("maxSessionTimeout"),
        fmt::format("at least minSessionTimeout, which is {}", config_.min_session_timeout_ms));
  }

  Check derive_access() {
    if (config_.session_require_client_sasl_auth) {
      config_.enforce_auth_enabled = true;
      config_.enforce_auth_schemes = {"sasl"};
    }
    if (config_.enforce_auth_enabled && config_.enforce_auth_schemes.empty()) {
      return not_accepted(*winner("enforce.auth.enabled"),
                          "true together with enforce.auth.schemes, which is missing");
    }
    return {};
  }

  Check check_peer_security() {
    if (config_.quorum_auth_server_require_sasl && !config_.quorum_auth_learner_require_sasl) {
      return not_accepted(*winner("quorum.auth.serverRequireSasl"),
                          "true together with quorum.auth.learnerRequireSasl=true");
    }
    if (config_.quorum_auth_learner_require_sasl && !config_.quorum_auth_enable_sasl) {
      return not_accepted(*winner("quorum.auth.learnerRequireSasl"),
                          "true together with quorum.auth.enableSasl=true");
    }
    if (config_.quorum_auth_enable_sasl && config_.jaas_file.empty()) {
      return not_accepted(*winner("quorum.auth.enableSasl"),
                          "true together with java.security.auth.login.config, which is missing");
    }
    const bool has_tls = config_.ssl_quorum || config_.port_unification;
    if (has_tls && config_.ssl_quorum_key_store_location.empty()) {
      return not_accepted(*winner(config_.ssl_quorum ? "sslQuorum" : "portUnification"),
                          "true together with ssl.quorum.keyStore.location, which is missing");
    }
    return {};
  }

  void derive_the_rest() {
    const std::int64_t extra =
        config_.jute_max_buffer_extra_bytes.value_or(config_.jute_max_buffer_bytes);
    config_.jute_max_buffer_extra_bytes = static_cast<int>(std::max(extra, kLeastExtraBytes));
  }

  // The setting that counts for a key; null where the default or the base does.
  const Setting* winner(std::string_view name) const {
    const auto found = winners_.find(name);
    return found == winners_.end() ? nullptr : found->second;
  }

  const ConfigInput& input_;
  Config config_;
  std::vector<Warning> warnings_;
  std::vector<Setting>
      settings_;  // In the order of the sources; complete before winners_ points in.
  std::vector<const Setting*> losers_;
  std::map<std::string, const Setting*, std::less<>> winners_;
};

std::unexpected<ConfigError> start_line_error(std::string key, std::optional<std::string> value,
                                              std::string reason) {
  return std::unexpected(ConfigError{.source = std::string(kCommandLineSource),
                                     .line = 0,
                                     .key = std::move(key),
                                     .value = std::move(value),
                                     .reason = std::move(reason)});
}

// As Java's: all interfaces, and no bound on connections unless the fourth word gives one.
std::expected<Config, ConfigError> start_line_config(const std::vector<std::string>& words) {
  if (words.size() < 2 || words.size() > 4) {
    return start_line_error(std::string(kStartLine), std::nullopt,
                            fmt::format("two to four words, not {}", words.size()));
  }
  Config config;
  config.max_client_cnxns = 0;
  constexpr std::string_view kNames[] = {"clientPort", "dataDir", "tickTime", "maxClientCnxns"};
  for (std::size_t i = 0; i < words.size(); ++i) {
    const KeyRow& row = *find_key(kNames[i]);
    const auto value = parse_value(row.accepts, words[i], NumberStyle::kDecimal);
    if (!value) {
      return start_line_error(std::string(row.name), words[i], describe(row.accepts));
    }
    store(config, row.target, *value);
  }
  return config;
}

std::expected<Config, ConfigError> base_config(const ConfigInput& input) {
  if (input.file) return Config{};
  if (!input.start_line.empty()) return start_line_config(input.start_line);
  return embedded_config(input.state_dir);
}

}  // namespace

std::string to_string(const ConfigError& error) {
  const std::string text =
      error.value ? fmt::format("\"{}\" is not accepted: {}", printable(*error.value), error.reason)
                  : error.reason;
  return message({error.source, error.line}, error.key, text);
}

std::string to_string(const Warning& warning) {
  return message({warning.source, warning.line}, warning.key, warning.text);
}

std::expected<LoadedConfig, ConfigError> load_config(const ConfigInput& input) {
  auto base = base_config(input);
  if (!base) return std::unexpected(std::move(base.error()));
  return Loader(input, std::move(*base)).load();
}

Config embedded_config(const std::filesystem::path& state_dir) {
  Config config;
  config.data_dir = state_dir;
  config.client_port = 2181;
  config.client_port_address = "127.0.0.1";
  config.tick_time_ms = 2000;
  return config;
}

std::filesystem::path default_state_dir(std::string_view xdg_state_home, std::string_view home) {
  const std::filesystem::path base(xdg_state_home);
  if (base.is_absolute()) return base / "synod";
  return std::filesystem::path(home) / ".local" / "state" / "synod";
}

std::expected<ConfigFile, ConfigError> read_config_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text;
  char chunk[4096];
  while (stream.read(chunk, sizeof chunk), stream.gcount() > 0) {
    text.append(chunk, static_cast<std::size_t>(stream.gcount()));
  }
  // At the end of a file; a directory opens, too, but then does not read.
  if (stream.eof()) return ConfigFile{.name = path.string(), .text = std::move(text)};
  return std::unexpected(ConfigError{.source = path.string(),
                                     .line = 0,
                                     .key = {},
                                     .value = {},
                                     .reason = "cannot be read; is it there, a file, and "
                                               "readable for this user?"});
}

}  // namespace synod::server
