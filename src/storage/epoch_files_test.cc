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
  std::size_t save(std::uint32_t accepted, std::uint32_t current) {
    FileBatch batch = keeper_.save(accepted, current, handles_);
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
        EXPECT_TRUE(files.perform(keeper.save(2, 1, handles)));
        return keeper.save(7, 7, handles);
      },
      [&](MemoryFiles& files, std::size_t /*done*/, bool is_over) {
        seen.insert(epochs(files));
        if (is_over) {
          EXPECT_EQ(epochs(files), "7/7");
        }
      });
  EXPECT_THAT(seen, testing::ElementsAre("2/1", "7/1", "7/7"));
}

}  // namespace
}  // namespace synod::storage
