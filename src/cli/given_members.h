// The members of a stopped ensemble that a command line names, each by its zoo.cfg or by its data
// directory; and how such a command fails.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "server/config.h"
#include "server/conversion.h"
#include "server/directory_lock.h"
#include "server/serve.h"

namespace synod::cli {

struct Failure {
  server::ExitStatus status;
  std::string text;
};
template <class T>
using Outcome = std::expected<T, Failure>;

[[nodiscard]] std::unexpected<Failure> misused(std::string text);
[[nodiscard]] std::unexpected<Failure> refused(const Error& error);
// Says why, if it failed; the exit status.
[[nodiscard]] int concluded(const Outcome<void>& done);

using LoadConfig = std::function<std::expected<server::LoadedConfig, server::ConfigError>(
    const std::string& file)>;

struct GivenMember {
  server::ConvertedMember member;
  std::string config_file;               // absolute; empty: a directory was given
  std::optional<server::Config> config;  // of that file
};

// In their order. `if_gone` ends the advice where a directory is not there.
[[nodiscard]] Outcome<std::vector<GivenMember>> read_members(const std::vector<std::string>& words,
                                                             const LoadConfig& load,
                                                             const std::string& if_gone);

[[nodiscard]] std::vector<server::ConvertedMember> directories_of(
    const std::vector<GivenMember>& members);

// Whether a quorum of the one is one of the other. An observer may be in its own file only.
[[nodiscard]] bool have_same_voters(const consensus::Membership& left,
                                    const consensus::Membership& right);

// Nobody else has them while this lives; `why` completes "Every server has to be stopped for".
// Ours show by their locks, Java's by their logs.
[[nodiscard]] Outcome<server::DirectoryLock> lock_members(
    const std::vector<server::ConvertedMember>& members, const std::string& why);

// Says what it is told, every two seconds.
[[nodiscard]] std::function<void(const std::string& what)> every_two_seconds();
// Says how far slow work has come, every two seconds.
[[nodiscard]] std::function<void(const std::string& what, std::uint64_t done_bytes,
                                 std::uint64_t total_bytes)>
progress_report();

// Not used before, not 0: names a conversion or a recovery in the directories.
[[nodiscard]] std::uint64_t new_number();

}  // namespace synod::cli
