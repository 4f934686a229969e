#include "replica/reconfiguration.h"

#include <fmt/format.h>

#include <utility>

#include "consensus/membership_change.h"

namespace synod::replica {
namespace {

using jute::ErrorCode;

std::unexpected<ReconfigurationRefusal> refuse(ErrorCode error, std::string reason) {
  return std::unexpected(ReconfigurationRefusal{error, std::move(reason)});
}

}  // namespace

std::expected<std::string, ReconfigurationRefusal> plan_reconfiguration(
    const jute::ReconfigRequest& request, const consensus::Engine& engine, std::size_t min_voters,
    Zxid zxid) {
  const consensus::Membership& current = *engine.membership();
  if (engine.is_reconfiguring())
    return refuse(ErrorCode::kReconfigInProgress,
                  fmt::format("the change to version {:x} is not finished", current.version));
  if (request.current_config_id != -1 && request.current_config_id != current.version)
    return refuse(ErrorCode::kBadVersion,
                  fmt::format("it was meant for version {:x}, the membership is at {:x}",
                              request.current_config_id, current.version));
  auto next = consensus::changed(
      current, {request.joining_servers, request.leaving_servers, request.new_members}, min_voters);
  if (!next) return refuse(ErrorCode::kBadArguments, std::move(next.error().text));
  if (auto reason = engine.why_not(*next))
    return refuse(ErrorCode::kNewConfigNoQuorum, *std::move(reason));
  next->version = zxid.value;
  return next->to_text();
}

}  // namespace synod::replica
