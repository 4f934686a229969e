#include "server/membership_outlook.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "server/quorum_math.h"

namespace synod::server {
namespace {

using consensus::Member;
using consensus::Membership;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kBetweenQuestions{200};
constexpr milliseconds kForOneQuestion{2000};
constexpr milliseconds kForTheOthers{1000};
constexpr std::string_view kAnyAddress = "0.0.0.0";

// A server that listens everywhere is reached where its peers reach it.
std::optional<ServerAddress> client_address(const Member& member) {
  if (!member.client) return std::nullopt;
  const std::string& host = member.client->host;
  const bool is_any = host == kAnyAddress || host == "::" || host.empty();
  return ServerAddress{is_any ? member.quorum.front().host : host,
                       std::to_string(member.client->port)};
}

Standing ask_one(const Member& member, Zxid baseline) {
  const auto address = client_address(member);
  if (!address) return {"", "names no client port: it cannot be asked", false};
  Standing standing{.address = fmt::format("{}:{}", address->host, address->port), .state = {}};
  std::string trouble;
  const Answer answer = ask_server(*address, kForOneQuestion, trouble);
  if (answer.empty()) {
    standing.state = "no answer: " + trouble;
    return standing;
  }
  const std::string mode(value_of(answer, "mode"));
  const auto zxid = zxid_of(answer);
  const bool is_alone = mode == "standalone";
  const bool is_serving = value_of(answer, "serving") == "true";
  if (is_alone) {
    standing.state = "runs alone: it belongs to no ensemble";
  } else if (!is_serving && value_of(answer, "consensus") == "omnipaxos") {
    standing.state = mode + ", fetches what it lacks once it belongs";
    standing.is_ready = true;
  } else if (!is_serving || !zxid) {
    standing.state = mode + ", does not serve";
  } else if (*zxid < baseline) {
    standing.state = fmt::format("{}, behind: 0x{:x}, and the ensemble is at 0x{:x}", mode,
                                 zxid->value, baseline.value);
  } else {
    standing.state = fmt::format("{}, in step at 0x{:x}", mode, zxid->value);
    standing.is_ready = true;
  }
  return standing;
}

}  // namespace

std::string names_of(const std::vector<ServerId>& servers) {
  std::string names;
  for (const ServerId server : servers)
    names += fmt::format("{}server.{}", names.empty() ? "" : ", ", server.value);
  return names;
}

Standings ask_standings(const Membership& membership, Zxid baseline,
                        const consensus::Servers& awaited, milliseconds patience) {
  const auto begin = steady_clock::now();
  Standings standings;
  while (true) {
    bool is_worth_waiting = false;
    const auto took = steady_clock::now() + kBetweenQuestions - begin;
    for (const auto& [server, member] : membership.members) {
      Standing& standing = standings[server];
      if (standing.is_ready) continue;
      standing = ask_one(member, baseline);
      const bool is_awaited = std::ranges::binary_search(awaited, server);
      is_worth_waiting = is_worth_waiting ||
                         (!standing.is_ready && took < (is_awaited ? patience : kForTheOthers));
    }
    if (!is_worth_waiting) return standings;
    std::this_thread::sleep_for(kBetweenQuestions);
  }
}

std::optional<std::string> foretell_refusal(const Membership& next, const Standings& standings) {
  consensus::Servers in_step;
  std::string missing;
  for (const ServerId voter : next.voters()) {
    const Standing& standing = standings.at(voter);
    // Whoever cannot be asked may well be there: the leader knows.
    if (standing.is_ready || standing.address.empty()) {
      (void)consensus::add_to(in_step, voter);
    } else {
      missing +=
          fmt::format("\n  server.{} ({}): {}", voter.value, standing.address, standing.state);
    }
  }
  if (next.is_quorum(in_step)) return std::nullopt;
  return fmt::format(
      "the new participants that are up and in step are no quorum: {} of {}, and it takes {}. "
      "Start the others first, with the members and themselves in their zoo.cfg, and let them "
      "catch up:{}",
      in_step.size(), next.voter_count(), quorum_size(next), missing);
}

std::vector<std::string> warnings_of(const Membership& next, const Standings& standings) {
  std::vector<std::string> warnings;
  std::vector<ServerId> absent;
  for (const auto& [server, standing] : standings)
    if (!standing.is_ready && !standing.address.empty()) absent.push_back(server);
  if (!absent.empty()) warnings.push_back(names_of(absent) + " would be a member and is not ready");
  if (next.voter_count() == 1)
    warnings.emplace_back(
        "one participant alone: refused unless its servers have standaloneEnabled=false");
  if (next.groups.empty() && next.voter_count() % 2 == 0)
    warnings.push_back(fmt::format("{} participants tolerate no more failures than {}",
                                   next.voter_count(), next.voter_count() - 1));
  return warnings;
}

std::string figures(const Membership& from, const Membership& to) {
  const auto row = [](std::string_view what, std::size_t before, std::size_t after) {
    return fmt::format("{:<20} {:>6} {:>6}\n", what, before, after);
  };
  return fmt::format("{:<20} {:>6} {:>6}\n", "", "before", "after") +
         row("participants", from.voter_count(), to.voter_count()) +
         row("a quorum is", quorum_size(from), quorum_size(to)) +
         row("so many can fail", tolerated_failures(from), tolerated_failures(to)) +
         row("observers", from.members.size() - from.voter_count(),
             to.members.size() - to.voter_count());
}

std::string table_of(const Standings& standings) {
  std::string text;
  for (const auto& [server, standing] : standings)
    text += fmt::format("server.{:<4} {:<24} {}\n", server.value,
                        standing.address.empty() ? "-" : standing.address, standing.state);
  return text;
}

}  // namespace synod::server
