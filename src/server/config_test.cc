#include "server/config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/config_keys.h"
#include "server/config_membership.h"
#include "server/config_values.h"

namespace synod::server {
namespace {

constexpr std::string_view kSmallest = "dataDir=/data\nclientPort=2181\n";

ConfigInput file_input(std::string_view text) {
  ConfigInput input;
  input.file = ConfigFile{.name = "zoo.cfg", .text = std::string(text)};
  return input;
}

// The smallest file that starts, and one line more: that line is the third.
ConfigInput third_line(std::string_view line) {
  return file_input(std::string(kSmallest) + std::string(line));
}

std::string error_of(const ConfigInput& input) {
  const auto loaded = load_config(input);
  return loaded ? "no error" : to_string(loaded.error());
}

LoadedConfig load(const ConfigInput& input) {
  auto loaded = load_config(input);
  if (!loaded) {
    ADD_FAILURE() << to_string(loaded.error());
    return {};
  }
  return std::move(*loaded);
}

// All warnings, a line each.
std::string warnings_of(const ConfigInput& input) {
  std::string lines;
  for (const Warning& warning : load(input).warnings) lines += to_string(warning) + "\n";
  return lines;
}

TEST(ConfigFileTest, SampleFileOfZooKeeperLoadsWithoutAWord) {
  const auto input = file_input(
      "# The number of milliseconds of each tick\n"
      "tickTime=2000\n"
      "initLimit=10\n"
      "syncLimit=5\n"
      "dataDir=/var/lib/zookeeper\n"
      "clientPort=2181\n");
  EXPECT_EQ(warnings_of(input), "");
  const Config config = load(input).config;
  EXPECT_EQ(config.tick_time_ms, 2000);
  EXPECT_EQ(config.data_dir, "/var/lib/zookeeper");
  EXPECT_EQ(config.data_log_dir, "/var/lib/zookeeper");
  EXPECT_EQ(config.client_port, 2181);
  EXPECT_EQ(config.client_port_address, "");
  EXPECT_EQ(config.min_session_timeout_ms, 4000);
  EXPECT_EQ(config.max_session_timeout_ms, 40000);
  EXPECT_EQ(config.max_client_cnxns, 60);
  EXPECT_EQ(config.jute_max_buffer_bytes, 1048575);
  EXPECT_EQ(config.jute_max_buffer_extra_bytes, 1048575);
  EXPECT_EQ(config.autopurge_purge_interval_hours, std::nullopt);
  EXPECT_EQ(config.four_letter_words, std::vector<std::string>{"srvr"});
}

TEST(ConfigFileTest, EveryKindOfValueReachesItsMember) {
  const Config config = load(third_line("dataLogDir=/log\n"
                                        "tickTime=100\n"
                                        "minSessionTimeout=1\n"
                                        "maxSessionTimeout=-1\n"
                                        "clientPortAddress=::1\n"
                                        "autopurge.purgeInterval=0\n"
                                        "autopurge.snapRetainCount=7\n"
                                        "4lw.commands.whitelist = stat, ruok ,, *\n"
                                        "snapshot.compression.method=GZ\n"
                                        "snapSizeLimitInKb=9007199254740991\n"
                                        "forceSync=no\n"
                                        "skipACL=yes\n"
                                        "extendedTypesEnabled=TRUE\n"
                                        "connection_throttle_drop_increase=0.25\n"
                                        "DigestAuthenticationProvider.digestAlg=sha-256\n"
                                        "DigestAuthenticationProvider.superDigest=super:abc=\n"
                                        "synod.connectionThreads=3\n"))
                            .config;
  EXPECT_EQ(config.data_log_dir, "/log");
  EXPECT_EQ(config.min_session_timeout_ms, 1);
  EXPECT_EQ(config.max_session_timeout_ms, 2000);
  EXPECT_EQ(config.client_port_address, "::1");
  EXPECT_EQ(config.autopurge_purge_interval_hours, 0);
  EXPECT_EQ(config.autopurge_snap_retain_count, 7);
  EXPECT_EQ(config.four_letter_words, (std::vector<std::string>{"stat", "ruok", "*"}));
  EXPECT_EQ(config.snapshot_compression, SnapshotCompression::kGzip);
  EXPECT_EQ(config.snap_size_limit_kib, 9007199254740991);
  EXPECT_FALSE(config.force_sync);
  EXPECT_TRUE(config.skip_acl);
  EXPECT_TRUE(config.extended_types_enabled);
  EXPECT_EQ(config.connection_throttle_drop_increase, 0.25);
  EXPECT_EQ(config.digest_authentication_algorithm, "SHA-256");
  EXPECT_EQ(config.digest_authentication_super_digest, "super:abc=");
  EXPECT_EQ(config.connection_threads, 3);
}

// The third line of a file, and the whole message it must give.
TEST(ConfigErrors, SayWhereWhatAndWhatIsAccepted) {
  struct Case {
    std::string_view line;
    std::string_view message;
  };
  const Case cases[] = {
      {"tickTime=abc",
       "zoo.cfg:3: tickTime: \"abc\" is not accepted: "
       "a whole number of milliseconds from 1 to 2147483647"},
      {"tickTime=",
       "zoo.cfg:3: tickTime: \"\" is not accepted: "
       "a whole number of milliseconds from 1 to 2147483647"},
      {"tickTime=0",
       "zoo.cfg:3: tickTime: \"0\" is not accepted: "
       "a whole number of milliseconds from 1 to 2147483647"},
      {"tickTime=2147483648",
       "zoo.cfg:3: tickTime: \"2147483648\" is not accepted: "
       "a whole number of milliseconds from 1 to 2147483647"},
      {"tickTime=2000 ms",
       "zoo.cfg:3: tickTime: \"2000 ms\" is not accepted: "
       "a whole number of milliseconds from 1 to 2147483647"},
      {"\n\ntickTime=0x10",
       "zoo.cfg:5: tickTime: \"0x10\" is not accepted: "
       "a whole number of milliseconds from 1 to 2147483647"},
      {"clientPort=65536",
       "zoo.cfg:3: clientPort: \"65536\" is not accepted: "
       "a port from 0 to 65535 (0 = any free one)"},
      {"clientPort=-1",
       "zoo.cfg:3: clientPort: \"-1\" is not accepted: "
       "a port from 0 to 65535 (0 = any free one)"},
      {"reconfigEnabled=yes", "zoo.cfg:3: reconfigEnabled: \"yes\" is not accepted: true or false"},
      {"forceSync=true", "zoo.cfg:3: forceSync: \"true\" is not accepted: yes or no"},
      {"snapshot.compression.method=zip",
       "zoo.cfg:3: snapshot.compression.method: \"zip\" is not accepted: "
       "one of nothing, gz, snappy"},
      {"snapCount=1e5",
       "zoo.cfg:3: snapCount: \"1e5\" is not accepted: "
       "a whole number of transactions from 2 to 2147483647"},
      {"connection_throttle_drop_increase=1.5",
       "zoo.cfg:3: connection_throttle_drop_increase: \"1.5\" is not accepted: "
       "a number from 0 to 1"},
      {"connection_throttle_drop_increase=nan",
       "zoo.cfg:3: connection_throttle_drop_increase: \"nan\" is not accepted: "
       "a number from 0 to 1"},
      {"dataLogDir=", "zoo.cfg:3: dataLogDir: \"\" is not accepted: a path"},
      {"initLimit=soon",
       "zoo.cfg:3: initLimit: \"soon\" is not accepted: "
       "a whole number of ticks from 0 to 2147483647"},
      {"electionAlg=0", "zoo.cfg:3: electionAlg: \"0\" is not accepted: 3"},
      {"peerType=leader",
       "zoo.cfg:3: peerType: \"leader\" is not accepted: one of participant, observer"},
      {"secureClientPort=2281",
       "zoo.cfg:3: secureClientPort: \"2281\" is not accepted: "
       "this version has no TLS listener; leave the key out"},
      {"dynamicConfigFile=/x",
       "zoo.cfg:3: dynamicConfigFile: \"/x\" is not accepted: "
       "a file that can be read, with the server.N lines"},
      {"group.1=1:x",
       "zoo.cfg:3: group.1: \"1:x\" is not accepted: "
       "the numbers of servers, joined by colons, as in 1:2:3"},
      {"group.1=1:2\ngroup.2=3:2",
       "zoo.cfg:4: group.2: \"3:2\" is not accepted: each server in one group; server 2 is in two"},
      {"weight.1=-1",
       "zoo.cfg:3: weight.1: \"-1\" is not accepted: a whole number from 0 to 2147483647"},
      {"server.1=a:1:2\ngroup.1=2",
       "zoo.cfg:3: server.1: \"a:1:2\" is not accepted: "
       "with groups, every voter in one of them; 1 is in none, as in group.1=1"},
      {"standaloneEnabled=false",
       "zoo.cfg:3: standaloneEnabled: \"false\" is not accepted: "
       "true where there is no server.N line, as in server.1=host:2888:3888"},
      {"minSessionTimeout=50\nmaxSessionTimeout=40",
       "zoo.cfg:3: minSessionTimeout: \"50\" is not accepted: "
       "at most maxSessionTimeout, which is 40"},
      {"maxSessionTimeout=40",
       "zoo.cfg:3: maxSessionTimeout: \"40\" is not accepted: "
       "at least minSessionTimeout, which is 6000"},
      {"enforce.auth.enabled=true",
       "zoo.cfg:3: enforce.auth.enabled: \"true\" is not accepted: "
       "true together with enforce.auth.schemes, which is missing"},
      {"tickTime=\\u20", "zoo.cfg:3: \"\\u20\" is not accepted: \\u and four hexadecimal digits"},
      {"tickTime=a\\nb",
       "zoo.cfg:3: tickTime: \"a\\x0ab\" is not accepted: "
       "a whole number of milliseconds from 1 to 2147483647"},
      {"server.a=localhost:2888:3888",
       "zoo.cfg:3: server.a: \"localhost:2888:3888\" is not accepted: server.N, N from 1 to 254"},
      {"server.0=localhost:2888:3888",
       "zoo.cfg:3: server.0: \"localhost:2888:3888\" is not accepted: server.N, N from 1 to 254"},
      {"server.1=a:1:2|b:1:2",
       "zoo.cfg:3: server.1: \"a:1:2|b:1:2\" is not accepted: "
       "one address; several need multiAddress.enabled=true"},
      {"server.1=a:2888:3888:observer",
       "zoo.cfg:3: server.1: \"a:2888:3888:observer\" is not accepted: "
       "at least one participant; an observer cannot serve alone"},
      {"server.1=a:2888:3888\nserver.2=b:2888:3888:observer",
       "zoo.cfg:4: server.2: \"b:2888:3888:observer\" is not accepted: no observer beside a single "
       "participant, unless standaloneEnabled=false says that it is an ensemble"},
      {"server.1=a:2888:3888;2182",
       "zoo.cfg:3: server.1: \"a:2888:3888;2182\" is not accepted: "
       "the client port that clientPort has, 2181"},
      {"quorum.auth.serverRequireSasl=true",
       "zoo.cfg:3: quorum.auth.serverRequireSasl: \"true\" is not accepted: "
       "true together with quorum.auth.learnerRequireSasl=true"},
      {"quorum.auth.enableSasl=true",
       "zoo.cfg:3: quorum.auth.enableSasl: \"true\" is not accepted: "
       "true together with java.security.auth.login.config, which is missing"},
      {"sslQuorum=true",
       "zoo.cfg:3: sslQuorum: \"true\" is not accepted: "
       "true together with ssl.quorum.keyStore.location, which is missing"},
      {"ssl.quorum.ocsp=true",
       "zoo.cfg:3: ssl.quorum.ocsp: \"true\" is not accepted: one of false"},
  };
  for (const Case& c : cases) EXPECT_EQ(error_of(third_line(c.line)), c.message) << c.line;
}

TEST(ConfigErrors, MissingKeys) {
  EXPECT_EQ(error_of(file_input("clientPort=2181")),
            "zoo.cfg: dataDir: missing; it is the directory for snapshots and logs, "
            "as in dataDir=/var/lib/zookeeper");
  EXPECT_EQ(error_of(file_input("dataDir=/d\nclientPortAddress=::1")),
            "zoo.cfg:2: clientPortAddress: \"::1\" is not accepted: "
            "an address together with a clientPort, which is missing");
  EXPECT_EQ(warnings_of(file_input("dataDir=/d")),
            "zoo.cfg: clientPort: missing; no client can connect until it is set, "
            "as in clientPort=2181\n");
}

TEST(ConfigErrors, FromPropertiesAndEnvironment) {
  ConfigInput input = file_input(kSmallest);
  input.properties = {"-Dzookeeper.snapCount=many"};
  EXPECT_EQ(error_of(input),
            "command line: -Dzookeeper.snapCount: \"many\" is not accepted: "
            "a whole number of transactions from 2 to 2147483647");
  input.environment = {{"SERVER_JVMFLAGS", "-Xmx1g -Djute.maxbuffer=4M"}};
  EXPECT_EQ(error_of(input),
            "SERVER_JVMFLAGS: -Djute.maxbuffer: \"4M\" is not accepted: "
            "a whole number of bytes from 1 to 2147483647");
}

// A property is read by Integer.decode or by Integer.parseInt: 010 would be 8 or 10.
TEST(ConfigValues, HexadecimalAndLeadingZeros) {
  EXPECT_EQ(load(third_line("snapCount=0x100")).config.snap_count, 256);
  EXPECT_EQ(load(third_line("snapCount=#ff")).config.snap_count, 255);
  EXPECT_NE(error_of(third_line("snapCount=0100")), "no error");
  EXPECT_EQ(load(third_line("tickTime=+02000")).config.tick_time_ms, 2000);
  for (const std::string_view bad : {"--5", "+-5", "0x", "#", "-", "+", "0x-5", " ", "5.0"}) {
    EXPECT_EQ(parse_value(whole(-10, 10), bad, NumberStyle::kProperty), std::nullopt) << bad;
  }
}

TEST(ConfigWarnings, SayWhatHappensInstead) {
  struct Case {
    std::string_view line;
    std::string_view warning;
  };
  const Case cases[] = {
      {"tickTme=1", "zoo.cfg:3: tickTme: unknown key, ignored; the nearest known key is tickTime"},
      {"TICKTIME=1",
       "zoo.cfg:3: TICKTIME: unknown key, ignored; the nearest known key is tickTime"},
      {"zookeeper.snapcount=1",
       "zoo.cfg:3: zookeeper.snapcount: unknown key, ignored; the nearest known key is snapCount"},
      {"snapRetainCount=5",
       "zoo.cfg:3: snapRetainCount: unknown key, ignored; "
       "the nearest known key is autopurge.snapRetainCount"},
      {"jute.maxbuffer=4194304",
       "zoo.cfg:3: jute.maxbuffer: Java ignores it in this place and reads "
       "-Djute.maxbuffer=...; Synod honours it here"},
      {"zookeeper.snapCount=10",
       "zoo.cfg:3: zookeeper.snapCount: Java reads it in the file as snapCount=...; "
       "Synod honours it here"},
      {"snapCount=1", "zoo.cfg:3: snapCount: 1 is too small; 2 is used"},
      {"autopurge.snapRetainCount=1",
       "zoo.cfg:3: autopurge.snapRetainCount: 1 is too small; 3 is used"},
      {"tickTime=1\ntickTime=2", "zoo.cfg:3: tickTime: given again in line 4, which counts"},
      {"ssl.keyStore.location=/k",
       "zoo.cfg:3: ssl.keyStore.location: ignored: this version does not have TLS for clients"},
      {"admin.enableServer=true",
       "zoo.cfg:3: admin.enableServer: ignored: this version does not have the admin server"},
      {"nio.numWorkerThreads=8",
       "zoo.cfg:3: nio.numWorkerThreads: ignored: Synod has its own threads; "
       "see synod.connectionThreads"},
      {"flushDelay=30",
       "zoo.cfg:3: flushDelay: ignored: a flush takes what came while the last one ran, "
       "and paces itself"},
      {"throttled_op_wait_time=5",
       "zoo.cfg:3: throttled_op_wait_time: ignored: requests wait in the connection's own order, "
       "not in a queue of throttled ones"},
      {"connection_throttle_local_session_weight=5",
       "zoo.cfg:3: connection_throttle_local_session_weight: ignored: "
       "a new session costs the same, local or not"},
      {"allowSaslFailedClients=true",
       "zoo.cfg:3: allowSaslFailedClients: ignored: this version does not have "
       "SASL and Kerberos for clients"},
      {"jvm.pause.monitor=true", "zoo.cfg:3: jvm.pause.monitor: ignored: there is no JVM"},
      {"dataLogDir=logs",
       "zoo.cfg:3: dataLogDir: depends on where the server is started; "
       "write ./ in front if that is meant"},
      {"dataLogDir=/\xc3\xa9",
       "zoo.cfg:3: dataLogDir: holds bytes beyond ASCII, read as ISO-8859-1 as Java does; "
       "write \\uXXXX"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(warnings_of(third_line(c.line)), std::string(c.warning) + "\n") << c.line;
  }
}

TEST(ConfigWarnings, NoneForWhatAsksForNothingUnusual) {
  for (const std::string_view line :
       {"admin.enableServer=false", "audit.enable=false", "initLimit=10", "leaderServes=no",
        "jvm.pause.monitor=false", "dataLogDir=./logs", "dataLogDir=/\\u00e9",
        "metricsProvider.className=org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
        "leader.maxConcurrentSnapSyncs=10", "standaloneEnabled=true", "localSessionsEnabled=true",
        "flushDelay=0", "request_throttle_stall_time=100"}) {
    EXPECT_EQ(warnings_of(third_line(line)), "") << line;
  }
}

TEST(ConfigSources, FileBeatsCommandLineBeatsEnvironment) {
  ConfigInput input = file_input(kSmallest);
  input.environment = {{"SERVER_JVMFLAGS", "-Xmx1000m -Dzookeeper.snapCount=11"},
                       {"JVMFLAGS", "\t-Dzookeeper.snapCount=12  -ea"}};
  EXPECT_EQ(load(input).config.snap_count, 12);
  input.properties = {"-Dzookeeper.snapCount=13", "zookeeper.snapCount=14"};
  EXPECT_EQ(load(input).config.snap_count, 14);
  input.file->text += "snapCount=15\n";
  EXPECT_EQ(load(input).config.snap_count, 15);
  EXPECT_EQ(warnings_of(input),
            "SERVER_JVMFLAGS: -Dzookeeper.snapCount: overridden by snapCount (zoo.cfg:3)\n"
            "JVMFLAGS: -Dzookeeper.snapCount: overridden by snapCount (zoo.cfg:3)\n"
            "command line: -Dzookeeper.snapCount: overridden by snapCount (zoo.cfg:3)\n"
            "command line: -Dzookeeper.snapCount: overridden by snapCount (zoo.cfg:3)\n");
}

TEST(ConfigSources, BarePropertyBeatsItsUnreadFormInTheFile) {
  ConfigInput input = third_line("jute.maxbuffer=2000000");
  EXPECT_EQ(load(input).config.jute_max_buffer_bytes, 2000000);
  input.environment = {{"JVMFLAGS", "-Djute.maxbuffer=3000000"}};
  EXPECT_EQ(load(input).config.jute_max_buffer_bytes, 3000000);
  EXPECT_EQ(warnings_of(input),
            "zoo.cfg:3: jute.maxbuffer: overridden by -Djute.maxbuffer (JVMFLAGS)\n");
  input.environment = {{"JVMFLAGS", "-Dzookeeper.jute.maxbuffer=3000000"}};
  EXPECT_EQ(load(input).config.jute_max_buffer_bytes, 2000000);
}

TEST(ConfigSources, FsyncWarningHasTwoSpellings) {
  ConfigInput input = file_input(kSmallest);
  input.properties = {"-Dzookeeper.fsync.warningthresholdms=5", "-Dfsync.warningthresholdms=6"};
  EXPECT_EQ(load(input).config.fsync_warning_threshold_ms, 5);
  input.properties = {"-Dfsync.warningthresholdms=6"};
  EXPECT_EQ(load(input).config.fsync_warning_threshold_ms, 6);
  EXPECT_EQ(warnings_of(input), "");
}

TEST(ConfigSources, WhatJavaReadsForItselfIsPassedOver) {
  ConfigInput input = file_input(kSmallest);
  input.environment = {{"JVMFLAGS",
                        "-Dcom.sun.management.jmxremote -Djava.net.preferIPv4Stack=true "
                        "-Dfile.encoding=UTF-8 -XX:+UseG1GC -Dnope=1"}};
  EXPECT_EQ(load(input).config, load(file_input(kSmallest)).config);
  const auto warnings = load(input).warnings;
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_EQ(warnings[0].kind, WarningKind::kUnknownKey);
  EXPECT_EQ(warnings[0].key, "-Dnope");
}

TEST(ConfigSources, KeysOfTheFileAsPropertiesFillGaps) {
  ConfigInput input = file_input("dataDir=/d\n");
  input.properties = {"-Dzookeeper.clientPort=2182", "-DdataDir=/e"};
  EXPECT_EQ(load(input).config.client_port, 2182);
  EXPECT_EQ(load(input).config.data_dir, "/d");
  EXPECT_EQ(warnings_of(input),
            "command line: -DdataDir: overridden by dataDir (zoo.cfg:1)\n"
            "command line: -Dzookeeper.clientPort: Java reads it only from the file, "
            "as clientPort=...; Synod honours it here\n");
}

TEST(ConfigSources, EmbeddedDefaults) {
  ConfigInput input;
  input.state_dir = "/home/me/.local/state/synod";
  const Config config = load(input).config;
  EXPECT_EQ(config.client_port, 2181);
  EXPECT_EQ(config.client_port_address, "127.0.0.1");
  EXPECT_EQ(config.tick_time_ms, 2000);
  EXPECT_EQ(config.max_session_timeout_ms, 40000);
  EXPECT_EQ(config.data_dir, "/home/me/.local/state/synod");
  input.properties = {"-Dzookeeper.clientPort=2182"};
  EXPECT_EQ(load(input).config.client_port, 2182);
  EXPECT_EQ(warnings_of(input), "");
  input.properties = {"-Dzookeeper.dataDir="};
  EXPECT_EQ(error_of(input), "command line: -Dzookeeper.dataDir: \"\" is not accepted: a path");
}

TEST(ConfigSources, StateDirFollowsXdg) {
  EXPECT_EQ(default_state_dir("/state", "/home/me"), "/state/synod");
  EXPECT_EQ(default_state_dir("", "/home/me"), "/home/me/.local/state/synod");
  EXPECT_EQ(default_state_dir("relative", "/home/me"), "/home/me/.local/state/synod");
}

TEST(ConfigSources, StartLine) {
  ConfigInput input;
  input.start_line = {"2181", "/data"};
  EXPECT_EQ(load(input).config.client_port, 2181);
  EXPECT_EQ(load(input).config.data_dir, "/data");
  EXPECT_EQ(load(input).config.client_port_address, "");
  EXPECT_EQ(load(input).config.tick_time_ms, 3000);
  EXPECT_EQ(load(input).config.max_client_cnxns, 0);
  input.start_line = {"2181", "/data", "500", "9"};
  EXPECT_EQ(load(input).config.min_session_timeout_ms, 1000);
  EXPECT_EQ(load(input).config.max_client_cnxns, 9);
  input.start_line = {"2181", "/data", "fast"};
  EXPECT_EQ(error_of(input),
            "command line: tickTime: \"fast\" is not accepted: "
            "a whole number of milliseconds from 1 to 2147483647");
  input.start_line = {"2181"};
  EXPECT_EQ(error_of(input),
            "command line: port datadir [tickTime] [maxClientCnxns]: two to four words, not 1");
}

TEST(ConfigSources, FilesAreReadWhole) {
  const auto missing = read_config_file("/nonexistent/zoo.cfg");
  ASSERT_FALSE(missing);
  EXPECT_EQ(to_string(missing.error()),
            "/nonexistent/zoo.cfg: cannot be read; is it there, a file, and "
            "readable for this user?");
  EXPECT_FALSE(read_config_file("/"));
  const auto path = std::filesystem::path(testing::TempDir()) / "synod_config_test.cfg";
  std::ofstream(path, std::ios::binary) << "a=1\r\nb=\xff\n";
  const auto file = read_config_file(path);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->name, path.string());
  EXPECT_EQ(file->text, "a=1\r\nb=\xff\n");
  std::filesystem::remove(path);
}

TEST(ConfigMembership, OneMemberIsStandalone) {
  const Config config =
      load(file_input("dataDir=/d\nserver.1=zoo1:2888:3888;[::]:2181\nstandaloneEnabled=true"))
          .config;
  EXPECT_EQ(config.client_port, 2181);
  EXPECT_EQ(config.client_port_address, "::");
}

// Three servers, in a file or in a dynamic one.
constexpr std::string_view kThree =
    "server.1=a:2888:3888\nserver.2=b:2888:3888;2182\nserver.3=c:2888:3888:observer\n"
    "server.4=d:2888:3888\n";
constexpr std::string_view kLimits = "initLimit=10\nsyncLimit=5\n";

ConfigInput ensemble_input(std::string_view lines, std::string_view my_id,
                           std::string_view dynamic_text = {}) {
  ConfigInput input = third_line(lines);
  input.read_text = [my_id = std::string(my_id), dynamic_text = std::string(dynamic_text)](
                        const std::filesystem::path& path) -> std::optional<std::string> {
    if (path == "/data/myid" && !my_id.empty()) return my_id;
    if (path == "/zoo.cfg.dynamic.1f") return dynamic_text;
    return std::nullopt;
  };
  return input;
}

TEST(ConfigMembership, SeveralMembersAreAnEnsemble) {
  const std::string lines = std::string(kThree) + std::string(kLimits);
  const Config config = load(ensemble_input(lines, "4\n")).config;
  ASSERT_TRUE(config.ensemble);
  EXPECT_EQ(config.my_id, ServerId{4});
  EXPECT_EQ(config.ensemble->members.size(), 4U);
  EXPECT_EQ(config.ensemble->voter_count(), 3U);
  EXPECT_TRUE(config.ensemble->members.at(ServerId{3}).is_observer);
  EXPECT_EQ(config.ensemble->version, 0);
  EXPECT_EQ(config.init_limit_ticks, 10);
  EXPECT_EQ(config.client_port, 2181);
  EXPECT_EQ(warnings_of(ensemble_input(lines, "4")), "");
}

TEST(ConfigMembership, WhatAnEnsembleNeeds) {
  const std::string members(kThree);
  const std::string whole = members + std::string(kLimits);
  EXPECT_EQ(error_of(ensemble_input(members, "1")),
            "zoo.cfg: initLimit: missing; an ensemble needs it (synod explain initLimit), "
            "as in initLimit=10");
  EXPECT_EQ(error_of(ensemble_input(members + "initLimit=5\nsyncLimit=0", "1")),
            "zoo.cfg:8: syncLimit: \"0\" is not accepted: at least 1 tick");
  EXPECT_EQ(error_of(ensemble_input(whole, "")),
            "/data/myid: missing, or not readable; it says which of the server.N lines is this "
            "server: echo N > /data/myid");
  EXPECT_EQ(error_of(ensemble_input(whole, "one")),
            "/data/myid: \"one\" is not accepted: the number of this server, from 1 to 254");
  EXPECT_EQ(error_of(ensemble_input(whole, "9")),
            "/data/myid: \"9\" is not accepted: a number N that has a server.N line; "
            "there is no server.9");
  EXPECT_EQ(error_of(ensemble_input(whole, "2")),
            "zoo.cfg:4: server.2: \"b:2888:3888;2182\" is not accepted: "
            "the client port that clientPort has, 2181");
}

TEST(ConfigMembership, MembersInAFileOfTheirOwn) {
  const std::string lines = "dynamicConfigFile=/zoo.cfg.dynamic.1f\n" + std::string(kLimits);
  const Config config = load(ensemble_input(lines, "1", kThree)).config;
  ASSERT_TRUE(config.ensemble);
  EXPECT_EQ(config.ensemble->members.size(), 4U);
  EXPECT_EQ(config.ensemble->version, 0x1f);
  EXPECT_EQ(error_of(ensemble_input(lines + "server.1=a:1:2", "1", kThree)),
            "zoo.cfg:6: server.1: \"a:1:2\" is not accepted: "
            "in the file that dynamicConfigFile names, and only there");
  EXPECT_EQ(error_of(ensemble_input(lines, "1", "server.1=a:1:2\nversion=1")),
            "/zoo.cfg.dynamic.1f:2: version: \"1\" is not accepted: "
            "only server.N, group.N and weight.N in this file");
  EXPECT_EQ(error_of(ensemble_input(lines, "9", kThree)),
            "/data/myid: \"9\" is not accepted: the number of a member; a reconfiguration removed "
            "server 9: version 1f of the membership, in /zoo.cfg.dynamic.1f, is without it. If it "
            "is to come back, put the server.N lines of the members and its own in place of "
            "dynamicConfigFile in zoo.cfg, start it, and run synod reconfig --add; it brings "
            "itself up to date");
}

TEST(ConfigMembership, WarningsOfNumbersAndRoles) {
  const std::string limits(kLimits);
  EXPECT_EQ(warnings_of(ensemble_input("server.1=a:1:2\nserver.2=b:1:2\n" + limits, "1")),
            "zoo.cfg: server.*: 2 of 2 must be up: no failure is tolerated, "
            "and three servers tolerate one\n");
  EXPECT_EQ(warnings_of(ensemble_input(
                "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2\n" + limits, "1")),
            "zoo.cfg: server.*: 4 voters tolerate no more failures than 3\n");
  EXPECT_EQ(warnings_of(ensemble_input(std::string(kThree) + limits + "peerType=participant", "3")),
            "zoo.cfg:9: peerType: server.3 says observer, which counts\n");
}

TEST(ConfigMembership, GroupsAndWeights) {
  const Config config = load(ensemble_input(std::string(kThree) + std::string(kLimits) +
                                                "group.1=1:2\ngroup.2=4\nweight.2=0",
                                            "1"))
                            .config;
  ASSERT_TRUE(config.ensemble);
  EXPECT_EQ(config.ensemble->groups.at(ServerId{4}), 2);
  EXPECT_EQ(config.ensemble->weights.at(ServerId{2}), 0);
}

TEST(ConfigMembership, VersionOfADynamicFile) {
  EXPECT_EQ(version_of_dynamic_file("/etc/zoo.cfg.dynamic.100000002"), 0x100000002);
  EXPECT_EQ(version_of_dynamic_file("/etc/zoo.cfg.dynamic"), 0);
  EXPECT_EQ(version_of_dynamic_file("abc"), 0);
}

TEST(ConfigTimeouts, TicksDoNotOverflow) {
  const Config config = load(third_line("tickTime=2147483647")).config;
  EXPECT_EQ(config.min_session_timeout_ms, 2147483647);
  EXPECT_EQ(config.max_session_timeout_ms, 2147483647);
}

TEST(ConfigAccess, SaslForAllSessionsIsAnEnforcedScheme) {
  const Config config = load(third_line("sessionRequireClientSASLAuth=true")).config;
  EXPECT_TRUE(config.enforce_auth_enabled);
  EXPECT_EQ(config.enforce_auth_schemes, std::vector<std::string>{"sasl"});
}

TEST(ConfigKeys, EveryDefaultIsAcceptedAndNamesAreUnique) {
  std::vector<std::string_view> names;
  for (const KeySection& section : key_sections()) {
    for (const KeyRow& row : section.rows) {
      EXPECT_EQ(std::ranges::count(names, row.name), 0) << row.name;
      names.push_back(row.name);
      EXPECT_FALSE(row.description.empty()) << row.name;
      EXPECT_FALSE(describe(row.accepts).empty()) << row.name;
      const bool needs_remark = row.status == Status::kIgnored || row.status == Status::kLater ||
                                row.status == Status::kRefused;
      EXPECT_EQ(!row.remark.empty(), needs_remark) << row.name;
      if (!row.default_text.empty() || default_of(row) == "none") continue;
      EXPECT_TRUE(parse_value(row.accepts, default_of(row), NumberStyle::kProperty)) << row.name;
    }
  }
}

TEST(ConfigKeys, TheLongestFamilyCounts) {
  EXPECT_EQ(find_key("ssl.quorum.crl")->name, "ssl.quorum.crl");
  EXPECT_EQ(find_key("ssl.quorum.authProvider")->name, "ssl.quorum.*");
  EXPECT_EQ(find_key("ssl.crl")->name, "ssl.*");
  EXPECT_EQ(find_key("leader.nodelay")->name, "leader.nodelay");
  EXPECT_EQ(find_key("ssl."), nullptr);
  EXPECT_EQ(find_key(""), nullptr);
}

TEST(ConfigExplain, FindsKeysAsPeopleWriteThem) {
  for (const std::string_view key : {"snapCount", "zookeeper.snapCount", "SNAPCOUNT"}) {
    const auto explanation = explain(key);
    ASSERT_TRUE(explanation) << key;
    EXPECT_EQ(to_string(*explanation),
              "snapCount\n"
              "  Transactions between snapshots; at least 2.\n"
              "  set by:   snapCount=... in the file, or -Dzookeeper.snapCount=...\n"
              "  accepts:  a whole number of transactions from 2 to 2147483647\n"
              "  default:  100000\n"
              "  status:   supported\n");
  }
  EXPECT_EQ(explain("ssl.crl")->status,
            "accepted and ignored: this version does not have TLS for clients");
  EXPECT_EQ(explain("no.such.key"), std::nullopt);
}

// docs/configuration.md lies two folders above this file, or above where the test runs.
std::filesystem::path find_document() {
  const std::filesystem::path document = std::filesystem::path("docs") / "configuration.md";
  const auto beside = std::filesystem::path(__FILE__).parent_path() / ".." / ".." / document;
  if (std::filesystem::exists(beside)) return beside;
  for (auto folder = std::filesystem::current_path(); folder != folder.root_path();
       folder = folder.parent_path()) {
    if (std::filesystem::exists(folder / document)) return folder / document;
  }
  return {};
}

// SYNOD_REWRITE=1 in the environment updates the file instead.
TEST(ConfigDocument, TablesAreTheRenderedOnes) {
  const auto path = find_document();
  ASSERT_FALSE(path.empty()) << "docs/configuration.md not found";
  std::stringstream stream;
  stream << std::ifstream(path, std::ios::binary).rdbuf();
  std::string text = stream.str();
  constexpr std::string_view kBegin = "<!-- begin: rendered from the key table -->\n";
  constexpr std::string_view kEnd = "<!-- end -->";
  const std::size_t begin = text.find(kBegin);
  const std::size_t end = text.find(kEnd);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const std::size_t start = begin + kBegin.size();
  const std::string wanted = "\n" + render_key_tables();
  if (std::getenv("SYNOD_REWRITE") != nullptr) {
    text.replace(start, end - start, wanted);
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  EXPECT_TRUE(text.substr(start, end - start) == wanted)
      << "docs/configuration.md is not what the key table says; run this test with SYNOD_REWRITE=1";
}

}  // namespace
}  // namespace synod::server
