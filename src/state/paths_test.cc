#include "state/paths.h"

#include <gtest/gtest.h>

#include <string>

namespace synod::state {
namespace {

using namespace std::string_literals;

// Reference, section 8.5.
TEST(Paths, LegalOnes) {
  for (const std::string& path :
       {"/"s, "/a"s, "/a/b"s, "/..."s, "/a.."s, "/.a"s, "/a b"s, "/~"s, "/\xc2\xa0"s,
        "/\xed\x9f\xbf"s /* U+D7FF */, "/\xef\xa4\x80"s /* U+F900 */, "/\xef\xbf\xaf"s /* U+FFEF */,
        "/\xe6\x97\xa5\xe6\x9c\xac"s}) {
    EXPECT_TRUE(is_valid_path(path)) << path;
  }
}

TEST(Paths, IllegalOnes) {
  for (const std::string& path : {""s,
                                  "a"s,
                                  "a/b"s,
                                  "/a/"s,
                                  "//"s,
                                  "/a//b"s,
                                  "//a"s,
                                  "/."s,
                                  "/.."s,
                                  "/a/./b"s,
                                  "/a/../b"s,
                                  "/a/.."s,
                                  "/\0"s,
                                  "/a\0b"s,
                                  "/\x01"s,
                                  "/\x1f"s,
                                  "/\x7f"s,
                                  "/\xc2\x80"s /* U+0080 */,
                                  "/\xc2\x9f"s,
                                  "/\xed\xa0\x80"s /* U+D800 */,
                                  "/\xee\x80\x80"s /* U+E000 */,
                                  "/\xef\xa3\xbf"s /* U+F8FF */,
                                  "/\xef\xbf\xb0"s /* U+FFF0 */,
                                  "/\xef\xbf\xbf"s,
                                  "/\xf0\x9f\x98\x80"s /* above U+FFFF */,
                                  "/\x80"s,
                                  "/\xc0\xaf"s /* overlong */,
                                  "/\xe0\x80\xaf"s,
                                  "/\xc3"s,
                                  "/\xe6\x97"s,
                                  "/\xff"s}) {
    EXPECT_FALSE(is_valid_path(path)) << path;
  }
}

TEST(Paths, FallApart) {
  EXPECT_EQ(parent_of("/a/b"), "/a");
  EXPECT_EQ(parent_of("/a"), "");
  EXPECT_EQ(parent_of("/"), "");
  EXPECT_EQ(name_of("/a/b"), "b");
  EXPECT_EQ(name_of("/a/"), "");
}

TEST(Paths, SpecialOnes) {
  for (const char* path : {"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"})
    EXPECT_TRUE(is_protected(path));
  for (const char* path : {"", "/zookeepers", "/zookeeper/", "/zookeeper/quota/a"})
    EXPECT_FALSE(is_protected(path));
  EXPECT_TRUE(is_below_zookeeper("/zookeeper/x"));
  EXPECT_FALSE(is_below_zookeeper("/zookeeper"));
  EXPECT_FALSE(is_below_zookeeper("/zookeepers/x"));
}

}  // namespace
}  // namespace synod::state
