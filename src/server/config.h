// The server's configuration: one value, read once at start, passed down by const reference.
//
// Sources, and who wins. It is Java's rule: there, zoo.cfg is read after the JVM has its -D
// properties, and each key that is not a reserved one *sets* the property zookeeper.<key>.
//   1. defaults
//   2. -D in an environment text (SERVER_JVMFLAGS, then JVMFLAGS)
//   3. -D on the command line
//   4. the file
// A bare Java property (jute.maxbuffer) has no file form in Java. Synod honours it in the file,
// with a warning, as the weakest source: where Java has a -D for it, that one counts. The same goes
// for every other spelling that Java would not read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "consensus/membership.h"

namespace synod::server {

enum class SnapshotCompression { kNone, kGzip, kSnappy };

// What ZooKeeper calls these keys, what they accept and mean stands in config_key_table.cc, and in
// docs/configuration.md, which is rendered from it. Defaults are ZooKeeper 3.9's.
struct Config {
  // Where.
  std::filesystem::path data_dir;
  std::filesystem::path data_log_dir;   // Loaded: never empty, data_dir where not set.
  std::optional<int> client_port;       // 0 = any free port; none = no client listener.
  std::string client_port_address;      // Name or address; empty = all interfaces.
  int client_port_listen_backlog = -1;  // -1 = the system's.
  bool client_tcp_keep_alive = false;
  bool datadir_autocreate = true;
  bool db_autocreate = true;

  // Time and sessions.
  int tick_time_ms = 3000;
  int min_session_timeout_ms = -1;  // Loaded: never -1, 2 ticks where not set.
  int max_session_timeout_ms = -1;  // Loaded: never -1, 20 ticks where not set.
  int sessionless_connection_timeout_ms = 10000;

  // Who belongs together. Loaded: nothing where the server runs alone.
  std::optional<consensus::Membership> ensemble;
  ServerId my_id{};  // of the file myid; in an ensemble only
  bool standalone_enabled = true;
  bool reconfig_enabled = false;
  std::filesystem::path dynamic_config_file;
  std::string peer_type;  // A hint: the server line has the say. Empty: not set.
  bool multi_address_enabled = false;

  // Election, and following a leader.
  std::string consensus = "zab";   // or raft, omnipaxos; of an ensemble
  int election_timeout_ms = 1000;  // of raft and omnipaxos
  int init_limit_ticks = 0;        // 0: not set, which an ensemble refuses. So the next one.
  int sync_limit_ticks = 0;
  int connect_to_learner_master_limit_ticks = 0;  // 0 = as initLimit.
  bool quorum_listen_on_all_ips = false;
  bool leader_serves = true;
  int cnx_timeout_ms = 5000;
  int quorum_cnxn_timeout_ms = -1;  // -1 = tickTime * syncLimit.
  bool tcp_keep_alive = true;
  int election_port_bind_retry = 3;  // 0 = for ever.
  int fast_leader_min_notification_interval_ms = 200;
  int fast_leader_max_notification_interval_ms = 60'000;
  int leader_connect_delay_during_retry_ms = 100;
  int commit_log_count = 500;
  double snapshot_size_factor = 0.33;  // Negative: never from the log on disk.
  bool force_snapshot_sync = false;
  int observer_reconnect_delay_ms = 0;
  int observer_election_delay_ms = 200;
  int observer_master_port = 0;  // 0 or less: off.
  std::string reads = "local";   // or linearizable
  bool local_sessions_enabled = false;
  bool local_sessions_upgrading_enabled = false;
  std::int64_t testing_initial_zxid = -1;  // -1 = off.

  // TLS and SASL between servers.
  bool ssl_quorum = false;
  bool port_unification = false;
  std::string ssl_quorum_key_store_location;
  std::string ssl_quorum_key_store_password;
  std::string ssl_quorum_key_store_password_path;
  std::string ssl_quorum_trust_store_location;
  std::string ssl_quorum_trust_store_password;
  std::string ssl_quorum_trust_store_password_path;
  std::string ssl_quorum_protocol;
  std::vector<std::string> ssl_quorum_enabled_protocols;  // Empty: ssl_quorum_protocol, or both.
  std::vector<std::string> ssl_quorum_cipher_suites;
  std::string ssl_quorum_client_auth = "need";
  bool ssl_quorum_hostname_verification = true;
  bool ssl_quorum_client_hostname_verification = true;
  bool ssl_quorum_crl = false;
  int ssl_quorum_handshake_detection_timeout_ms = 5000;
  bool quorum_auth_enable_sasl = false;
  bool quorum_auth_learner_require_sasl = false;
  bool quorum_auth_server_require_sasl = false;
  std::string quorum_auth_learner_context = "QuorumLearner";
  std::string quorum_auth_server_context = "QuorumServer";
  std::filesystem::path jaas_file;

  // Limits.
  int max_client_cnxns = 60;  // Per client address; 0 or less = unlimited.
  int max_cnxns = 0;          // In all; 0 or less = unlimited.
  int global_outstanding_limit = 1000;
  int jute_max_buffer_bytes = 1'048'575;
  std::optional<int> jute_max_buffer_extra_bytes;  // Loaded: always set, at least 1024.
  int large_request_max_bytes = 104'857'600;
  int large_request_threshold_bytes = -1;  // 0 or less = off.
  int request_throttle_max_requests = 0;   // 0 = off.
  int connection_throttle_tokens = 0;      // 0 = off.
  int connection_throttle_fill_time_ms = 1;
  int connection_throttle_fill_count = 1;
  int connection_throttle_freeze_time_ms = -1;  // -1 = no random drops.
  double connection_throttle_drop_increase = 0.02;
  double connection_throttle_drop_decrease = 0.002;
  double connection_throttle_decrease_ratio = 0;
  bool connection_throttle_weight_enabled = false;
  int connection_throttle_global_session_weight = 3;
  int connection_throttle_renew_session_weight = 2;

  // Log, snapshots, purging.
  std::int64_t pre_alloc_size_kib = 65536;
  int snap_count = 100'000;
  std::int64_t snap_size_limit_kib = 4'194'304;  // 0 or less = off.
  std::int64_t txn_log_size_limit_kib = -1;      // 0 or less = off.
  SnapshotCompression snapshot_compression = SnapshotCompression::kNone;
  bool snapshot_trust_empty = false;
  bool force_sync = true;
  std::int64_t fsync_warning_threshold_ms = 1000;
  bool digest_enabled = true;
  bool serialize_last_processed_zxid_enabled = true;
  bool close_session_txn_enabled = true;
  int autopurge_snap_retain_count = 3;
  // None: not set, Synod purges after each snapshot. 0 or less: the operator wants no purging.
  std::optional<int> autopurge_purge_interval_hours;

  // The tree.
  bool extended_types_enabled = false;
  bool emulate_353_ttl_nodes = false;
  bool enforce_quota = false;
  int container_check_interval_ms = 60'000;
  int container_max_per_minute = 10'000;
  std::int64_t container_max_never_used_interval_ms = 0;  // 0 = never.

  // Who may do what.
  bool skip_acl = false;
  bool digest_authentication_enabled = true;
  std::string digest_authentication_algorithm = "SHA1";           // OpenSSL's spelling.
  std::optional<std::string> digest_authentication_super_digest;  // "super:<base64>"
  // Loaded: sessionRequireClientSASLAuth=true has become enabled with the one scheme "sasl".
  bool enforce_auth_enabled = false;
  std::vector<std::string> enforce_auth_schemes;
  bool session_require_client_sasl_auth = false;

  // Operation.
  std::vector<std::string> four_letter_words = {"srvr"};  // "*" = all.
  int connection_threads = 0;                             // 0 = chosen from the machine.

  friend bool operator==(const Config&, const Config&) = default;
};

struct ConfigFile {
  std::string name;  // As messages show it.
  std::string text;
};

// A variable that holds JVM flags, as zkServer.sh takes them: split at blanks, quotes are no
// quotes. Only what starts with -D is taken.
struct EnvironmentText {
  std::string name;
  std::string text;
};

// The text of a small file; nothing where it cannot be read.
using ReadText = std::function<std::optional<std::string>(const std::filesystem::path&)>;

// Exactly one base is used: the file, or else the start line, or else the embedded defaults.
struct ConfigInput {
  std::optional<ConfigFile> file;
  std::vector<std::string> start_line;       // `port datadir [tickTime] [maxClientCnxns]`
  std::filesystem::path state_dir;           // For embedded_config.
  std::vector<std::string> properties;       // `-Dx=y` or `x=y`, in the order given.
  std::vector<EnvironmentText> environment;  // Weakest first.
  ReadText read_text;                        // For the files myid and dynamicConfigFile.
};

// Why the server does not start. At least one of line and key is set, unless the source itself is
// the trouble (a file that cannot be read).
struct ConfigError {
  std::string source;                // File name, variable, "command line".
  std::size_t line = 0;              // 0 where the source has no lines.
  std::string key;                   // As it was written; empty where there is none.
  std::optional<std::string> value;  // What is not accepted; none where something is missing.
  std::string reason;                // With a value: what is accepted. Else: what is wrong.
};

enum class WarningKind {
  kUnknownKey,    // Nothing reads it.
  kDuplicateKey,  // The file has the key twice.
  kOverridden,    // Two sources set it.
  kSpelling,      // Java would not read it in this place or spelling; Synod does.
  kIgnored,       // Means nothing here, and the reason.
  kLater,         // Belongs to something this version does not have.
  kRaised,        // Below the least value; the least value is used.
  kEncoding,      // Raw bytes that Java reads as ISO-8859-1.
  kRelativePath,  // Depends on where the server is started.
  kNoListener,    // No client can connect.
  kEnsemble,      // The members are accepted, and not what they should be.
};

struct Warning {
  WarningKind kind = WarningKind::kUnknownKey;
  std::string source;
  std::size_t line = 0;
  std::string key;
  std::string text;
};

struct LoadedConfig {
  Config config;
  std::vector<Warning> warnings;
};

// `zoo.cfg:7: tickTime: "abc" is not accepted: a whole number of milliseconds from 1 to 2147483647`
[[nodiscard]] std::string to_string(const ConfigError& error);
// `zoo.cfg:7: tickTme: unknown key, ignored; the nearest known key is tickTime`
[[nodiscard]] std::string to_string(const Warning& warning);

// Touches neither files (but for those that read_text is asked for), environment nor clock. The
// first error counts: the file's top down, then the environment's, then the command line's, then
// those that take two keys to see.
[[nodiscard]] std::expected<LoadedConfig, ConfigError> load_config(const ConfigInput& input);

// What `synod serve` without a file starts from: loopback 127.0.0.1:2181, ticks of 2000 ms, data in
// state_dir.
[[nodiscard]] Config embedded_config(const std::filesystem::path& state_dir);

// $XDG_STATE_HOME/synod, or ~/.local/state/synod where that variable is empty or relative.
[[nodiscard]] std::filesystem::path default_state_dir(std::string_view xdg_state_home,
                                                      std::string_view home);

// The file as ConfigInput wants it, named as the path was given.
[[nodiscard]] std::expected<ConfigFile, ConfigError> read_config_file(
    const std::filesystem::path& path);

// What `--explain KEY` shows.
struct Explanation {
  std::string key;
  std::string how_to_set;
  std::string accepted;
  std::string default_value;
  std::string status;
  std::string description;
};

// Finds a key by its name, with or without `zookeeper.`, in any case; a family member (`ssl.crl`)
// by its family.
[[nodiscard]] std::optional<Explanation> explain(std::string_view key);
[[nodiscard]] std::string to_string(const Explanation& explanation);

// The known key that looks most like this one.
[[nodiscard]] std::string nearest_key(std::string_view key);

// The tables of docs/configuration.md, in Markdown.
[[nodiscard]] std::string render_key_tables();

}  // namespace synod::server
