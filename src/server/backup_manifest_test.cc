#include "server/backup_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/checksum.h"

namespace synod::server {
namespace {

using testing::HasSubstr;

const BackupManifest kManifest{
    .taken = "2026-11-22T01:30:00Z",
    .source = "/var/lib/with blanks",
    .engine = "raft",
    .first = Zxid::of(5, 1),
    .last = Zxid::of(5, 0x12),
    .last_time = {1'790'000'000'000},
    .epoch = 6,
    .digest = 18'000'000'000'000'000'000ULL,
    .nodes = 12,
    .sessions = 3,
    .files = {{"snapshot.500000001.gz", 8260, "aa"}, {"log.500000002", 1513, "bb"}}};

std::string trouble(const std::string& text) {
  const auto parsed = parse_manifest(text);
  return parsed ? "fine" : parsed.error().text;
}

// With the checksum of what was made of it.
std::string sealed(const std::string& from, const std::string& to) {
  std::string text = to_text(kManifest);
  text.resize(text.rfind("end "));
  text.replace(text.find(from), from.size(), to);
  return text + "end " + checksum_of(text) + "\n";
}

TEST(BackupManifest, ItIsReadAsItWasWritten) {
  EXPECT_EQ(*parse_manifest(to_text(kManifest)), kManifest);
  EXPECT_EQ(kManifest.bytes(), 9773U);
}

TEST(BackupManifest, EveryByteOfItCounts) {
  const std::string text = to_text(kManifest);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(parse_manifest(damaged)) << "byte " << i;
    EXPECT_FALSE(parse_manifest(text.substr(0, i))) << "the first " << i << " bytes";
  }
}

TEST(BackupManifest, WhatItSaysHasToMakeSense) {
  EXPECT_EQ(trouble(sealed("nodes 12", "nodes 13")), "fine");
  EXPECT_THAT(trouble(sealed("nodes 12", "nodes -1")), HasSubstr("a number that is none"));
  EXPECT_THAT(trouble(sealed("log.500000002", "../../log.5")), HasSubstr("none of a backup"));
  EXPECT_THAT(trouble(sealed("log.500000002", "myid")), HasSubstr("none of a backup"));
  EXPECT_THAT(trouble("synod-backup 9\n"), HasSubstr("this version"));
}

TEST(Checksum, IsSha256) {
  EXPECT_EQ(checksum_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace synod::server
