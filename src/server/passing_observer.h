// A server of ours that follows a running ensemble as an observer for as long as it takes to have
// its tree: a backup without access to anybody's files. It has no vote, and is in nobody's
// configuration but its own.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/error.h"
#include "server/ask_server.h"
#include "storage/data_directory.h"

namespace synod::server {

struct ObserverWish {
  ServerAddress ensemble;  // where one of its servers listens for clients
  std::string program;     // this one, to be started as `synod serve`
  std::string folder;      // empty; for its zoo.cfg, data and log
  std::chrono::seconds patience{60};
  std::function<void(const std::string& what)> say;  // what it waits for; may be empty
};

// Its directory, stopped, with all that the ensemble had when this was called. The error says what
// it waited for, and has the end of its log. Blocks. (An ensemble with TLS or SASL between servers
// does not let it in: it has no key.)
[[nodiscard]] Result<storage::DataDirectory> observe_once(const ObserverWish& wish);

}  // namespace synod::server
