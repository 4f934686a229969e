#include "replica/session_password.h"

#include <gtest/gtest.h>

#include "jute/test_requests.h"

namespace synod::replica {
namespace {

// Reference, section 3.2: observed on a Java server.
TEST(SessionPassword, IsWhatJavaComputes) {
  EXPECT_EQ(session_password({0x10000168dcd0000}),
            test::bytes_of_hex("29d3044302f025e3afc8a1721bf52582"));
  EXPECT_EQ(session_password({0x10000168dcd0001}),
            test::bytes_of_hex("3cf4fe42a23b0528a40b099eef7d3a4f"));
  EXPECT_EQ(session_password({0x10000168dcd0025}),
            test::bytes_of_hex("ec9a2b4221de6bd721768eb8b1bb1d26"));
  EXPECT_EQ(session_password({0x100001f538b0000}),
            test::bytes_of_hex("77a482243822ac87adada92e41a96607"));
  EXPECT_EQ(session_password({-1}).size(), kPasswordBytes);
}

}  // namespace
}  // namespace synod::replica
