#include "cli/given_members.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <random>
#include <utility>

#include "server/directory_users.h"

namespace synod::cli {
namespace {

namespace fs = std::filesystem;
using server::ExitStatus;

Outcome<ServerId> read_my_id(const std::string& directory) {
  const auto file = server::read_config_file(directory + "/myid");
  if (!file)
    return misused(
        fmt::format("{}: no file myid in it: is it a member's dataDir? Give that, or "
                    "the member's zoo.cfg.",
                    directory));
  const std::string& text = file->text;
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || text.find_first_not_of(" \r\n", end - text.data()) != text.npos)
    return misused(fmt::format("{}/myid holds no number", directory));
  return ServerId{id};
}

Outcome<GivenMember> read_directory(const std::string& word) {
  std::string path = fs::path(word).lexically_normal().string();
  if (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const auto id = read_my_id(path);
  if (!id) return std::unexpected(id.error());
  return GivenMember{.member = {*id, {path, path}}, .config_file = {}, .config = {}};
}

// A server on its own, which a single member may have become, does not look at its number.
Outcome<GivenMember> read_configured(const std::string& file, const LoadConfig& load,
                                     const std::string& if_gone) {
  auto loaded = load(file);
  if (!loaded) return misused(server::to_string(loaded.error()));
  const server::Config& config = loaded->config;
  GivenMember given{
      .member = {config.my_id, {config.data_dir.string(), config.data_log_dir.string()}},
      .config_file = fs::absolute(file).lexically_normal().string(),
      .config = config};
  for (const fs::path& path : {config.data_dir, config.data_log_dir})
    if (config.ensemble && !fs::is_directory(path))
      return misused(fmt::format(
          "{}: {} is no directory here. Where a copy of it lies, name that in place of the file; "
          "if server {}'s is gone for good, {}.",
          file, path.string(), config.my_id.value, if_gone));
  if (!config.ensemble)
    if (const auto id = read_my_id(config.data_dir.string())) given.member.id = *id;
  return given;
}

}  // namespace

std::unexpected<Failure> misused(std::string text) {
  return std::unexpected(Failure{ExitStatus::kBadConfiguration, std::move(text)});
}

std::unexpected<Failure> refused(const Error& error) {
  return std::unexpected(Failure{ExitStatus::kBadDataDirectory, error.text});
}

int concluded(const Outcome<void>& done) {
  if (done) return static_cast<int>(ExitStatus::kDone);
  std::fflush(stdout);
  fmt::print(stderr, "{}\n", done.error().text);
  return static_cast<int>(done.error().status);
}

Outcome<std::vector<GivenMember>> read_members(const std::vector<std::string>& words,
                                               const LoadConfig& load, const std::string& if_gone) {
  std::vector<GivenMember> members;
  for (const std::string& word : words) {
    auto member =
        fs::is_directory(word) ? read_directory(word) : read_configured(word, load, if_gone);
    if (!member) return std::unexpected(member.error());
    members.push_back(*std::move(member));
  }
  const bool has_bare_directory =
      std::ranges::any_of(members, [](const GivenMember& given) { return !given.config; });
  const bool is_any_split = std::ranges::any_of(
      members, [](const GivenMember& given) { return given.member.directory.is_split(); });
  if (has_bare_directory && is_any_split)
    return misused(
        "these members keep their log apart (dataLogDir), and a directory alone does "
        "not say where: give each member by a zoo.cfg");
  return members;
}

std::vector<server::ConvertedMember> directories_of(const std::vector<GivenMember>& members) {
  std::vector<server::ConvertedMember> directories;
  directories.reserve(members.size());
  for (const GivenMember& given : members) directories.push_back(given.member);
  return directories;
}

bool have_same_voters(const consensus::Membership& left, const consensus::Membership& right) {
  return left.voters() == right.voters() && left.groups == right.groups &&
         left.weights == right.weights;
}

Outcome<server::DirectoryLock> lock_members(const std::vector<server::ConvertedMember>& members,
                                            const std::string& why) {
  std::vector<fs::path> paths;
  for (const server::ConvertedMember& member : members) {
    paths.emplace_back(member.directory.data_dir);
    paths.emplace_back(member.directory.data_log_dir);
  }
  auto lock = server::DirectoryLock::take(paths);
  for (const fs::path& path : paths)
    if (const auto process = lock ? server::process_using(path) : std::nullopt)
      return refused({ErrorKind::kRefused,
                      fmt::format("process {} has files of {} open: is it a server? Every server "
                                  "has to be stopped for {}.",
                                  *process, path.string(), why)});
  if (lock) return *std::move(lock);
  if (lock.error().kind == ErrorKind::kRefused)
    return refused({lock.error().kind, fmt::format("{} Every server has to be stopped for {}.",
                                                   lock.error().text, why)});
  fmt::print(stderr, "warning: {}\n", lock.error().text);
  return server::DirectoryLock();
}

std::function<void(const std::string&)> every_two_seconds() {
  return [said_at = std::chrono::steady_clock::now()](const std::string& what) mutable {
    const auto now = std::chrono::steady_clock::now();
    if (now - said_at < std::chrono::seconds(2)) return;
    said_at = now;
    fmt::print(stderr, "{}\n", what);
  };
}

std::function<void(const std::string&, std::uint64_t, std::uint64_t)> progress_report() {
  return [say = every_two_seconds()](const std::string& what, std::uint64_t done_bytes,
                                     std::uint64_t total_bytes) {
    const std::string total = total_bytes == 0 ? "" : fmt::format(" of {}", total_bytes >> 20);
    say(fmt::format("{}: {}{} MiB", what, done_bytes >> 20, total));
  };
}

std::uint64_t new_number() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random() | 1;
}

}  // namespace synod::cli
