// One of two ends of a link between servers, played by hand: what the other end needs to exist, and
// what it says.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "consensus/zab/packets.h"
#include "consensus/zab/shared.h"

namespace synod::consensus::zab {

// The server under test, without its part in the protocol. All its log is `last_logged`, of
// epoch 1.
struct TestEnd {
  TestEnd(ServerId self, ServerId player, bool is_observer, Zxid last_logged) {
    options.self = self;
    options.membership.members[self] = {};
    options.membership.members[player] = {.is_observer = is_observer};
    journal.emplace(
        Journal::Memory{.entries = options.commit_log_count, .bytes = options.commit_log_bytes},
        outbox);
    shared.emplace(Shared{options, outbox, *journal, status, {1000}, -1});
    journal->start({.last_logged = last_logged, .accepted_epoch = 1, .current_epoch = 1},
                   options.membership);
  }

  // What it says and whom it turns away; other effects are the test's.
  void hear(const Effect& effect) {
    if (const auto* send = std::get_if<effect::Send>(&effect)) {
      PacketReader reader;
      reader.feed(send->bytes);
      for (auto packet = reader.next(); packet && *packet; packet = reader.next())
        heard[send->link].emplace_back(name_of((*packet)->type));
    } else if (const auto* close = std::get_if<effect::Close>(&effect)) {
      closed[close->link] = close->reason;
    }
  }

  Options options;
  Outbox outbox;
  std::optional<Journal> journal;
  Status status;
  std::optional<Shared> shared;
  std::map<LinkId, std::vector<std::string>> heard;  // names of packets
  std::map<LinkId, std::string> closed;              // and why
};

}  // namespace synod::consensus::zab
