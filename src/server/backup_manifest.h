// What a backup is: the file `manifest` in its directory, beside version-2 with the data. It is
// written last: a directory without it is a backup that was not finished.
//
//   synod-backup 1
//   taken 2026-11-22T01:30:00Z
//   source /var/lib/synod
//   engine zab
//   first 500000001              the earliest zxid that it can be restored to …
//   last 500000012               … and the latest
//   last-time 1790000000000      of that transaction, ms since 1970; 0: not known
//   epoch 5                      the highest that its server had heard of
//   digest 1371985504            of the tree, as at last
//   nodes 12
//   sessions 3
//   file 8260 <sha-256> snapshot.500000001
//   file 1513 <sha-256> log.500000002
//   end <sha-256 of all lines before>
//
// Zxids are hexadecimal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"

namespace synod::server {

inline constexpr char kManifestName[] = "manifest";

struct BackupFile {
  std::string name;  // in version-2
  std::uint64_t size = 0;
  std::string checksum;
  friend bool operator==(const BackupFile&, const BackupFile&) = default;
};

struct BackupManifest {
  std::string taken;
  std::string source;
  std::string engine;
  Zxid first;
  Zxid last;
  WallTimeMs last_time;
  std::uint32_t epoch = 0;
  std::uint64_t digest = 0;
  std::uint64_t nodes = 0;
  std::uint64_t sessions = 0;
  std::vector<BackupFile> files;

  [[nodiscard]] std::uint64_t bytes() const;  // of all files
  friend bool operator==(const BackupManifest&, const BackupManifest&) = default;
};

[[nodiscard]] std::string to_text(const BackupManifest& manifest);
// The error says what is wrong with it.
[[nodiscard]] Result<BackupManifest> parse_manifest(std::string_view text);

}  // namespace synod::server
