// ZooKeeper's dynamic configuration files: what a server with reconfigEnabled=true writes when the
// membership changes, so that it starts with that the next time (reference, quorum protocol 1.4).
//
//   zoo.cfg.dynamic.<version>   the members, a line each; the version is in hexadecimal
//   zoo.cfg                     names that file (dynamicConfigFile) instead of members
//   zoo.cfg.bak                 zoo.cfg as the operator wrote it, with members
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "consensus/membership.h"
#include "storage/file_port.h"

namespace synod::server {

struct DynamicConfigPlace {
  std::string config_file;  // its path, absolute
  ServerId self;
  // Where it listens for clients; kept in zoo.cfg where the membership does not say it.
  std::optional<consensus::Endpoint> clients;
};

// The file of members: ZooKeeper's canonical lines, without the version.
[[nodiscard]] std::string dynamic_file_text(const consensus::Membership& membership);

// zoo.cfg with this line instead of members; comments, order and all other keys stay. The error
// says what of the text cannot be read.
[[nodiscard]] Result<std::string> config_text_naming(std::string_view dynamic_file,
                                                     std::string_view config_text,
                                                     const consensus::Membership& membership,
                                                     const DynamicConfigPlace& place);

// Durable, in such an order that a crash at any point leaves files that a server starts from: with
// the old membership or with this one. Blocks.
[[nodiscard]] Result<void> write_dynamic_config(storage::FilePort& files,
                                                const DynamicConfigPlace& place,
                                                const consensus::Membership& membership);

// The file of members alone: `<prefix>.dynamic.<version>`, for a zoo.cfg that lies elsewhere.
// Answers with its path. Blocks.
[[nodiscard]] Result<std::string> write_dynamic_file(storage::FilePort& files,
                                                     const std::string& prefix,
                                                     const consensus::Membership& membership);

}  // namespace synod::server
