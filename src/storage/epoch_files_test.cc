#include "storage/epoch_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/test_support.h"

namespace synod::storage {
namespace {

std::optional<std::int64_t> on_disk(MemoryFiles& files, const char* name) {
  return read_epoch(files, kDirectory.snapshots(), name).value();
}

// "<accepted>/<current>"
std::string epochs(MemoryFiles& files) {
  const auto text = [&](const char* name) {
    const auto epoch = on_disk(files, name);
    return epoch ? std::to_string(*epoch) : "none";
  };
  return text(kAcceptedEpochName) + "/" + text(kCurrentEpochName);
}

class EpochKeeperTest : public testing::Test {
 protected:
  EpochKeeperTest() { EXPECT_TRUE(files_.perform({op::MakeDirectory{kDirectory.snapshots()}})); }
  std::size_t save(std::uint32_t accepted, std::uint32_t current, std::int64_t voted_for = 0) {
    FileBatch batch = keeper_.save(accepted, current, ServerId{voted_for}, handles_);
    const std::size_t operations = batch.size();
    EXPECT_TRUE(files_.perform(std::move(batch)));
    return operations;
  }

  MemoryFiles files_;
  FileHandleSource handles_;
  EpochKeeper keeper_{kDirectory.snapshots(), std::nullopt, std::nullopt};
};

TEST_F(EpochKeeperTest, WritesWhatChanged) {
  EXPECT_GT(save(0, 0), 0U);
  EXPECT_EQ(epochs(files_), "0/0");
  EXPECT_EQ(save(0, 0), 0U);
  const std::size_t one = save(3, 0);
  EXPECT_EQ(epochs(files_), "3/0");
  EXPECT_EQ(save(3, 3), one);
  EXPECT_EQ(save(4, 4), 2 * one);
  EXPECT_EQ(epochs(files_), "4/4");
}

TEST_F(EpochKeeperTest, APromiseWithoutMemoryComesAlone) {
  save(5, 0);
  EXPECT_EQ(epochs(files_), "5/none");
  save(5, 5);
  EXPECT_EQ(epochs(files_), "5/5");
}

TEST_F(EpochKeeperTest, TheCurrentEpochNeverPassesThePromise) {
  std::set<std::string> seen;
  crash_everywhere(
      [&](MemoryFiles& files) {
        FileHandleSource handles;
        EpochKeeper keeper{kDirectory.snapshots(), std::nullopt, std::nullopt};
        EXPECT_TRUE(files.perform({op::MakeDirectory{kDirectory.snapshots()}}));
        EXPECT_TRUE(files.perform(keeper.save(2, 1, {}, handles)));
        return keeper.save(7, 7, {}, handles);
      },
      [&](MemoryFiles& files, std::size_t /*done*/, bool is_over) {
        seen.insert(epochs(files));
        if (is_over) {
          EXPECT_EQ(epochs(files), "7/7");
        }
      });
  EXPECT_THAT(seen, testing::ElementsAre("2/1", "7/1", "7/7"));
}

// ---- votes

Vote vote_on_disk(MemoryFiles& files) { return read_vote(files, kDirectory.snapshots()).value(); }

TEST_F(EpochKeeperTest, AVoteIsWrittenWhenThereIsOne) {
  save(1, 1);
  EXPECT_FALSE(files_.read(kDirectory.snapshots() + "/votedFor", 0, 64)) << "nobody voted";
  EXPECT_EQ(vote_on_disk(files_), Vote{});
  save(2, 2, 3);
  EXPECT_EQ(vote_on_disk(files_), (Vote{2, ServerId{3}}));
  EXPECT_EQ(save(2, 2, 3), 0U);
  EXPECT_GT(save(3, 3), 0U);
  EXPECT_EQ(vote_on_disk(files_), (Vote{2, ServerId{3}})) << "of an epoch that is over";
  EXPECT_GT(save(3, 3, 2), 0U);
  EXPECT_EQ(vote_on_disk(files_), (Vote{3, ServerId{2}}));
}

// What was voted in an epoch is known wherever the epoch is.
TEST_F(EpochKeeperTest, NoEpochComesWithoutItsVote) {
  std::set<std::string> seen;
  crash_everywhere(
      [&](MemoryFiles& files) {
        FileHandleSource handles;
        EpochKeeper keeper{kDirectory.snapshots(), std::nullopt, std::nullopt};
        EXPECT_TRUE(files.perform({op::MakeDirectory{kDirectory.snapshots()}}));
        EXPECT_TRUE(files.perform(keeper.save(2, 2, ServerId{1}, handles)));
        return keeper.save(7, 7, ServerId{3}, handles);
      },
      [&](MemoryFiles& files, std::size_t /*done*/, bool /*is_over*/) {
        const Vote vote = vote_on_disk(files);
        seen.insert(epochs(files) + " " + std::to_string(vote.epoch) + ":" +
                    std::to_string(vote.server.value));
      });
  EXPECT_THAT(seen, testing::ElementsAre("2/2 2:1", "2/2 7:3", "7/2 7:3", "7/7 7:3"));
}

TEST_F(EpochKeeperTest, WhatIsNoVoteIsAnError) {
  for (const char* text : {"", "7", "x 3", "7 y", "7 -1", "7 3 1"}) {
    const auto bytes = std::make_shared<const Bytes>(text);
    const FileHandle handle = handles_.next();
    EXPECT_TRUE(files_.perform({op::Create{handle, kDirectory.snapshots() + "/votedFor"},
                                op::Write{handle, 0, bytes}, op::Close{handle}}));
    EXPECT_FALSE(read_vote(files_, kDirectory.snapshots())) << text;
  }
}

}  // namespace
}  // namespace synod::storage
