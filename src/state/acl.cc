#include "state/acl.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/assert.h"
#include "jute/codec.h"
#include "jute/opcode.h"

namespace synod::state {
namespace {

const jute::AclList& open_list() {
  static const jute::AclList kList{{jute::perms::kAll, "world", "anyone"}};
  return kList;
}

std::optional<unsigned> parse_number(std::string_view text, unsigned largest) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number > largest) return {};
  return number;
}

// An address as bytes: 4 for IPv4, 16 for IPv6.
using Address = std::vector<std::uint8_t>;

std::optional<Address> parse_ipv4(std::string_view text) {
  Address address;
  while (address.size() < 4) {
    const std::size_t dot = text.find('.');
    const std::string_view part = text.substr(0, dot);
    if (part.empty() || part.size() > 3) return {};
    const auto number = parse_number(part, 255);
    if (!number) return {};
    address.push_back(static_cast<std::uint8_t>(*number));
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
    if (address.size() == 4) return {};
  }
  if (address.size() != 4) return {};
  return address;
}

std::optional<std::vector<std::uint16_t>> parse_groups(std::string_view text) {
  std::vector<std::uint16_t> groups;
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    const std::string_view part = text.substr(0, colon);
    unsigned number = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number, 16);
    if (part.empty() || part.size() > 4 || error != std::errc{} || end != part.data() + part.size())
      return {};
    groups.push_back(static_cast<std::uint16_t>(number));
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
    if (text.empty()) return {};
  }
  return groups;
}

std::optional<Address> parse_ipv6(std::string_view text) {
  const std::size_t gap = text.find("::");
  const auto head = parse_groups(text.substr(0, gap));
  if (!head) return {};
  std::vector<std::uint16_t> groups = *head;
  if (gap == std::string_view::npos) {
    if (groups.size() != 8) return {};
  } else {
    const auto tail = parse_groups(text.substr(gap + 2));
    if (!tail || groups.size() + tail->size() > 7) return {};
    groups.resize(8 - tail->size());
    groups.insert(groups.end(), tail->begin(), tail->end());
  }
  Address address;
  for (const std::uint16_t group : groups) {
    address.push_back(static_cast<std::uint8_t>(group >> 8));
    address.push_back(static_cast<std::uint8_t>(group & 0xFF));
  }
  return address;
}

std::optional<Address> parse_address(std::string_view text) {
  return text.find(':') == std::string_view::npos ? parse_ipv4(text) : parse_ipv6(text);
}

struct IpPattern {
  Address address;
  unsigned bits = 0;
};

std::optional<IpPattern> parse_pattern(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return {};
  const auto width = static_cast<unsigned>(address->size() * 8);
  if (slash == std::string_view::npos) return IpPattern{*address, width};
  const auto bits = parse_number(text.substr(slash + 1), width);
  if (!bits) return {};
  return IpPattern{*address, *bits};
}

bool equal_under_mask(const Address& a, const Address& b, unsigned bits) {
  for (std::size_t i = 0; i < a.size() && bits > 0; ++i) {
    const unsigned here = std::min(bits, 8U);
    const auto mask = static_cast<std::uint8_t>(0xFF00U >> here);
    if (((a[i] ^ b[i]) & mask) != 0) return false;
    bits -= here;
  }
  return true;
}

}  // namespace

jute::AclList to_owned(const std::vector<jute::AclView>& views) {
  jute::AclList list;
  list.reserve(views.size());
  for (const jute::AclView& view : views) {
    list.push_back(
        {view.perms, std::string(view.scheme.value_or("")), std::string(view.id.value_or(""))});
  }
  return list;
}

AclId AclTable::acquire(const std::vector<jute::AclView>& list) {
  return acquire_encoded(jute::encode(list), &list, nullptr);
}

AclId AclTable::acquire(const jute::AclList& list) {
  return acquire_encoded(jute::encode(list), nullptr, &list);
}

AclId AclTable::acquire_encoded(std::string key, const std::vector<jute::AclView>* views,
                                const jute::AclList* list) {
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    acquire(found->second);
    return found->second;
  }
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(entries_.size()));
    entries_.emplace_back();
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  const AclId id{slot + 1};
  entries_[slot] = std::make_unique<Entry>(Entry{views ? to_owned(*views) : *list, key, 1});
  by_key_.emplace(std::move(key), id);
  return id;
}

void AclTable::acquire(AclId id) {
  if (id != kOpenAcl) ++entries_[id.value - 1]->users;
}

void AclTable::release(AclId id) {
  if (id == kOpenAcl) return;
  Entry& entry = *entries_[id.value - 1];
  SYNOD_ASSERT(entry.users > 0);
  if (--entry.users == 0) unused_.push_back(id);
}

void AclTable::collect() {
  for (const AclId id : unused_) {
    auto& slot = entries_[id.value - 1];
    if (!slot || slot->users != 0) continue;  // used again, or listed twice
    by_key_.erase(slot->key);
    slot.reset();
    free_.push_back(id.value - 1);
  }
  unused_.clear();
}

const jute::AclList& AclTable::list(AclId id) const {
  if (id == kOpenAcl) return open_list();
  SYNOD_ASSERT(id.value <= entries_.size() && entries_[id.value - 1]);
  return entries_[id.value - 1]->list;
}

std::vector<std::pair<std::int64_t, jute::AclList>> AclTable::entries() const {
  std::vector<std::pair<std::int64_t, jute::AclList>> all;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i] && entries_[i]->users > 0) {
      all.emplace_back(static_cast<std::int64_t>(i) + 1, entries_[i]->list);
    }
  }
  return all;
}

bool AccessRule::allows(const jute::AclList& list, std::int32_t wanted, const AuthIds& ids) const {
  if (skip || list.empty()) return true;
  for (const AuthId& id : ids) {
    if (id.scheme == "super") return true;
  }
  const auto matches = [&](const jute::Acl& entry, const AuthId& id) {
    if (id.scheme != entry.scheme) return false;
    if (entry.scheme == "ip") return ip_matches(id.id, entry.id);
    if (entry.scheme == "sasl") {
      return id.id == entry.id || id.id == "super" ||
             (!any_sasl_user.empty() && entry.id == any_sasl_user);
    }
    if (entry.scheme == "x509") {
      return id.id == entry.id || (!x509_super_user.empty() && id.id == x509_super_user);
    }
    return id.id == entry.id;
  };
  for (const jute::Acl& entry : list) {
    if ((entry.perms & wanted) == 0) continue;
    if (entry.scheme == "world" && entry.id == "anyone") return true;
    for (const AuthId& id : ids) {
      if (matches(entry, id)) return true;
    }
  }
  return false;
}

bool is_valid_ip_pattern(std::string_view pattern) { return parse_pattern(pattern).has_value(); }

bool ip_matches(std::string_view address, std::string_view pattern) {
  const auto ours = parse_address(address);
  const auto theirs = parse_pattern(pattern);
  if (!ours || !theirs || ours->size() != theirs->address.size()) return false;
  return equal_under_mask(*ours, theirs->address, theirs->bits);
}

}  // namespace synod::state
