// For stories of ensembles: a crash at each of their packets.
#pragma once

#include <functional>

#include "consensus/zab/test_cluster.h"

namespace synod::consensus::zab {

enum class Victim { kSender, kReceiver, kEverybody };

// Runs the story once for each packet that it sends on the quorum ports: at that packet the sender
// dies, or the receiver, or both and with them the rest. All must agree in the end.
void crash_at_every_packet(const TestOptions& options, Victim victim,
                           const std::function<void(TestCluster&)>& story);

}  // namespace synod::consensus::zab
