#include "server/serve.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "net/client_service.h"
#include "net/clock.h"
#include "replica/replica.h"
#include "server/directory_lock.h"
#include "server/engine_record.h"
#include "server/ensemble_setup.h"
#include "server/four_letter_words.h"
#include "server/membership_host.h"
#include "server/posix_files.h"
#include "server/server_log.h"
#include "server/status_line.h"

namespace synod::server {
namespace {

using std::chrono::milliseconds;

// What snapshots and logs may take together where no purging was configured. Two snapshots always
// stay.
constexpr std::uint64_t kKeptBytesByDefault = std::uint64_t{16} << 30;

std::uint64_t bytes_of_kib(std::int64_t kib) {
  return kib > 0 ? static_cast<std::uint64_t>(kib) * 1024 : 0;
}

storage::Compression compression_of(SnapshotCompression method) {
  switch (method) {
    case SnapshotCompression::kNone:
      return storage::Compression::kNone;
    case SnapshotCompression::kGzip:
      return storage::Compression::kGzip;
    case SnapshotCompression::kSnappy:
      return storage::Compression::kSnappy;
  }
  return storage::Compression::kNone;
}

replica::SnapshotOptions snapshot_options(const Config& config) {
  replica::SnapshotOptions options;
  options.txns_between = static_cast<std::uint64_t>(config.snap_count);
  options.log_bytes_between = bytes_of_kib(config.snap_size_limit_kib);
  options.compression = compression_of(config.snapshot_compression);
  options.with_digest = config.digest_enabled;
  options.with_last_zxid = config.serialize_last_processed_zxid_enabled;
  // ZooKeeper purges only when told to; disks that fill up by default help nobody.
  options.purges = config.autopurge_purge_interval_hours.value_or(1) > 0;
  options.purge.snapshots_kept = static_cast<std::size_t>(config.autopurge_snap_retain_count);
  // Who set a schedule chose what is kept; otherwise size counts too.
  if (!config.autopurge_purge_interval_hours) options.purge.size_limit_bytes = kKeptBytesByDefault;
  return options;
}

primary::Options primary_options(const Config& config) {
  primary::Options options;
  options.access.skip = config.skip_acl;
  options.schemes.digest = config.digest_authentication_enabled;
  options.enforces_quota = config.enforce_quota;
  options.allows_reconfig = config.reconfig_enabled;
  options.writes_digest = config.digest_enabled;
  options.writes_closed_paths = config.close_session_txn_enabled;
  options.max_txn_bytes =
      static_cast<std::size_t>(config.jute_max_buffer_bytes) +
      static_cast<std::size_t>(config.jute_max_buffer_extra_bytes.value_or(1024));
  return options;
}

replica::ConnectionThrottleOptions throttle_options(const Config& config) {
  replica::ConnectionThrottleOptions options;
  options.tokens = config.connection_throttle_tokens;
  options.fill_time_ms = config.connection_throttle_fill_time_ms;
  options.fill_count = config.connection_throttle_fill_count;
  options.freeze_time_ms = config.connection_throttle_freeze_time_ms;
  options.drop_increase = config.connection_throttle_drop_increase;
  options.drop_decrease = config.connection_throttle_drop_decrease;
  options.decrease_ratio = config.connection_throttle_decrease_ratio;
  options.has_weights = config.connection_throttle_weight_enabled;
  options.new_session_weight = config.connection_throttle_global_session_weight;
  options.resumed_session_weight = config.connection_throttle_renew_session_weight;
  return options;
}

// Whichever of the two keys asks for less.
std::size_t max_outstanding(const Config& config) {
  int most = std::max(config.global_outstanding_limit, 1);
  if (config.request_throttle_max_requests > 0)
    most = std::min(most, config.request_throttle_max_requests);
  return static_cast<std::size_t>(most);
}

// Says how far a slow start has come, every two seconds.
auto progress_report() {
  return [said_at = std::chrono::steady_clock::now()](std::uint64_t done_bytes,
                                                      std::uint64_t total_bytes) mutable {
    const auto now = std::chrono::steady_clock::now();
    if (now - said_at < std::chrono::seconds(2)) return;
    said_at = now;
    spdlog::info("loading: {} of {} MiB", done_bytes >> 20, total_bytes >> 20);
  };
}

replica::Options replica_options(const Config& config) {
  replica::Options options;
  options.directory = {config.data_dir.string(), config.data_log_dir.string()};
  options.recovery.creates_directories = config.datadir_autocreate;
  options.recovery.creates_database = config.db_autocreate;
  options.recovery.trusts_empty_snapshot = config.snapshot_trust_empty;
  options.recovery.progress = progress_report();
  options.owner_rules = {config.extended_types_enabled, config.emulate_353_ttl_nodes};
  options.primary = primary_options(config);
  options.snapshots = snapshot_options(config);
  options.reaper = {config.container_check_interval_ms, config.container_max_per_minute,
                    config.container_max_never_used_interval_ms};
  options.log_preallocate_bytes = bytes_of_kib(config.pre_alloc_size_kib);
  options.log_size_limit_bytes = bytes_of_kib(config.txn_log_size_limit_kib);
  options.is_flushing = config.force_sync;
  options.snapshot_size_factor = config.snapshot_size_factor;
  options.tick_ms = config.tick_time_ms;
  options.log_warning_threshold_ms = config.fsync_warning_threshold_ms;
  options.connection_throttle = throttle_options(config);
  options.max_outstanding = max_outstanding(config);
  if (config.ensemble) {
    options.server_id = static_cast<std::uint8_t>(config.my_id.value);
    options.recovery.is_member = true;
    options.max_pause_ms = std::int64_t{config.tick_time_ms} * config.sync_limit_ticks;
    options.config_text = config.ensemble->to_text();
    options.config_version = {config.ensemble->version};
    options.min_voters = config.standalone_enabled ? 2 : 1;
  }
  options.leader_serves = config.leader_serves || !config.ensemble;
  options.has_local_sessions = config.local_sessions_enabled && config.ensemble.has_value();
  options.upgrades_local_sessions = config.local_sessions_upgrading_enabled;
  options.seed = std::random_device{}();
  return options;
}

net::ServiceOptions service_options(const Config& config) {
  const auto limit = [](int count) { return count > 0 ? static_cast<std::size_t>(count) : 0; };
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t loops =
      cores <= 4 ? 1 : cores / 4;  // few: a hand-over costs more than it gains
  net::ServiceOptions options;
  options.address = config.client_port_address;
  options.port = static_cast<std::uint16_t>(config.client_port.value_or(0));
  options.backlog = config.client_port_listen_backlog;
  options.is_keep_alive = config.client_tcp_keep_alive;
  options.max_per_address = limit(config.max_client_cnxns);
  options.max_total = limit(config.max_cnxns);
  options.sessionless_timeout_ms = config.sessionless_connection_timeout_ms;
  options.loops =
      config.connection_threads > 0 ? static_cast<std::size_t>(config.connection_threads) : loops;
  options.tick_ms = config.tick_time_ms;
  return options;
}

replica::ServingRules serving_rules(const Config& config) {
  replica::ServingRules rules;
  rules.min_session_timeout_ms = config.min_session_timeout_ms;
  rules.max_session_timeout_ms = config.max_session_timeout_ms;
  rules.max_frame_bytes = config.jute_max_buffer_bytes;
  if (config.large_request_threshold_bytes > 0) {
    rules.large_request_threshold_bytes =
        static_cast<std::size_t>(config.large_request_threshold_bytes);
    rules.large_requests_max_bytes = static_cast<std::size_t>(config.large_request_max_bytes);
  }
  rules.authentication.has_digest = config.digest_authentication_enabled;
  rules.authentication.digest_algorithm = config.digest_authentication_algorithm;
  rules.authentication.super_digest = config.digest_authentication_super_digest.value_or("");
  if (config.enforce_auth_enabled)
    rules.authentication.required_schemes = config.enforce_auth_schemes;
  rules.access.skip = config.skip_acl;
  rules.are_reads_linearizable = config.reads == "linearizable";
  rules.words.assign(kFourLetterWords.begin(), kFourLetterWords.end());
  return rules;
}

void say_ready(const ServeOptions& options, std::uint16_t port, milliseconds took) {
  spdlog::info("{} clients on port {} after {} ms",
               options.loaded.config.ensemble ? "listening for" : "serving", port, took.count());
  if (!options.is_first_steps) return;
  fmt::print(
      "\nSynod is ready: any ZooKeeper client can connect to 127.0.0.1:{0}. Try, in another "
      "terminal:\n"
      "  bash -c 'exec 3<>/dev/tcp/127.0.0.1/{0}; printf srvr >&3; cat <&3'\n"
      "or, with the Python client (apt install python3-kazoo):\n"
      "  /usr/bin/python3 -c \"from kazoo.client import KazooClient as K; k = K('127.0.0.1:{0}'); "
      "k.start(); print(k.create('/hello', b'world'), k.get('/hello'))\"\n"
      "Data is kept in {1}. Ctrl-C stops the server.\n\n",
      port, options.loaded.config.data_dir.string());
  std::fflush(stdout);
}

void report_recovery(const replica::Replica& replica) {
  const storage::RecoveryReport& report = replica.recovery();
  for (const std::string& warning : report.warnings) spdlog::warn("{}", warning);
  spdlog::info("loaded {} nodes and {} sessions up to zxid 0x{:x} ({} transactions replayed{})",
               replica.state().tree().node_count(), replica.session_count(), report.last_zxid.value,
               report.txns_replayed, report.snapshot ? ", from " + report.snapshot->name : "");
}

// One running server. The order of members is the order of their lives.
class Server {
 public:
  explicit Server(const ServeOptions& options)
      : options_(options), rules_(serving_rules(options.loaded.config)) {}
  // A snapshot may still be on its way, and its completion is told to the service.
  ~Server() { files_.reset(); }

  ExitStatus run();

 private:
  ServerFacts facts();
  void note_status();
  [[nodiscard]] ExitStatus make_peers();
  void stop_for(ExitStatus status);
  ExitStatus start();
  [[nodiscard]] bool lock_directories();
  void count_complaints(boost::asio::steady_timer& timer);

  const ServeOptions& options_;
  DirectoryLock lock_;
  ComplaintLog complaints_{[](const std::string& line) { spdlog::warn("{}", line); }};
  replica::ServingRules rules_;
  replica::NoLinks no_links_;
  std::unique_ptr<net::PeerLinks> peers_;  // null: this server is alone
  net::ReaderLocks locks_;
  std::unique_ptr<PosixFiles> files_;
  // Not the replica's port: whoever uses one picks the numbers of its files.
  PosixFiles config_files_{[](storage::IoToken /*token*/, Result<void> /*result*/) {}};
  std::unique_ptr<MembershipHost> host_;
  std::unique_ptr<replica::Replica> replica_;
  std::unique_ptr<net::ClientService> service_;
  ExitStatus status_ = ExitStatus::kDone;
  std::optional<consensus::Status> noted_;  // what the log says already
  std::mutex quorum_mutex_;
  QuorumFacts quorum_;  // these two guarded: words are answered on any thread
  replica::ProposalSizes proposal_sizes_;
};

ServerFacts Server::facts() {
  ServerFacts facts;
  locks_.pause_readers();
  for (const auto& lane : replica_->lanes()) {
    const replica::LaneCounters& counters = lane->counters;
    if (counters.requests != 0) {
      facts.latency_ms_min = facts.requests == 0
                                 ? counters.latency_ms_min
                                 : std::min(facts.latency_ms_min, counters.latency_ms_min);
    }
    facts.requests += counters.requests;
    facts.latency_ms_max = std::max(facts.latency_ms_max, counters.latency_ms_max);
    facts.latency_ms_sum += counters.latency_ms_sum;
    facts.packets_received += counters.packets_received;
    facts.packets_sent += counters.packets_sent;
  }
  facts.connections = service_->connection_count();
  facts.outstanding = replica_->outstanding();
  facts.nodes = replica_->state().tree().node_count() + 1;  // ZooKeeper counts the root twice
  const Zxid applied = replica_->state().applied();
  if (options_.loaded.config.digest_enabled) {
    const auto& digests = replica_->digests().entries();
    facts.digests.assign(digests.begin(), digests.end());
  }
  locks_.resume_readers();
  const std::lock_guard lock(quorum_mutex_);
  facts.quorum = quorum_;
  facts.quorum.zxid = applied;
  if (peers_) host_->fill(facts.quorum);
  facts.proposal_sizes = proposal_sizes_;
  return facts;
}

// After each turn of the core: its place in the ensemble, for the log and for whoever asks.
void Server::note_status() {
  if (peers_ == nullptr) return;
  const consensus::Status& status = replica_->status();
  if (status.role == consensus::Role::kLeading) {
    const std::lock_guard lock(quorum_mutex_);
    proposal_sizes_ = replica_->proposal_sizes();
  }
  const bool is_news = noted_ != status;
  if (!is_news && status.is_serving) return;
  if (is_news) spdlog::info("{}", status_line(status));
  noted_ = status;
  // They change while nobody is served, or with the status.
  std::vector<consensus::Instance> instances = replica_->instances();
  const std::lock_guard lock(quorum_mutex_);
  quorum_.instances = std::move(instances);
  quorum_.mode = mode_word(status.role);
  quorum_.is_serving = status.is_serving;
  quorum_.leader = status.leader;
  quorum_.epoch = status.epoch;
}

void Server::stop_for(ExitStatus status) {
  status_ = status;
  service_->stop();
}

ExitStatus Server::make_peers() {
  const Config& config = options_.loaded.config;
  if (!config.ensemble) return ExitStatus::kDone;
  auto options = peer_options(config);
  if (!options) {
    spdlog::error("{}", options.error().text);
    return ExitStatus::kBadConfiguration;
  }
  peers_ = std::make_unique<net::PeerLinks>(
      std::move(*options),
      net::PeerEvents{
          .warn = [](const std::string& text) { spdlog::warn("{}", text); },
          .complain =
              [this](const std::string& text) { complaints_.complain(text, net::steady_now()); },
          .failed =
              [this](const Error& error) {
                spdlog::critical("{}", error.text);
                stop_for(ExitStatus::kCannotListenForPeers);
              }});
  quorum_.self = config.my_id;
  quorum_.engine = config.consensus;
  return ExitStatus::kDone;
}

// Before anything in them is looked at.
bool Server::lock_directories() {
  const Config& config = options_.loaded.config;
  if (config.datadir_autocreate) {
    for (const auto& directory : {config.data_dir, config.data_log_dir}) {
      std::error_code ignored;  // recovery says what is wrong with it
      std::filesystem::create_directories(directory, ignored);
    }
  }
  auto lock = DirectoryLock::take({config.data_dir, config.data_log_dir});
  if (lock) {
    lock_ = std::move(*lock);
    return true;
  }
  const bool is_refused = lock.error().kind == ErrorKind::kRefused;
  spdlog::log(is_refused ? spdlog::level::err : spdlog::level::warn, "{}", lock.error().text);
  return !is_refused;
}

ExitStatus Server::start() {
  const Config& config = options_.loaded.config;
  if (!lock_directories()) return ExitStatus::kBadDataDirectory;
  const auto recorded = config.ensemble
                            ? record_engine(config.data_dir, config.data_log_dir, config.consensus)
                            : check_not_converting(config.data_dir);
  if (!recorded) {
    spdlog::error("{}", recorded.error().text);
    return ExitStatus::kBadDataDirectory;
  }
  if (const ExitStatus made = make_peers(); made != ExitStatus::kDone) return made;
  replica::Links& links = peers_ ? static_cast<replica::Links&>(*peers_) : no_links_;
  files_ = std::make_unique<PosixFiles>([this](storage::IoToken token, Result<void> result) {
    service_->io_done(token, std::move(result));
  });
  host_ = std::make_unique<MembershipHost>(locks_, config_files_, config, options_.config_file);
  auto replica = replica::Replica::open(*files_, links, *host_, make_engine(config),
                                        replica_options(config), net::now());
  if (!replica) {
    spdlog::error("{}", replica.error().text);
    return ExitStatus::kBadDataDirectory;
  }
  replica_ = std::move(*replica);
  report_recovery(*replica_);
  service_ = std::make_unique<net::ClientService>(
      *replica_, locks_, rules_, service_options(config),
      net::ServiceEvents{
          .warn = [](const std::string& text) { spdlog::warn("{}", text); },
          .complain =
              [this](const std::string& text) { complaints_.complain(text, net::steady_now()); },
          .answer_word =
              [this](const std::string& word) {
                return answer_word(word, options_.loaded.config.four_letter_words,
                                   [this] { return facts(); });
              },
          .failed =
              [this](const Error& error) {
                spdlog::critical(
                    "the transaction log cannot be written: {}. Stopping at once; "
                    "everything that was acknowledged is on disk.",
                    error.text);
                stop_for(ExitStatus::kLogFailed);
              },
          .turned = [this] { note_status(); }});
  auto listening = config.client_port ? service_->listen() : Result<void>{};
  if (!listening) {
    spdlog::error("{}", listening.error().text);
    return ExitStatus::kCannotListen;
  }
  if (peers_) service_->serve_peers(*peers_);
  return ExitStatus::kDone;
}

void Server::count_complaints(boost::asio::steady_timer& timer) {
  timer.expires_after(std::chrono::seconds(1));
  timer.async_wait([this, &timer](const boost::system::error_code& error) {
    if (error) return;
    complaints_.tick(net::steady_now());
    count_complaints(timer);
  });
}

ExitStatus Server::run() {
  const auto begin = std::chrono::steady_clock::now();
  if (const ExitStatus status = start(); status != ExitStatus::kDone) return status;
  boost::asio::io_context signals_io;
  boost::asio::signal_set signals(signals_io, SIGINT, SIGTERM);
  signals.async_wait([this](const boost::system::error_code& error, int) {
    if (error) return;
    spdlog::info("stopping");
    service_->stop();
  });
  boost::asio::steady_timer complaints_timer(signals_io);
  count_complaints(complaints_timer);
  std::thread signal_thread([&] { signals_io.run(); });
  say_ready(options_, service_->port(),
            std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin));
  service_->run();
  signals_io.stop();
  signal_thread.join();
  if (status_ != ExitStatus::kDone) return status_;
  if (auto stopped = replica_->stop(); !stopped) {
    spdlog::error("{}", stopped.error().text);
    return ExitStatus::kLogFailed;
  }
  return ExitStatus::kDone;
}

ExitStatus run_server(const ServeOptions& options) {
  for (const Warning& warning : options.loaded.warnings) spdlog::warn("{}", to_string(warning));
  const Config& config = options.loaded.config;
  if (!config.client_port && !config.ensemble) {
    spdlog::error("{}: no clientPort: nobody could connect. Add a line such as clientPort=2181.",
                  options.source);
    return ExitStatus::kBadConfiguration;
  }
  spdlog::info("Synod {} with {}", kVersion, options.source);
  return Server(options).run();
}

}  // namespace

ExitStatus serve(const ServeOptions& options) {
  start_log();
  const ExitStatus status = run_server(options);
  if (!finish_log(std::chrono::seconds(2))) std::_Exit(static_cast<int>(status));
  return status;
}

}  // namespace synod::server
