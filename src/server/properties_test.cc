#include "server/properties.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace synod::server {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs pairs_of(std::string_view text) {
  Pairs pairs;
  const auto entries = parse_properties(text);
  if (!entries) return {{"error", entries.error().escape}};
  for (const auto& entry : *entries) pairs.emplace_back(entry.key, entry.value);
  return pairs;
}

TEST(Properties, SeparatorsAreEqualsColonAndBlank) {
  const std::string same[] = {"a=b", "a = b", "a:b",         "a : b",
                              "a b", "a\tb",  "  a\f=\tb  ", "a\t= b"};
  for (const auto& text : same) EXPECT_EQ(pairs_of(text), (Pairs{{"a", "b"}})) << text;
  EXPECT_EQ(pairs_of("a==b"), (Pairs{{"a", "=b"}}));
  EXPECT_EQ(pairs_of("a = : b"), (Pairs{{"a", ": b"}}));
  EXPECT_EQ(pairs_of("a b=c"), (Pairs{{"a", "b=c"}}));
  EXPECT_EQ(pairs_of("server.1=host:2888:3888"), (Pairs{{"server.1", "host:2888:3888"}}));
  EXPECT_EQ(pairs_of("a"), (Pairs{{"a", ""}}));
  EXPECT_EQ(pairs_of("=b"), (Pairs{{"", "b"}}));
}

TEST(Properties, CommentsAndBlankLinesVanish) {
  EXPECT_EQ(pairs_of("# x\n! y\n \t\f\n   # z\na=b # not a comment\n"),
            (Pairs{{"a", "b # not a comment"}}));
  EXPECT_EQ(pairs_of("# no continuation of a comment \\\na=b"), (Pairs{{"a", "b"}}));
  EXPECT_EQ(pairs_of(""), Pairs{});
  EXPECT_EQ(pairs_of("\\\n"), Pairs{});
}

TEST(Properties, EveryLineEndCounts) {
  EXPECT_EQ(pairs_of("a=1\rb=2\r\nc=3\nd=4"),
            (Pairs{{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}}));
}

TEST(Properties, ContinuationLinesLoseTheirLeadingBlanks) {
  EXPECT_EQ(pairs_of("a=one,\\\n   two,\\\r\n\tthree"), (Pairs{{"a", "one,two,three"}}));
  EXPECT_EQ(pairs_of("a=b\\\n# text"), (Pairs{{"a", "b# text"}}));
  EXPECT_EQ(pairs_of("a=b\\\\\nc=d"), (Pairs{{"a", "b\\"}, {"c", "d"}}));
  EXPECT_EQ(pairs_of("a=b\\\n\nc=d"), (Pairs{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(pairs_of("a=b\\"), (Pairs{{"a", "b"}}));
}

TEST(Properties, EscapesInKeysAndValues) {
  EXPECT_EQ(pairs_of("a=x\\ty\\nz\\rq\\fe"), (Pairs{{"a", "x\ty\nz\rq\fe"}}));
  EXPECT_EQ(pairs_of("a\\=b\\:c\\ d=e"), (Pairs{{"a=b:c d", "e"}}));
  EXPECT_EQ(pairs_of("dir=C:\\\\zk\\data"), (Pairs{{"dir", "C:\\zkdata"}}));
  EXPECT_EQ(pairs_of("\\#a=b"), (Pairs{{"#a", "b"}}));
  EXPECT_EQ(pairs_of("tick\\u0054ime=\\u0032000"), (Pairs{{"tickTime", "2000"}}));
}

TEST(Properties, UnicodeComesOutAsUtf8) {
  EXPECT_EQ(pairs_of("a=\\u00e9"), (Pairs{{"a", "\xc3\xa9"}}));
  EXPECT_EQ(pairs_of("a=\\u20AC"), (Pairs{{"a", "\xe2\x82\xac"}}));
  EXPECT_EQ(pairs_of("a=\\ud83d\\ude00"), (Pairs{{"a", "\xf0\x9f\x98\x80"}}));
  EXPECT_EQ(pairs_of("a=\\ud83dx\\ude00"), (Pairs{{"a", "?x?"}}));
}

// Java reads zoo.cfg as ISO-8859-1: the two bytes of a UTF-8 'é' are two characters.
TEST(Properties, RawBytesAreLatin1) {
  EXPECT_EQ(pairs_of("a=\xe9"), (Pairs{{"a", "\xc3\xa9"}}));
  EXPECT_EQ(pairs_of("a=\xc3\xa9"), (Pairs{{"a", "\xc3\x83\xc2\xa9"}}));
  const auto entries = parse_properties("a=\xe9\nb=\\u00e9\n");
  ASSERT_TRUE(entries);
  EXPECT_TRUE(entries->at(0).has_raw_bytes);
  EXPECT_FALSE(entries->at(1).has_raw_bytes);
}

TEST(Properties, KeysAndValuesAreTrimmed) {
  EXPECT_EQ(pairs_of("\\ a\\ =\\t b \\ \t"), (Pairs{{"a", "b"}}));
}

TEST(Properties, DuplicatesStayInOrderWithTheirLines) {
  const auto entries = parse_properties("# first\na=1\\\n2\n\nb=2\r\na=3");
  ASSERT_TRUE(entries);
  const std::vector<PropertyEntry> expected = {
      {"a", "12", 2, false}, {"b", "2", 5, false}, {"a", "3", 6, false}};
  EXPECT_EQ(*entries, expected);
}

TEST(Properties, BrokenUnicodeEscapeIsTheOnlyError) {
  for (const std::string escape : {"\\u12", "\\uxyzw", "\\u", "\\u12g4"}) {
    const auto entries = parse_properties("ok=1\nbad=" + escape);
    ASSERT_FALSE(entries) << escape;
    EXPECT_EQ(entries.error().line, 2U);
    EXPECT_EQ(entries.error().escape, escape);
  }
  EXPECT_FALSE(parse_properties("\\u00=1"));
}

}  // namespace
}  // namespace synod::server
