// `synod status`: what servers say of themselves, as a table.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace synod::server {

struct StatusTable {
  std::string text;
  bool is_all_serving = false;  // every server that was asked serves clients
};

// Asks each address (host:port, or a port of this host) for the words `quor` and, where that is not
// understood (a Java server), `srvr`. Blocks, at most so long for each.
[[nodiscard]] StatusTable ask_status(const std::vector<std::string>& addresses,
                                     std::chrono::milliseconds patience);

}  // namespace synod::server
