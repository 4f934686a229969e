// Any bytes as an access list of a request, as paths, patterns and quotas: read in bounds, and what
// is accepted is accepted again.
#include "fuzz_input.h"
#include "jute/codec.h"
#include "primary/access.h"
#include "state/paths.h"
#include "state/quota.h"

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using synod::fuzz::require;
  synod::fuzz::Input input(data, size);
  const synod::primary::AccessSchemes schemes{.digest = true, .sasl = true, .x509 = true};
  const synod::state::AuthIds ids{{"ip", "10.1.2.3"}, {"digest", "bob:hash"}};
  const std::string text(input.rest());
  if (synod::state::is_valid_path(text))
    require(text == "/" || !synod::state::name_of(text).empty());
  (void)synod::state::QuotaText::parse(text);
  if (synod::state::ip_matches("10.1.2.3", text)) require(synod::state::is_valid_ip_pattern(text));
  synod::jute::Reader in(text);
  const auto requested = synod::jute::decode<synod::jute::NullableAclViews>(in);
  if (!requested) return 0;
  const auto resolved = synod::primary::resolve_acl(*requested, ids, schemes);
  if (!resolved) return 0;
  require(!resolved->empty());
  (void)synod::state::AccessRule{}.allows(*resolved, 31, ids);
  std::vector<synod::jute::AclView> views;
  for (const auto& entry : *resolved) views.push_back({entry.perms, entry.scheme, entry.id});
  require(synod::primary::resolve_acl(views, ids, schemes).has_value());
  return 0;
}
