#include "server/unchanged_files.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "storage/memory_files.h"

namespace synod::server {
namespace {

namespace op = storage::op;
using storage::FileBatch;
using storage::MemoryFiles;

constexpr storage::FileHandle kHandle{1};

FileBatch write(const std::string& path, const std::string& content) {
  return {op::Create{kHandle, path}, op::Write{kHandle, 0, std::make_shared<const Bytes>(content)},
          op::Flush{kHandle}, op::Close{kHandle}};
}

std::string names(storage::FilePort& files) {
  std::string text;
  const auto entries = files.list("/d");
  for (const storage::DirectoryEntry& entry : *entries)
    text += entry.name + ":" + std::to_string(entry.size) + " ";
  return text;
}

std::string content(storage::FilePort& files, const std::string& path) {
  const auto bytes = files.read(path, 0, 100);
  return bytes ? *bytes : bytes.error().kind == ErrorKind::kNotFound ? "not found" : "error";
}

TEST(UnchangedFiles, WhatIsDoneIsSeenHereOnly) {
  MemoryFiles below;
  below.put("/d/one", "1");
  below.put("/d/two", "22");
  UnchangedFiles files(below);
  EXPECT_EQ(names(files), "one:1 two:2 ");
  FileBatch batch = write("/d/new.tmp", "four");
  batch.emplace_back(op::Rename{"/d/new.tmp", "/d/new"});
  batch.emplace_back(op::Rename{"/d/two", "/d/other"});
  batch.emplace_back(op::Rename{"/d/other", "/d/three"});
  batch.emplace_back(op::Remove{"/d/one"});
  ASSERT_TRUE(files.perform(batch));
  EXPECT_EQ(names(files), "new:4 three:2 ");
  EXPECT_EQ(content(files, "/d/new"), "four");
  EXPECT_EQ(content(files, "/d/three"), "22");
  EXPECT_EQ(content(files, "/d/one"), "not found");
  EXPECT_EQ(content(files, "/d/two"), "not found");
  ASSERT_TRUE(files.perform(write("/d/one", "again")));
  ASSERT_TRUE(files.perform({op::Rename{"/d/new", "/d/three"}}));
  EXPECT_EQ(names(files), "one:5 three:4 ");
  EXPECT_EQ(files.read("/d/one", 3, 100), "in");
  EXPECT_EQ(names(below), "one:1 two:2 ");
  EXPECT_EQ(content(below, "/d/one"), "1");
}

// Recovery cuts ends, flushes, and does not read again what it cut.
TEST(UnchangedFiles, OldFilesStayAsTheyAre) {
  MemoryFiles below;
  below.put("/d/one", "1234");
  UnchangedFiles files(below);
  ASSERT_TRUE(files.perform({op::Open{kHandle, "/d/one"}, op::Truncate{kHandle, 1},
                             op::Write{kHandle, 0, std::make_shared<const Bytes>("x")},
                             op::Flush{kHandle}, op::Close{kHandle}, op::FlushDirectory{"/d"}}));
  EXPECT_EQ(content(below, "/d/one"), "1234");
  EXPECT_EQ(content(files, "/d/one"), "1234");
}

}  // namespace
}  // namespace synod::server
