#include "consensus/zab/learner_links.h"

#include <fmt/format.h>

#include <utility>

#include "base/assert.h"

namespace synod::consensus::zab {

using Stage = LearnerHandler::Stage;

LearnerHandler* LearnerLinks::find(LinkId link) {
  const auto found = handlers_.find(link);
  return found == handlers_.end() ? nullptr : &found->second;
}

// ---- coming and going -------------------------------------------------------------------------

void LearnerLinks::drop(LinkId link, std::string reason) {
  const auto found = handlers_.find(link);
  SYNOD_ASSERT(found != handlers_.end());
  found->second.flush();
  handlers_.erase(found);
  shared_->outbox.close(link, std::move(reason));
}

void LearnerLinks::drop_all(const std::string& reason) {
  while (!handlers_.empty()) drop(handlers_.begin()->first, reason);
}

void LearnerLinks::drop_overdue() {
  std::vector<std::pair<LinkId, std::string>> late;
  for (const auto& [link, learner] : handlers_)
    if (const auto what = learner.overdue())
      late.emplace_back(link, fmt::format("server {}: {}", learner.server().value, *what));
  for (auto& [link, reason] : late) {
    shared_->outbox.warn(fmt::format("closing a learner: {}", reason));
    drop(link, std::move(reason));
  }
}

// ---- what comes -------------------------------------------------------------------------------

void LearnerLinks::feed(LinkId link, BytesView bytes) {
  LearnerHandler* learner = find(link);
  if (learner == nullptr) return;
  learner->heard();
  learner->reader().feed(bytes);
}

std::optional<QuorumPacket> LearnerLinks::next_packet(LinkId link) {
  LearnerHandler* learner = find(link);
  if (learner == nullptr) return std::nullopt;
  const auto packet = learner->reader().next();
  if (packet) return *packet;
  drop(link, std::string(packet.error().what));
  return std::nullopt;
}

std::optional<LearnerInfo> LearnerLinks::take_info(LearnerHandler& learner,
                                                   const QuorumPacket& packet) {
  const bool is_observer = packet.type == PacketType::kObserverInfo;
  const auto info = decode_learner_info(packet.data.value_or(""));
  const char* problem = nullptr;
  if ((!is_observer && packet.type != PacketType::kFollowerInfo) || !info)
    problem = "it does not say who it is";
  else if (info->protocol_version < LearnerInfo::kProtocolVersion)
    problem = "it speaks a protocol older than ZooKeeper 3.4";
  else if (info->server == shared_->options.self)
    problem = "it claims our number";
  if (problem != nullptr) {
    drop(learner.link(), problem);
    return std::nullopt;
  }
  // An accepted epoch of -1 is what a server without memory says.
  learner.registered(info->server, is_observer, packet.zxid.value >> 32 >= 0);
  return info;
}

bool LearnerLinks::drop_older_link(const LearnerHandler& learner) {
  for (const auto& [link, other] : handlers_) {
    if (link == learner.link() || other.stage() == Stage::kGreeting) continue;
    if (other.server() != learner.server()) continue;
    drop(link, "the same server opened a newer one");
    return true;
  }
  return false;
}

void LearnerLinks::log_read(LinkId link, std::optional<std::vector<Entry>> entries, bool is_end) {
  LearnerHandler* learner = find(link);
  if (learner == nullptr) return;
  learner->log_read(std::move(entries), is_end);
  if (auto failure = learner->take_failure()) drop(link, std::move(*failure));
}

void LearnerLinks::flush() {
  for (auto& [link, learner] : handlers_) learner.flush();
}

}  // namespace synod::consensus::zab
