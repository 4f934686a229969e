#include "consensus/zab/election_messages.h"

#include <charconv>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/mutation.h"
#include "jute/codec.h"

namespace synod::consensus::zab {
namespace {

constexpr std::size_t kOldestBytes = 28;  // 3.3: without the vote's peer epoch
constexpr std::size_t kUnversionedBytes = 40;
constexpr std::size_t kVersionedBytes = 44;

std::int32_t to_wire(Role state) {
  switch (state) {
    case Role::kLooking:
      return 0;
    case Role::kFollowing:
      return 1;
    case Role::kLeading:
      return 2;
    case Role::kObserving:
      return 3;
  }
  std::unreachable();
}

std::optional<Role> to_role(std::int32_t state) {
  switch (state) {
    case 0:
      return Role::kLooking;
    case 1:
      return Role::kFollowing;
    case 2:
      return Role::kLeading;
    case 3:
      return Role::kObserving;
    default:
      return std::nullopt;
  }
}

// Nothing if the config's length cannot be; bytes behind the config belong to versions to come.
bool read_config(jute::Reader& in, Notification& into) {
  into.version = in.i32();
  const std::int32_t length = in.i32();
  if (into.version <= 1) return true;
  if (length < 0 || static_cast<std::size_t>(length) > in.remaining()) return false;
  into.config = in.take(static_cast<std::size_t>(length));
  return true;
}

constexpr std::int64_t kOneAddress = -65536;
constexpr std::int64_t kManyAddresses = -65535;
constexpr std::int32_t kMaxAddressBytes = 2048;

// Zero as address means "any of mine": nothing that another server could dial.
bool is_wildcard(std::string_view host) {
  return host == "0.0.0.0" || host.find_first_not_of("0:") == std::string_view::npos;
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view digits = text.substr(colon + 1);
  Endpoint endpoint;
  const auto [stop, problem] =
      std::from_chars(digits.data(), digits.data() + digits.size(), endpoint.port);
  if (problem != std::errc{} || stop != digits.data() + digits.size()) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) return std::nullopt;
  endpoint.host = host;
  return endpoint;
}

std::optional<std::vector<Endpoint>> parse_addresses(std::string_view text) {
  std::vector<Endpoint> addresses;
  while (true) {
    const std::size_t bar = text.find('|');
    auto endpoint = parse_endpoint(text.substr(0, bar));
    if (!endpoint) return std::nullopt;
    if (endpoint->port != 0 && !is_wildcard(endpoint->host))
      addresses.push_back(*std::move(endpoint));
    if (bar == std::string_view::npos) return addresses;
    text.remove_prefix(bar + 1);
  }
}

}  // namespace

bool is_better(const Vote& candidate, const Vote& than) {
  if (is_mutated(Mutation::kZxidBeforeEpoch))
    return std::tie(candidate.zxid, candidate.leader) > std::tie(than.zxid, than.leader);
  return std::tie(candidate.peer_epoch, candidate.zxid, candidate.leader) >
         std::tie(than.peer_epoch, than.zxid, than.leader);
}

Bytes encode_notification(const Notification& notification) {
  Bytes out;
  jute::Writer writer(out);
  writer.i32(to_wire(notification.state));
  writer.i64(notification.vote.leader.value);
  writer.i64(notification.vote.zxid.value);
  writer.i64(notification.vote.round);
  writer.i64(notification.vote.peer_epoch);
  writer.i32(notification.version);
  writer.view(BytesView(notification.config));
  return out;
}

std::optional<Notification> decode_notification(BytesView payload) {
  const std::size_t size = payload.size();
  if (size != kOldestBytes && size != kUnversionedBytes && size < kVersionedBytes) {
    return std::nullopt;
  }
  jute::Reader in(payload);
  const auto state = to_role(in.i32());
  if (!state) return std::nullopt;
  Notification notification{.state = *state, .vote = {}, .version = 0, .config = {}};
  notification.vote.leader.value = in.i64();
  notification.vote.zxid.value = in.i64();
  notification.vote.round = in.i64();
  notification.vote.peer_epoch = size == kOldestBytes ? notification.vote.zxid.epoch() : in.i64();
  if (size >= kVersionedBytes && !read_config(in, notification)) return std::nullopt;
  return notification;
}

Bytes framed(BytesView payload) {
  Bytes out;
  jute::Writer(out).view(payload);
  return out;
}

Bytes encode_initial_message(ServerId server, const std::vector<Endpoint>& addresses) {
  std::string text;
  for (const Endpoint& address : addresses) {
    if (!text.empty()) text += '|';
    text += address.host.contains(':') ? '[' + address.host + ']' : address.host;
    text += ':' + std::to_string(address.port);
  }
  Bytes out;
  jute::Writer writer(out);
  writer.i64(addresses.size() > 1 ? kManyAddresses : kOneAddress);
  writer.i64(server.value);
  writer.view(BytesView(text));
  return out;
}

std::expected<InitialMessageFound, InitialMessageProblem> find_initial_message(BytesView bytes) {
  const auto incomplete = std::unexpected(InitialMessageProblem::kIncomplete);
  const auto malformed = std::unexpected(InitialMessageProblem::kMalformed);
  jute::Reader in(bytes);
  const std::int64_t version = in.i64();
  if (!in.ok()) return incomplete;
  // The ancient form is a number alone.
  if (version >= 0) return InitialMessageFound{{.server = {version}, .addresses = {}}, 8};
  if (version != kOneAddress && version != kManyAddresses) return malformed;
  const ServerId server{in.i64()};
  const std::int32_t length = in.i32();
  if (!in.ok()) return incomplete;
  if (length < 1 || length > kMaxAddressBytes) return malformed;
  const BytesView text = in.take(static_cast<std::size_t>(length));
  if (!in.ok()) return incomplete;
  auto addresses = parse_addresses(text);
  if (!addresses) return malformed;
  return InitialMessageFound{{.server = server, .addresses = *std::move(addresses)},
                             bytes.size() - in.remaining()};
}

}  // namespace synod::consensus::zab
