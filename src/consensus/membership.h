// Who belongs to the ensemble, and which sets of servers are a quorum (reference, quorum protocol
// section 1).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "consensus/engine.h"

namespace synod::consensus {

// A server's number becomes the top byte of session ids.
inline constexpr std::int64_t kMaxServerId = 254;

struct Member {
  std::vector<Endpoint> quorum;  // parallel to `election`: one entry an address of the server
  std::vector<Endpoint> election;
  bool is_observer = false;
  std::optional<Endpoint> client;  // as the server line has it; host 0.0.0.0 where it has none
  friend bool operator==(const Member&, const Member&) = default;
};

// The value of a server.N line: host:quorumPort:electionPort[:role][|…][;[clientHost:]clientPort].
// IPv6 addresses stand in brackets. The error says what is wrong with it.
[[nodiscard]] Result<Member> parse_member(std::string_view line);
[[nodiscard]] std::string to_line(const Member& member);  // in ZooKeeper's canonical form

// A set of servers that said the same thing.
using Servers = std::vector<ServerId>;  // sorted, each once

class Membership {
 public:
  std::map<ServerId, Member> members;
  std::map<ServerId, std::int64_t> groups;   // a server's group; empty: majority quorums
  std::map<ServerId, std::int64_t> weights;  // default 1; only counted with groups
  std::int64_t version = 0;

  [[nodiscard]] bool is_voter(ServerId server) const;
  [[nodiscard]] std::size_t voter_count() const;
  [[nodiscard]] std::vector<ServerId> voters() const;
  // Majority, or a majority of the groups by weight. Servers that do not vote are not counted.
  [[nodiscard]] bool is_quorum(const Servers& servers) const;
  // 0: its vote never wins.
  [[nodiscard]] std::int64_t weight(ServerId server) const;

  // Whether it could work: somebody votes; with groups or weights, every voter is in one group. The
  // error names the line that is at fault. parse() has checked already.
  [[nodiscard]] Result<void> check() const;

  // The configuration as text, in election notifications, NEWLEADER and /zookeeper/config. Texts
  // are never compared: parse and compare members.
  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] static Result<Membership> parse(std::string_view text);

  friend bool operator==(const Membership&, const Membership&) = default;
};

// Adds a server; false if it was in already.
bool add_to(Servers& servers, ServerId server);

}  // namespace synod::consensus
