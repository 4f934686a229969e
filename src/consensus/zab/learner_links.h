// The links of those who learn from this server: what a leader and a follower that is an observer
// master have in common.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "consensus/engine.h"
#include "consensus/zab/learner_handler.h"
#include "consensus/zab/packets.h"
#include "consensus/zab/shared.h"

namespace synod::consensus::zab {

class LearnerLinks {
 public:
  using Handlers = std::map<LinkId, LearnerHandler>;

  explicit LearnerLinks(Shared& shared) : shared_(&shared) {}

  [[nodiscard]] Handlers::iterator begin() { return handlers_.begin(); }
  [[nodiscard]] Handlers::iterator end() { return handlers_.end(); }
  [[nodiscard]] Handlers::const_iterator begin() const { return handlers_.begin(); }
  [[nodiscard]] Handlers::const_iterator end() const { return handlers_.end(); }
  [[nodiscard]] bool is_empty() const { return handlers_.empty(); }
  [[nodiscard]] bool contains(LinkId link) const { return handlers_.contains(link); }
  [[nodiscard]] LearnerHandler* find(LinkId link);  // null: it is gone

  // ---- coming and going
  void accepted(LinkId link) { handlers_.emplace(link, LearnerHandler(*shared_, link)); }
  void unlinked(LinkId link) { handlers_.erase(link); }
  void drop(LinkId link, std::string reason);  // what was sent before still goes out
  void drop_all(const std::string& reason);
  // Whoever owes something for too long.
  void drop_overdue();

  // ---- what comes
  void feed(LinkId link, BytesView bytes);
  // Its views hold until the next feed(). Nothing: none is complete, or the link was dropped, by
  // this or before.
  [[nodiscard]] std::optional<QuorumPacket> next_packet(LinkId link);
  // The first packet of a link, FOLLOWERINFO or OBSERVERINFO. Nothing: the link was dropped.
  [[nodiscard]] std::optional<LearnerInfo> take_info(LearnerHandler& learner,
                                                     const QuorumPacket& packet);
  // A server has one link: an older one is what is left of a break that we have not noticed. True:
  // there was one.
  bool drop_older_link(const LearnerHandler& learner);
  void log_read(LinkId link, std::optional<std::vector<Entry>> entries, bool is_end);

  void flush();

 private:
  Shared* shared_;
  Handlers handlers_;
};

}  // namespace synod::consensus::zab
