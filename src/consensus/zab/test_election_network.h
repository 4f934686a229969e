// Some servers' elections in one thread, with links between them as TCP has them: bytes in order,
// in any pieces, until the link breaks; broken, stalled or half open, and noticed at each end in
// its own time. A seed decides what happens first.
//
// A leader that no quorum follows and a follower whose leader does not lead give up after a while,
// as the learner protocol would make them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "consensus/zab/election.h"
#include "jute/codec.h"

namespace synod::consensus::zab::test {

// What a server brings from its disk.
struct Durable {
  Zxid last_logged;
  std::uint32_t current_epoch = 0;
  bool has_memory = true;
};

class ElectionNetwork {
 public:
  explicit ElectionNetwork(Membership membership, std::uint64_t seed = 1)
      : membership_(std::move(membership)), random_(seed) {}

  // ---- servers

  void start(std::int64_t number, Durable durable = {}) {
    const ServerId id{number};
    auto server = std::make_unique<Server>();
    server->durable = durable;
    server->election =
        std::make_unique<Election>(Election::Options{.self = id}, membership_, server->outbox);
    servers_[id] = std::move(server);
    servers_[id]->election->tick({now_});
    look(id);
  }
  // The process dies: its machine's kernel closes what was open.
  void kill(std::int64_t number) { stop({number}, true); }
  // The machine dies: nobody is told.
  void power_off(std::int64_t number) { stop({number}, false); }

  [[nodiscard]] bool is_up(std::int64_t number) const { return servers_.contains({number}); }
  [[nodiscard]] Election& election(std::int64_t number) { return *servers_.at({number})->election; }
  [[nodiscard]] Durable& durable(std::int64_t number) { return servers_.at({number})->durable; }
  void look(ServerId id) {
    Server& server = *servers_.at(id);
    server.decision.reset();
    const Durable& durable = server.durable;
    server.election->look(durable.last_logged, durable.current_epoch, durable.has_memory);
    take(id);
  }

  // Who leads for this server; 0 while it looks.
  [[nodiscard]] std::int64_t leader_of(std::int64_t number) const {
    const auto& decision = servers_.at({number})->decision;
    return decision ? decision->leader.value : 0;
  }
  // The one leader all servers agree on; 0 if there is none.
  [[nodiscard]] std::int64_t common_leader() const {
    std::set<std::int64_t> leaders;
    for (const auto& [id, server] : servers_) leaders.insert(leader_of(id.value));
    return leaders.size() == 1 ? *leaders.begin() : 0;
  }

  // ---- the network

  // Nothing passes; nobody is told.
  void block(std::int64_t one, std::int64_t other) { blocked_.insert(pair_of({one}, {other})); }
  void unblock(std::int64_t one, std::int64_t other) { blocked_.erase(pair_of({one}, {other})); }
  void isolate(std::int64_t number) {
    for (const auto& [id, member] : membership_.members) {
      if (id.value != number) block(number, id.value);
    }
  }
  void heal() { blocked_.clear(); }
  // Every link between the two breaks.
  void cut(std::int64_t one, std::int64_t other) {
    for (auto& [number, link] : links_) {
      if (pair_of(link.ends[0].server, link.ends[1].server) != pair_of({one}, {other})) continue;
      if (link.is_dialling) continue;
      for (End& end : link.ends) {
        end.inbox.clear();
        if (end.is_open) end.inbox.push_back({.bytes = {}, .is_end = true});
      }
    }
  }
  // Links that both ends hold to be up.
  [[nodiscard]] std::size_t links_between(std::int64_t one, std::int64_t other) const {
    return static_cast<std::size_t>(std::ranges::count_if(links_, [&](const auto& link) {
      const auto& ends = link.second.ends;
      return !link.second.is_dialling && ends[0].is_open && ends[1].is_open &&
             pair_of(ends[0].server, ends[1].server) == pair_of({one}, {other});
    }));
  }

  // ---- time

  [[nodiscard]] std::int64_t now() const { return now_; }
  // One thing that can happen now happens; false if there is none.
  bool step() {
    std::vector<std::pair<std::int64_t, int>> possible;  // link, end; -1: its dial
    for (const auto& [number, link] : links_) {
      const bool is_blocked = blocked_.contains(pair_of(link.ends[0].server, link.ends[1].server));
      if (is_blocked) continue;
      if (link.is_dialling) possible.emplace_back(number, -1);
      for (const int end : {0, 1}) {
        if (!link.ends[end].inbox.empty()) possible.emplace_back(number, end);
      }
    }
    if (possible.empty()) return false;
    const auto [number, end] = possible[random_.below(possible.size())];
    end < 0 ? answer_dial(number) : deliver(number, end);
    return true;
  }
  void settle() {
    for (int steps = 0; step(); ++steps) ASSERT_LT(steps, 100000) << "it never ends";
  }
  void run_for(std::int64_t ms) {
    const std::int64_t end = now_ + ms;
    while (true) {
      settle();
      if (testing::Test::HasFatalFailure()) return;
      std::int64_t next = std::min(end, now_ + 100);
      for (const auto& [id, server] : servers_) {
        if (const auto due = server->election->next_deadline()) next = std::min(next, due->value);
      }
      if (next >= end && now_ >= end) return;
      advance(std::max(next, now_) - now_);
    }
  }
  void advance(std::int64_t ms) {
    now_ += ms;
    std::vector<ServerId> ids;
    for (const auto& [id, server] : servers_) ids.push_back(id);
    for (const ServerId id : ids) {
      servers_.at(id)->election->tick({now_});
      take(id);
      give_up_if_alone(id);
    }
  }
  // One thing of any kind.
  void random_step() {
    if (random_.below(4) != 0 && step()) return;
    advance(static_cast<std::int64_t>(random_.below(60)));
  }
  [[nodiscard]] Random& random() { return random_; }

  // A new connection of somebody who is no server and listens to nothing.
  LinkId connect(std::int64_t to) {
    const std::int64_t number =
        add_link({.server = {0}, .link = {0}, .is_open = false, .inbox = {}},
                 {.server = {to}, .link = {}, .is_open = true, .inbox = {}});
    accept(number);
    return links_.at(number).ends[1].link;
  }
  void feed(std::int64_t to, LinkId link, BytesView bytes) {
    servers_.at({to})->election->received(link, bytes);
    take({to});
  }

 private:
  static constexpr std::int64_t kPatienceMs = 1000;

  struct Piece {
    Bytes bytes;
    bool is_end = false;
  };
  struct End {
    ServerId server;
    LinkId link;
    bool is_open = true;
    std::deque<Piece> inbox;
  };
  struct Link {
    bool is_dialling = false;
    std::array<End, 2> ends;  // who dialled, who was dialled
  };
  struct Server {
    Durable durable;
    Outbox outbox;
    std::unique_ptr<Election> election;
    std::optional<Vote> decision;
    std::optional<std::int64_t> alone_since;
    std::uint64_t accepted = 0;
  };

  static std::pair<ServerId, ServerId> pair_of(ServerId one, ServerId other) {
    return std::minmax(one, other);
  }

  void stop(ServerId id, bool tells) {
    servers_.erase(id);
    for (auto& [number, link] : links_) {
      for (const int end : {0, 1}) {
        End& own = link.ends[end];
        if (link.is_dialling || own.server != id || !own.is_open) continue;
        own.is_open = false;
        own.inbox.clear();
        if (tells) link.ends[1 - end].inbox.push_back({.bytes = {}, .is_end = true});
      }
    }
    std::erase_if(links_, [&](const auto& link) {
      return link.second.is_dialling && link.second.ends[0].server == id;
    });
  }

  std::int64_t add_link(End from, End to) {
    links_[++last_link_].ends = {std::move(from), std::move(to)};
    return last_link_;
  }

  void accept(std::int64_t number) {
    End& end = links_.at(number).ends[1];
    Server& server = *servers_.at(end.server);
    end.link = {server.accepted += 2};
    server.election->accepted(end.link);
    take(end.server);
  }

  void answer_dial(std::int64_t number) {
    Link& link = links_.at(number);
    link.is_dialling = false;
    const End from = link.ends[0];
    if (!servers_.contains(link.ends[1].server)) {
      links_.erase(number);
      servers_.at(from.server)->election->unlinked(from.link);
    } else {
      accept(number);
      servers_.at(from.server)->election->linked(from.link);
    }
    take(from.server);
  }

  void deliver(std::int64_t number, int end) {
    Link& link = links_.at(number);
    End& to = link.ends[end];
    Piece piece = std::move(to.inbox.front());
    to.inbox.pop_front();
    if (!to.is_open) {
      // Nobody there: the kernel says so.
      if (!piece.is_end) link.ends[1 - end].inbox.push_back({.bytes = {}, .is_end = true});
      return;
    }
    Election& election = *servers_.at(to.server)->election;
    if (piece.is_end) {
      to.is_open = false;
      to.inbox.clear();
      election.unlinked(to.link);
    } else {
      const std::size_t part = 1 + random_.below(piece.bytes.size());
      if (part < piece.bytes.size()) {
        to.inbox.push_front({.bytes = piece.bytes.substr(part), .is_end = false});
      }
      election.received(to.link, BytesView(piece.bytes).substr(0, part));
    }
    take(to.server);
  }

  // Carries out what a server wants.
  void take(ServerId id) {
    Server& server = *servers_.at(id);
    for (const Effect& effect : server.outbox.take()) {
      if (const auto* dial = std::get_if<effect::Dial>(&effect)) {
        EXPECT_EQ(dial->port, Port::kElection);
        const std::int64_t number = add_link({.server = id, .link = dial->link, .inbox = {}},
                                             {.server = dial->server, .link = {}, .inbox = {}});
        links_.at(number).is_dialling = true;
      } else if (const auto* send = std::get_if<effect::Send>(&effect)) {
        carry(id, send->link, {.bytes = send->bytes, .is_end = false});
      } else if (const auto* close = std::get_if<effect::Close>(&effect)) {
        carry(id, close->link, {.bytes = {}, .is_end = true});
      } else {
        FAIL() << "an election has no other effects";
      }
    }
    while (server.election->take_all_are_new()) {
      server.durable.has_memory = true;
      look(id);
    }
    if (const auto decision = server.election->take_decision()) {
      EXPECT_TRUE(membership_.is_voter(decision->leader));
      server.decision = decision;
      server.alone_since.reset();
    }
  }

  void carry(ServerId from, LinkId link, Piece piece) {
    for (auto& [number, candidate] : links_) {
      for (const int end : {0, 1}) {
        End& own = candidate.ends[end];
        if (own.server != from || own.link != link || !own.is_open) continue;
        if (piece.is_end) {
          own.is_open = false;
          own.inbox.clear();
          if (candidate.is_dialling) {
            links_.erase(number);
            return;
          }
        }
        candidate.ends[1 - end].inbox.push_back(std::move(piece));
        return;
      }
    }
    FAIL() << "no such link";
  }

  [[nodiscard]] bool leads(ServerId id) const {
    const auto found = servers_.find(id);
    return found != servers_.end() && leader_of(id.value) == id.value;
  }
  [[nodiscard]] bool is_accompanied(ServerId id) const {
    const ServerId leader{leader_of(id.value)};
    if (leader != id) return leads(leader) && !blocked_.contains(pair_of(id, leader));
    Servers following;
    for (const auto& [other, server] : servers_) {
      if (leader_of(other.value) == id.value && !blocked_.contains(pair_of(id, other))) {
        (void)add_to(following, other);
      }
    }
    return membership_.is_quorum(following);
  }
  void give_up_if_alone(ServerId id) {
    Server& server = *servers_.at(id);
    if (!server.decision || is_accompanied(id)) return server.alone_since.reset();
    if (!server.alone_since) server.alone_since = now_;
    if (now_ - *server.alone_since >= kPatienceMs) look(id);
  }

  Membership membership_;
  Random random_;
  std::int64_t now_ = 1000;
  std::int64_t last_link_ = 0;
  std::map<ServerId, std::unique_ptr<Server>> servers_;
  std::map<std::int64_t, Link> links_;
  std::set<std::pair<ServerId, ServerId>> blocked_;
};

inline Membership ensemble(int voters, int observers = 0) {
  Membership membership;
  for (int i = 1; i <= voters + observers; ++i) {
    membership.members[{i}] = {.quorum = {{"h" + std::to_string(i), 2888}},
                               .election = {{"h" + std::to_string(i), 3888}},
                               .is_observer = i > voters,
                               .client = {}};
  }
  return membership;
}

}  // namespace synod::consensus::zab::test
