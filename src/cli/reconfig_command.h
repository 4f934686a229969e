// `synod reconfig` and `synod replace`: who belongs to a running ensemble, shown and changed.
#pragma once

#include <string>
#include <vector>

namespace synod::cli {

// What both need to reach an ensemble.
struct EnsembleAccess {
  std::vector<std::string> servers;  // host:port each, tried in turn; none: 127.0.0.1:2181
  std::string auth;                  // scheme:credential; empty: none
  int wait_seconds = 30;
  bool is_dry_run = false;
};

struct ReconfigOptions {
  EnsembleAccess access;
  std::vector<std::string> joining;  // server.N=…
  std::vector<std::string> leaving;  // numbers
  std::string members_file;          // the whole membership instead; empty: none
  std::string version;               // only if the membership is at this one, in hexadecimal
};

struct ReplaceOptions {
  EnsembleAccess access;
  std::string leaving;  // a number
  std::string joining;  // server.N=…
};

extern const char* const kReconfigHelp;
extern const char* const kReplaceHelp;

// The exit status: 0 done, or it would be (a dry run); 1 refused, or it would be; 2 bad use; 3 no
// server answers, or what became of the request is not known.
[[nodiscard]] int reconfig(const ReconfigOptions& options);
[[nodiscard]] int replace(const ReplaceOptions& options);

}  // namespace synod::cli
