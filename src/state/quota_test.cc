#include "state/quota.h"

#include <gtest/gtest.h>

namespace synod::state {
namespace {

struct Case {
  const char* text;
  std::int64_t count, bytes, count_hard_limit, byte_hard_limit;
};

// Reference, section 9.
TEST(QuotaText, IsReadAsJavaReadsIt) {
  const Case cases[] = {
      {"", -1, -1, -1, -1},
      {"count=1,bytes=2", 1, 2, -1, -1},
      {"bytes=2;count=1", 1, 2, -1, -1},
      {"count=1,bytes=2=;byteHardLimit=3;countHardLimit=4", 1, 2, 4, 3},
      {"count=-5,bytes=+7", -5, 7, -1, -1},
      {"count=1,,;bytes=2", 1, 2, -1, -1},
      {"other=9,count=1", 1, -1, -1, -1},
      {"count==5,bytes=2", -1, 2, -1, -1},
      {"count=1,count=2", 2, -1, -1, -1},
  };
  for (const Case& c : cases) {
    const auto parsed = QuotaText::parse(c.text);
    ASSERT_TRUE(parsed) << c.text;
    EXPECT_EQ(parsed->count, c.count) << c.text;
    EXPECT_EQ(parsed->bytes, c.bytes) << c.text;
    EXPECT_EQ(parsed->count_hard_limit, c.count_hard_limit) << c.text;
    EXPECT_EQ(parsed->byte_hard_limit, c.byte_hard_limit) << c.text;
  }
}

TEST(QuotaText, GarbageIsTold) {
  for (const char* text : {"count=x", "count=1x", "count=-", "count=99999999999999999999",
                           "bytes=1 ", "other=x", "count= 1", "count=+-1", "nonsense",
                           "count=1,nonsense", "count=1,bytes=", "count==", ",count=1"}) {
    EXPECT_FALSE(QuotaText::parse(text)) << text;
  }
}

TEST(QuotaText, IsWritten) {
  EXPECT_EQ((QuotaText{.count = 3, .bytes = -1}.stats_text()), "count=3,bytes=-1");
}

}  // namespace
}  // namespace synod::state
