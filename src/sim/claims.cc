#include "sim/claims.h"

#include <fmt/format.h>

#include <charconv>

#include "sim/native_claims.h"
#include "sim/zab_claims.h"

namespace synod::sim {

std::int64_t Claims::durable_epoch(std::size_t server, const std::string& name) const {
  const std::string text = durable_text(server, name);
  std::int64_t number = -1;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

void Claims::complain(std::size_t server, const std::string& text) const {
  evidence_.complain(fmt::format("server {}: G8: {}", server + 1, text));
}

std::unique_ptr<Claims> make_claims(const std::string& engine, Claims::Evidence evidence) {
  if (engine == "zab") return std::make_unique<ZabClaims>(std::move(evidence));
  if (engine == "raft") return std::make_unique<RaftClaims>(std::move(evidence));
  if (engine == "omnipaxos") return std::make_unique<OmniPaxosClaims>(std::move(evidence));
  return nullptr;
}

}  // namespace synod::sim
