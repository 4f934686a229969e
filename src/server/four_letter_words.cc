#include "server/four_letter_words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pwd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace synod::server {
namespace {

std::string srvr(const ServerFacts& facts) {
  const double average = facts.requests == 0 ? 0.0
                                             : static_cast<double>(facts.latency_ms_sum) /
                                                   static_cast<double>(facts.requests);
  std::string text = fmt::format(
      "Zookeeper version: {}\n"
      "Latency min/avg/max: {}/{:.4f}/{}\n"
      "Received: {}\nSent: {}\nConnections: {}\nOutstanding: {}\nZxid: 0x{:x}\nMode: {}\nNode "
      "count: {}\n",
      kVersion, facts.latency_ms_min, average, facts.latency_ms_max, facts.packets_received,
      facts.packets_sent, facts.connections, facts.outstanding, facts.quorum.zxid.value,
      facts.quorum.mode, facts.nodes);
  if (facts.quorum.mode == "leader") {
    const replica::ProposalSizes& sizes = facts.proposal_sizes;
    text +=
        fmt::format("Proposal sizes last/min/max: {}/{}/{}\n", sizes.last, sizes.min, sizes.max);
  }
  return text;
}

// "0 stopped (1,2,3); 500000007 running (1,2,4)", as a value of one line.
std::string instances_line(const std::vector<consensus::Instance>& instances) {
  constexpr std::array<std::string_view, 4> kStates{"stopped", "running", "not started",
                                                    "standing by"};
  std::string text;
  for (const consensus::Instance& instance : instances) {
    std::vector<std::int64_t> members;
    for (const ServerId member : instance.members) members.push_back(member.value);
    text += fmt::format("{}{:x} {} ({})", text.empty() ? "" : "; ", instance.configuration.value,
                        kStates[static_cast<std::size_t>(instance.state)], fmt::join(members, ","));
  }
  return text;
}

std::string quor(const QuorumFacts& facts) {
  const std::string instances = instances_line(facts.instances);
  return fmt::format(
      "server={}\nmode={}\nserving={}\nleader={}\nepoch={}\nzxid=0x{:x}\nvoters={}\nquorum={}\n"
      "tolerated={}\nversion={:x}\nconsensus={}\n{}",
      facts.self.value, facts.mode, facts.is_serving, facts.leader.value, facts.epoch,
      facts.zxid.value, facts.voters, facts.quorum, facts.tolerated, facts.version, facts.engine,
      instances.empty() ? "" : fmt::format("instances={}\n", instances));
}

std::string hash(const std::vector<replica::DigestAt>& digests) {
  std::string text;
  for (const auto& [zxid, digest] : digests) text += fmt::format("{:x}: {}\n", zxid.value, digest);
  return text;
}

// Java's keys stay, as clients look for them by name, with what ZooKeeper says of a missing value.
std::string make_envi() {
  constexpr std::string_view kMissing = "<NA>";
  utsname system{};
  uname(&system);
  const passwd* user = getpwuid(geteuid());  // not safe beside itself: called once, see below
  std::error_code ignored;
  std::string text =
      fmt::format("Environment:\nzookeeper.version={}\nhost.name={}\n", kVersion, system.nodename);
  for (const std::string_view key : {"java.version", "java.vendor", "java.home", "java.class.path",
                                     "java.library.path", "java.io.tmpdir", "java.compiler"}) {
    text += fmt::format("{}={}\n", key, kMissing);
  }
  text += fmt::format("os.name={}\nos.arch={}\nos.version={}\n", system.sysname, system.machine,
                      system.release);
  text += fmt::format(
      "user.name={}\nuser.home={}\nuser.dir={}\n", user != nullptr ? user->pw_name : kMissing,
      user != nullptr ? user->pw_dir : kMissing, std::filesystem::current_path(ignored).string());
  return text;
}

// Made at the first asking, by one thread; the environment of a process does not change.
const std::string& envi() {
  static const std::string kText = make_envi();
  return kText;
}

}  // namespace

std::string answer_word(std::string_view word, const std::vector<std::string>& whitelist,
                        const std::function<ServerFacts()>& facts) {
  const auto is_listed = [&](std::string_view name) {
    return std::ranges::find(whitelist, name) != whitelist.end();
  };
  const bool is_always_answered = word == "srvr" || word == "quor";
  if (!is_always_answered && !is_listed(word) && !is_listed("*")) {
    return fmt::format("{} is not executed because it is not in the whitelist.\n", word);
  }
  if (word == "ruok") return "imok";
  if (word == "envi") return envi();
  const ServerFacts now = facts();
  if (word == "quor") return quor(now.quorum);
  if (word == "isro") return now.quorum.is_serving ? "rw" : "null";
  if (!now.quorum.is_serving) {
    return "This ZooKeeper instance is not currently serving requests\n";
  }
  if (word == "srvr") return srvr(now);
  if (word == "hash") return hash(now.digests);
  return fmt::format("{} is not answered by this version of Synod yet.\n", word);
}

}  // namespace synod::server
