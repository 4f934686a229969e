// How what the engines log for themselves looks in ZooKeeper's log: as transactions of nobody's
// (session 0, cxid 0) that failed, and so change nothing wherever they are applied, in Java's
// servers too.
//
//   no-op           error
//   configuration,  multi of setData (to a path that says which of the two it is, with the payload)
//   stop-sign       and error
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
