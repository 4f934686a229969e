// Of the directories of a stopped ensemble's members: which holds the log that counts, by the rule
// of the engine that wrote them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "consensus/membership.h"
#include "server/engine_record.h"

namespace synod::server {

// What one member's directory holds.
struct FoundMember {
  ServerId id;
  std::string directory;               // as messages show it
  std::optional<EngineRecord> record;  // nothing: there is none
  bool holds_data = false;
  bool has_memory = false;  // as storage::RecoveryReport has it
  Zxid last;                // the end of its log
  std::uint32_t accepted_epoch = 0;
  std::uint32_t current_epoch = 0;
  ServerId voted_for;              // in accepted_epoch
  std::optional<WallTimeMs> when;  // its last transaction; nothing: its log has none
  Zxid config_version{};           // of the membership that its tree and log know
  std::string config_text{};       // that membership; empty: none
};
using FoundMembers = std::vector<const FoundMember*>;

// Whether a member's directory belongs to what is changed: it has been used, or is being changed.
// (An empty one is filled like the others.)
[[nodiscard]] inline bool is_used(const FoundMember& member) {
  return member.holds_data || (member.record && member.record->is_converting());
}

[[nodiscard]] consensus::Servers ids_of(const FoundMembers& members);
[[nodiscard]] std::string list_of(const consensus::Servers& servers);  // "1, 2"

// Of a directory without a record: `otherwise`, or Zab's.
[[nodiscard]] std::string engine_of(const FoundMember& member,
                                    const std::optional<std::string>& otherwise);

// Voters whose word on what was committed counts, as the engine's own elections would have it.
[[nodiscard]] FoundMembers who_counts(const consensus::Membership& membership,
                                      const std::vector<FoundMember>& found,
                                      const std::string& engine);

// One at least. The engine's own rule; of equals the first.
[[nodiscard]] const FoundMember& newest(const FoundMembers& members, const std::string& engine);
[[nodiscard]] std::string rule_of(const std::string& engine);  // in words

// The highest that any of them accepted, was synchronised under or has a transaction of.
[[nodiscard]] std::uint32_t highest_epoch(const std::vector<FoundMember>& found);

// Java takes an epoch for a signed number; and some have to be left to go on with.
inline constexpr std::uint32_t kLastEpoch = 0x7f000000;

}  // namespace synod::server
