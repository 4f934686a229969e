#include "server/ensemble_setup.h"

#include <memory>
#include <utility>

#include "consensus/solo/solo.h"
#include "consensus/zab/zab.h"

namespace synod::server {
namespace {

namespace zab = consensus::zab;

zab::Options zab_options(const Config& config) {
  zab::Options options;
  options.self = config.my_id;
  options.membership = *config.ensemble;
  options.tick_ms = config.tick_time_ms;
  options.init_limit = config.init_limit_ticks;
  options.sync_limit = config.sync_limit_ticks;
  options.commit_log_count = static_cast<std::size_t>(config.commit_log_count);
  options.is_log_diff_allowed = config.snapshot_size_factor >= 0;
  options.observer_delay_ms = config.observer_election_delay_ms;
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

}  // namespace

std::unique_ptr<consensus::Engine> make_engine(const Config& config) {
  if (!config.ensemble) return std::make_unique<consensus::Solo>();
  return std::make_unique<zab::Zab>(zab_options(config));
}

Result<net::PeerOptions> peer_options(const Config& config) {
  const consensus::Member& me = config.ensemble->members.at(config.my_id);
  net::PeerOptions options;
  options.quorum = me.quorum;
  options.election = me.election;
  options.is_listening_on_all = config.quorum_listen_on_all_ips;
  options.bind_retries = config.election_port_bind_retry;
  options.dial_timeout = std::chrono::milliseconds(config.cnx_timeout_ms);
  options.is_keep_alive = config.tcp_keep_alive;
  return options;
}

}  // namespace synod::server
