// What of the log is the engines' business. A client's reconfiguration is ZooKeeper's transaction
// for it: setData of /zookeeper/config, of the type reconfig. What the engines log for themselves
// are transactions of nobody's (session 0, cxid 0) that failed, and so change nothing wherever they
// are applied, in Java's servers too.
//
//   no-op           error
//   configuration   multi of setData (to a path that says so, with the text) and error
//
// No refusal has the error code 0, which is how they are told from failed transactions of clients.
#pragma once

#include "consensus/engine.h"

namespace synod::replica {

class EntryForms final : public consensus::EntryForms {
 public:
  [[nodiscard]] SharedBytes write(consensus::EntryKind kind, Zxid zxid,
                                  BytesView payload) const override;
  [[nodiscard]] Form read(BytesView entry) const override;
};

}  // namespace synod::replica
