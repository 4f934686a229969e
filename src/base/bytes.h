// Bytes: owned in a std::string, looked at through a std::string_view.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace synod {

using Bytes = std::string;
using BytesView = std::string_view;

// One immutable buffer shared by everyone who needs it: the log, the peers, the apply queue.
using SharedBytes = std::shared_ptr<const Bytes>;

// ZooKeeper distinguishes null from empty in every string and buffer, on the wire and on disk.
using NullableView = std::optional<std::string_view>;

}  // namespace synod
