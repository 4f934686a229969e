// From the configuration to the parts that make a server one of several: the engine and the links
// to its peers.
#pragma once

#include "consensus/engine.h"
#include "consensus/zab/options.h"
#include "net/peer_options.h"
#include "server/config.h"

namespace synod::server {

// Solo where the server runs alone, otherwise as the key `consensus` says.
[[nodiscard]] std::unique_ptr<consensus::Engine> make_engine(const Config& config);

// Where to listen for peers, and what they have to prove. Reads key stores and the JAAS file. Of an
// ensemble only. The error says what to change.
[[nodiscard]] Result<net::PeerOptions> peer_options(const Config& config);

}  // namespace synod::server
