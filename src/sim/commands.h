// Commands that are executed once, whatever becomes of their answers: the client's side of Raft's
// section 8 (dissertation 6.3), out of ZooKeeper's own requests (docs/recipes.md).
//
// A client has a node, and its commands serial numbers: a command's transaction first sets that
// node, if its version is still the one that the command before it left. Without an answer the same
// is asked again, at whoever leads then, in whatever session; the version tells whether it
// happened.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/check/history.h"

namespace synod::sim {

// One client's, one after the other. Each leaves a node that is named after it and after the
// attempt that took effect, so that a second execution would show.
class Commands {
 public:
  explicit Commands(std::int32_t client) : client_(client) {}

  // What to ask when nothing is under way: the next command, or once more the one whose fate is not
  // known.
  [[nodiscard]] check::Operation next();
  // Answers to other requests are passed over.
  void answered(const check::Operation& operation);

  [[nodiscard]] std::uint64_t done() const { return serial_ - 1; }
  // So many turned out to have been executed although nobody had said so.
  [[nodiscard]] std::uint64_t found_done() const { return found_done_; }
  // Not once where it was acknowledged, or more than once.
  [[nodiscard]] std::vector<std::string> violations(const check::FinalTree& tree) const;

 private:
  [[nodiscard]] std::string client_path() const;
  [[nodiscard]] std::string command_path(std::uint64_t serial) const;  // without the attempt

  std::int32_t client_;
  bool is_registered_ = false;
  std::uint64_t serial_ = 1;
  std::uint64_t attempt_ = 0;  // of all commands: no two have the same
  std::uint64_t found_done_ = 0;
};

}  // namespace synod::sim
