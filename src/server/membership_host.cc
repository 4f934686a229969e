#include "server/membership_host.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "base/assert.h"
#include "server/dynamic_config.h"
#include "server/membership_diff.h"
#include "server/quorum_math.h"

namespace synod::server {

using consensus::Membership;

MembershipHost::MembershipHost(replica::Host& readers, storage::FilePort& files,
                               const Config& config, std::string config_file)
    : readers_(readers),
      files_(files),
      config_(config),
      config_file_(std::move(config_file)),
      current_(config.ensemble.value_or(Membership{})),
      saved_version_(current_.version) {}

Result<void> MembershipHost::configured(std::string_view text) {
  auto next = Membership::parse(text);
  SYNOD_ASSERT(next.has_value());
  say(*next);
  if (auto saved = save(*next); !saved) return saved;
  const std::lock_guard lock(mutex_);
  current_ = *std::move(next);
  return {};
}

void MembershipHost::say(const Membership& next) const {
  spdlog::info("the membership is version {:x}: {}. A quorum is {} of {}; {} can fail",
               next.version, change_line(current_, next), quorum_size(next), next.voter_count(),
               tolerated_failures(next));
  const auto me = next.members.find(config_.my_id);
  if (me == next.members.end()) {
    spdlog::warn(
        "this server, {}, is no member: it has no vote. Stop it, or add it with synod "
        "reconfig",
        config_.my_id.value);
    return;
  }
  const auto& clients = me->second.client;
  if (clients && config_.client_port && clients->port != *config_.client_port)
    spdlog::warn(
        "clients are to come to port {} from now on: this takes effect when this server "
        "is started again; until then they are served on port {}",
        clients->port, *config_.client_port);
}

// Who is still joining brings a membership of its own, with itself in it, which has no version: it
// starts with that again until the members have taken it in.
Result<void> MembershipHost::save(const Membership& next) {
  if (config_file_.empty()) return {};
  if (saved_version_ == 0 && !next.members.contains(config_.my_id)) return {};
  DynamicConfigPlace place{.config_file = config_file_, .self = config_.my_id, .clients = {}};
  if (config_.client_port)
    place.clients = {config_.client_port_address, static_cast<std::uint16_t>(*config_.client_port)};
  if (auto written = write_dynamic_config(files_, place, next); !written)
    return fail(written.error().kind,
                fmt::format("the membership could not be written beside {}: {}. Make room, or make "
                            "the folder writable, and start again",
                            config_file_, written.error().text));
  saved_version_ = next.version;
  return {};
}

void MembershipHost::fill(QuorumFacts& facts) const {
  const std::lock_guard lock(mutex_);
  facts.voters = current_.voter_count();
  facts.quorum = quorum_size(current_);
  facts.tolerated = tolerated_failures(current_);
  facts.version = current_.version;
}

}  // namespace synod::server
