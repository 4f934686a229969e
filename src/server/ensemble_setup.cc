#include "server/ensemble_setup.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "consensus/omnipaxos/omnipaxos.h"
#include "consensus/raft/raft.h"
#include "consensus/solo/solo.h"
#include "consensus/zab/zab.h"
#include "net/jaas.h"
#include "net/quorum_sasl.h"
#include "net/tls.h"

namespace synod::server {
namespace {

namespace zab = consensus::zab;
namespace raft = consensus::raft;
namespace omnipaxos = consensus::omnipaxos;

zab::Options zab_options(const Config& config) {
  zab::Options options;
  options.self = config.my_id;
  options.membership = *config.ensemble;
  options.tick_ms = config.tick_time_ms;
  options.init_limit = config.init_limit_ticks;
  options.connect_limit = config.connect_to_learner_master_limit_ticks;
  options.redial_ms = config.leader_connect_delay_during_retry_ms;
  options.sync_limit = config.sync_limit_ticks;
  options.is_reconfig_enabled = config.reconfig_enabled;
  options.commit_log_count = static_cast<std::size_t>(config.commit_log_count);
  options.is_log_diff_allowed = config.snapshot_size_factor >= 0;
  options.is_snapshot_forced = config.force_snapshot_sync;
  options.observer_delay_ms =
      std::int64_t{config.observer_election_delay_ms} + config.observer_reconnect_delay_ms;
  options.observer_master_port =
      static_cast<std::uint16_t>(std::max(config.observer_master_port, 0));
  options.election.min_notification_ms = config.fast_leader_min_notification_interval_ms;
  options.election.max_notification_ms = config.fast_leader_max_notification_interval_ms;
  options.election.connect_timeout_ms = config.cnx_timeout_ms;
  options.election.handshake_timeout_ms =
      config.quorum_cnxn_timeout_ms >= 0
          ? config.quorum_cnxn_timeout_ms
          : std::int64_t{config.tick_time_ms} * config.sync_limit_ticks;
  if (config.testing_initial_zxid > 0) {
    options.first_counter = static_cast<std::uint32_t>(config.testing_initial_zxid);
  }
  return options;
}

// What the engines of our own have in common.
template <class Options>
Options native_options(const Config& config) {
  constexpr int kHeartbeatsInATimeout = 10;
  Options options;
  options.self = config.my_id;
  options.membership = *config.ensemble;
  options.tick_ms = config.tick_time_ms;
  options.election_timeout_ms = config.election_timeout_ms;
  options.heartbeat_ms = std::max(1, config.election_timeout_ms / kHeartbeatsInATimeout);
  options.memory.entries = static_cast<std::size_t>(config.commit_log_count);
  if (config.testing_initial_zxid > 0)
    options.first_counter = static_cast<std::uint32_t>(config.testing_initial_zxid);
  return options;
}

// Also of an observer and of a leader: they may become followers. Until then they let nobody in.
std::vector<consensus::Endpoint> observer_master_endpoints(const Config& config) {
  if (config.observer_master_port <= 0) return {};
  std::vector<consensus::Endpoint> endpoints = config.ensemble->members.at(config.my_id).quorum;
  for (consensus::Endpoint& endpoint : endpoints)
    endpoint.port = static_cast<std::uint16_t>(config.observer_master_port);
  return endpoints;
}

net::ClientAuth client_auth(std::string_view name) {
  if (name == "none") return net::ClientAuth::kNone;
  if (name == "want") return net::ClientAuth::kWant;
  return net::ClientAuth::kNeed;
}

net::TlsOptions tls_options(const Config& config) {
  net::TlsOptions options;
  options.key_store = {config.ssl_quorum_key_store_location, config.ssl_quorum_key_store_password,
                       config.ssl_quorum_key_store_password_path};
  options.trust_store = {config.ssl_quorum_trust_store_location,
                         config.ssl_quorum_trust_store_password,
                         config.ssl_quorum_trust_store_password_path};
  options.enabled_protocols = config.ssl_quorum_enabled_protocols;
  if (options.enabled_protocols.empty() && !config.ssl_quorum_protocol.empty()) {
    options.enabled_protocols = {config.ssl_quorum_protocol};
  }
  options.cipher_suites = config.ssl_quorum_cipher_suites;
  options.client_auth = client_auth(config.ssl_quorum_client_auth);
  options.is_host_verified = config.ssl_quorum_hostname_verification;
  options.is_client_host_verified = config.ssl_quorum_client_hostname_verification;
  for (const auto& [id, member] : config.ensemble->members) {
    for (const consensus::Endpoint& endpoint : member.quorum)
      options.hosts.push_back(endpoint.host);
  }
  options.is_crl_checked = config.ssl_quorum_crl;
  return options;
}

Result<std::shared_ptr<const net::SaslOptions>> sasl_options(const Config& config) {
  const auto file = read_config_file(config.jaas_file);
  if (!file) return fail(ErrorKind::kIo, to_string(file.error()));
  const auto sections = net::parse_jaas(file->text);
  if (!sections) return fail(sections.error().kind, file->name + ": " + sections.error().text);
  auto options = net::sasl_options(*sections, config.quorum_auth_server_context,
                                   config.quorum_auth_learner_context);
  if (!options) return fail(options.error().kind, file->name + ": " + options.error().text);
  return std::make_shared<const net::SaslOptions>(std::move(*options));
}

Result<net::PeerSecurity> peer_security(const Config& config) {
  net::PeerSecurity security;
  security.handshake_timeout =
      std::chrono::milliseconds(std::int64_t{config.tick_time_ms} * config.sync_limit_ticks);
  if (config.ssl_quorum || config.port_unification) {
    auto context = net::TlsContext::load(tls_options(config));
    if (!context) return std::unexpected(std::move(context.error()));
    security.tls = std::move(*context);
    security.is_dialling_tls = config.ssl_quorum;
    security.is_accepting_tls = true;
    security.is_accepting_plain = !config.ssl_quorum || config.port_unification;
    security.detection_timeout =
        std::chrono::milliseconds(config.ssl_quorum_handshake_detection_timeout_ms);
  }
  if (config.quorum_auth_enable_sasl) {
    auto sasl = sasl_options(config);
    if (!sasl) return std::unexpected(std::move(sasl.error()));
    security.sasl = std::move(*sasl);
    security.is_learner_sasl_required = config.quorum_auth_learner_require_sasl;
    security.is_server_sasl_required = config.quorum_auth_server_require_sasl;
  }
  return security;
}

}  // namespace

std::unique_ptr<consensus::Engine> make_engine(const Config& config) {
  if (!config.ensemble) return std::make_unique<consensus::Solo>();
  if (config.consensus == "raft")
    return std::make_unique<raft::Raft>(native_options<raft::Options>(config));
  if (config.consensus == "omnipaxos")
    return std::make_unique<omnipaxos::OmniPaxos>(native_options<omnipaxos::Options>(config));
  return std::make_unique<zab::Zab>(zab_options(config));
}

Result<net::PeerOptions> peer_options(const Config& config) {
  const consensus::Member& me = config.ensemble->members.at(config.my_id);
  net::PeerOptions options;
  options.quorum = me.quorum;
  if (config.consensus == "zab") {
    options.election = me.election;
    options.observer_master = observer_master_endpoints(config);
  }
  options.is_listening_on_all = config.quorum_listen_on_all_ips;
  options.bind_retries = config.election_port_bind_retry;
  options.dial_timeout = std::chrono::milliseconds(config.cnx_timeout_ms);
  options.is_keep_alive = config.tcp_keep_alive;
  auto security = peer_security(config);
  if (!security) return std::unexpected(std::move(security.error()));
  options.security = std::move(*security);
  return options;
}

}  // namespace synod::server
