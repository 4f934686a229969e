#include "server/dynamic_config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "server/config.h"
#include "server/posix_files.h"
#include "storage/memory_files.h"

namespace synod::server {
namespace {

using consensus::Membership;
using storage::MemoryFiles;
using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr std::string_view kOperators =
    "# ours\n"
    "dataDir=/data\n"
    "initLimit=10\nsyncLimit=5\n"
    "clientPort=2181\n"
    "reconfigEnabled=true\n"
    "peerType=participant\n"
    "server.1=a:1:2;2181\nserver.2=b:1:2;2181\nserver.3=c:1:2;2181\n";

Membership membership(std::string_view lines, std::int64_t version) {
  Membership parsed = *Membership::parse(lines);
  parsed.version = version;
  return parsed;
}

Membership four() {
  return membership(
      "server.1=a:1:2;2181\nserver.2=b:1:2;2181\nserver.3=c:1:2;2181\nserver.4=d:1:2:observer;2181",
      0x100000002);
}

DynamicConfigPlace place(std::int64_t self = 1) {
  return {.config_file = "/etc/zoo.cfg",
          .self = {self},
          .clients = consensus::Endpoint{"10.0.0.1", 2181}};
}

std::string naming(std::string_view config_text, const Membership& next,
                   const DynamicConfigPlace& at = place()) {
  const auto text = config_text_naming("/etc/zoo.cfg.dynamic.2", config_text, next, at);
  return text ? *text : "error: " + text.error().text;
}

TEST(DynamicConfig, TheFileHasTheMembersAndNoVersion) {
  EXPECT_EQ(dynamic_file_text(four()),
            "server.1=a:1:2:participant;0.0.0.0:2181\nserver.2=b:1:2:participant;0.0.0.0:2181\n"
            "server.3=c:1:2:participant;0.0.0.0:2181\nserver.4=d:1:2:observer;0.0.0.0:2181\n");
}

TEST(DynamicConfig, WhatIsNotReplacedStaysAsItWas) {
  EXPECT_EQ(naming(kOperators, four()),
            "# ours\ndataDir=/data\ninitLimit=10\nsyncLimit=5\nreconfigEnabled=true\n"
            "dynamicConfigFile=/etc/zoo.cfg.dynamic.2\n");
  EXPECT_EQ(naming("# a\r\ndataDir = /d\\\r\n  ata\r\nserver.1=a:\\\n  1:2\n\ndynamicConfigFile=x",
                   four()),
            "# a\r\ndataDir = /d\\\r\n  ata\r\n\ndynamicConfigFile=/etc/zoo.cfg.dynamic.2\n")
      << "lines that go on, other line ends, no line end";
}

TEST(DynamicConfig, TheClientPortStandsInOnePlace) {
  const Membership silent = membership("server.1=a:1:2\nserver.2=b:1:2", 2);
  EXPECT_EQ(naming("clientPort=2181\nserver.1=a:1:2", silent),
            "clientPort=2181\ndynamicConfigFile=/etc/zoo.cfg.dynamic.2\n");
  EXPECT_EQ(naming("dynamicConfigFile=old", silent),
            "clientPort=2181\nclientPortAddress=10.0.0.1\n"
            "dynamicConfigFile=/etc/zoo.cfg.dynamic.2\n")
      << "the old members said it, and the new ones do not";
  EXPECT_EQ(naming("clientPort=2181", four(), place(9)),
            "clientPort=2181\ndynamicConfigFile=/etc/zoo.cfg.dynamic.2\n")
      << "no member";
}

TEST(DynamicConfig, AnErrorSaysWhatCannotBeWritten) {
  EXPECT_THAT(naming("a=\\uzz", four()), HasSubstr("error: line 1"));
  EXPECT_THAT(
      config_text_naming("/home/my dir/zoo.cfg.dynamic.2", "", four(), place()).error().text,
      HasSubstr("blanks"));
}

// ---- on a disk --------------------------------------------------------------------------------

void write(MemoryFiles& files, const Membership& next) {
  const auto written = write_dynamic_config(files, place(), next);
  EXPECT_TRUE(written) << written.error().text;
}

// What a server started from these files would have as its members' version; -1: it does not start.
std::int64_t version_at_start(MemoryFiles& files) {
  ConfigInput input;
  input.file = ConfigFile{.name = "/etc/zoo.cfg", .text = files.get("/etc/zoo.cfg").value_or("")};
  input.read_text = [&files](const fs::path& path) -> std::optional<std::string> {
    if (path == "/data/myid") return "1";
    return files.get(path.string());
  };
  const auto loaded = load_config(input);
  if (!loaded || !loaded->config.ensemble) {
    ADD_FAILURE() << (loaded ? "no ensemble" : to_string(loaded.error()));
    return -1;
  }
  EXPECT_EQ(loaded->config.client_port, 2181);
  EXPECT_EQ(loaded->config.ensemble->members.size(),
            loaded->config.ensemble->version == 0 ? 3U : 4U);
  return loaded->config.ensemble->version;
}

TEST(DynamicConfig, AServerStartsFromWhatWasWritten) {
  MemoryFiles files;
  files.put("/etc/zoo.cfg", Bytes(kOperators));
  EXPECT_EQ(version_at_start(files), 0);
  write(files, four());
  EXPECT_EQ(version_at_start(files), 0x100000002);
  EXPECT_EQ(files.get("/etc/zoo.cfg.bak"), kOperators);
  Membership later = four();
  later.version = 0x20000000a;
  write(files, later);
  EXPECT_EQ(version_at_start(files), 0x20000000a);
  EXPECT_EQ(files.get("/etc/zoo.cfg.bak"), kOperators) << "the operator's, and not ours";
  EXPECT_THAT(files.paths(), testing::ElementsAre("/etc/zoo.cfg", "/etc/zoo.cfg.bak",
                                                  "/etc/zoo.cfg.dynamic.100000002",
                                                  "/etc/zoo.cfg.dynamic.20000000a"));
}

// The power goes at every operation of a change, and chance has the say on what was not flushed.
TEST(DynamicConfig, NoCrashLeavesAServerWithoutAStart) {
  std::size_t old_ones = 0;
  std::size_t new_ones = 0;
  for (std::uint64_t operation = 0; operation < 24; ++operation) {
    for (std::uint64_t chance = 0; chance < 3; ++chance) {
      MemoryFiles files;
      files.put("/etc/zoo.cfg", Bytes(kOperators));
      std::uint64_t done = 0;
      files.set_fault([&](const storage::FileOp&) -> std::optional<Error> {
        if (done++ < operation) return std::nullopt;
        return Error{ErrorKind::kIo, "the power is gone"};
      });
      (void)write_dynamic_config(files, place(), four());
      files.power_cut([&](std::uint64_t bound) { return chance % bound; });
      files.set_fault({});
      const std::int64_t version = version_at_start(files);
      (version == 0 ? old_ones : new_ones) += 1;
      write(files, four());
      EXPECT_EQ(version_at_start(files), four().version) << "done again at the next change";
    }
  }
  EXPECT_GT(old_ones, 0U);
  EXPECT_GT(new_ones, 0U);
}

TEST(DynamicConfig, WhatOthersMayNotReadStaysSo) {
  const fs::path folder = fs::path(testing::TempDir()) / fmt::format("dynamic{}", getpid());
  fs::create_directories(folder / "real");
  const fs::path real = folder / "real" / "zoo.cfg";
  std::ofstream(real) << kOperators;
  fs::permissions(real, fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink(real, folder / "zoo.cfg");
  PosixFiles files([](storage::IoToken /*token*/, Result<void> /*result*/) {});
  DynamicConfigPlace at = place();
  at.config_file = (folder / "zoo.cfg").string();
  ASSERT_TRUE(write_dynamic_config(files, at, four()));
  EXPECT_TRUE(fs::is_symlink(folder / "zoo.cfg"));
  for (const fs::path& path : {real, folder / "zoo.cfg.bak"}) {
    EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write)
        << path;
  }
  EXPECT_FALSE(fs::exists(real.string() + ".tmp"));
  std::ifstream rewritten(real);
  EXPECT_THAT((std::string{std::istreambuf_iterator<char>(rewritten), {}}),
              HasSubstr("dynamicConfigFile=" + at.config_file + ".dynamic.100000002\n"));
  fs::remove_all(folder);
}

}  // namespace
}  // namespace synod::server
