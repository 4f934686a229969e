#include "sim/commands.h"

#include <fmt/format.h>

#include <iterator>

#include "base/mutation.h"

namespace synod::sim {

using check::Kind;
using jute::ErrorCode;

std::string Commands::client_path() const { return fmt::format("/client-{}", client_); }

std::string Commands::command_path(std::uint64_t serial) const {
  return fmt::format("/command-{}-{}-", client_, serial);
}

check::Operation Commands::next() {
  check::Operation operation;
  const std::string attempt = fmt::format("{}-{}-{}", client_, serial_, ++attempt_);
  if (!is_registered_) {
    operation.kind = Kind::kCreate;
    operation.path = client_path();
    operation.value = "registers " + attempt;
    return operation;
  }
  check::Action serial;
  serial.kind = Kind::kSetData;
  serial.path = client_path();
  serial.value = "serial " + attempt;
  serial.version =
      is_mutated(Mutation::kSerialUnchecked) ? -1 : static_cast<std::int32_t>(serial_ - 1);
  check::Action command;
  command.kind = Kind::kCreate;
  command.path = command_path(serial_) + std::to_string(attempt_);
  command.value = "command " + attempt;
  operation.kind = Kind::kMulti;
  operation.parts = {std::move(serial), std::move(command)};
  return operation;
}

void Commands::answered(const check::Operation& operation) {
  const bool is_done = operation.outcome == check::Outcome::kOk;
  if (operation.kind == Kind::kCreate && operation.path == client_path())
    is_registered_ = is_done || operation.error == ErrorCode::kNodeExists;
  if (operation.kind != Kind::kMulti) return;
  // Nobody else sets this node: an attempt without an answer took effect.
  const bool was_done = !is_done && operation.error == ErrorCode::kBadVersion;
  if (was_done) ++found_done_;
  if (is_done || was_done) ++serial_;
}

std::vector<std::string> Commands::violations(const check::FinalTree& tree) const {
  std::vector<std::string> found;
  for (std::uint64_t serial = 1; serial <= serial_; ++serial) {
    const std::string path = command_path(serial);
    const auto first = tree.nodes.lower_bound(path);
    auto end = first;
    while (end != tree.nodes.end() && end->first.starts_with(path)) ++end;
    const auto times = std::distance(first, end);
    if (times > 1 || (times == 0 && serial < serial_))
      found.push_back(fmt::format("command {} of client {}, {}, was executed {} times", serial,
                                  client_, serial < serial_ ? "acknowledged" : "under way", times));
  }
  return found;
}

}  // namespace synod::sim
