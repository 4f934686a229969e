// A running ensemble as its servers tell of it, ZooKeeper's and ours alike: who belongs, where each
// is reached, what it runs, how far it has come.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "consensus/membership.h"

namespace synod::server {

enum class ServerKind { kUnknown, kJava, kSynod };

struct SurveyedServer {
  std::string address;  // host:port where it was asked; empty: nobody said where
  std::string trouble;  // why it did not answer; empty: it did
  ServerKind kind = ServerKind::kUnknown;
  std::string version;  // 3.8.0
  std::string mode;     // leader, follower, observer, standalone; looking: it does not serve
  std::string engine;   // of Synod; empty: zab, being Java's
  ServerId id;          // 0: it does not serve, and cannot be asked
  Zxid zxid;
  std::size_t nodes = 0;
  // Where `conf` may be asked, empty otherwise: what it runs on, its port for clients with TLS.
  std::string data_dir;
  std::string data_log_dir;
  std::string secure_port;
  std::string membership_text;          // of /zookeeper/config
  std::vector<std::string> unanswered;  // words that its whitelist keeps from us

  [[nodiscard]] bool is_serving() const {
    return trouble.empty() && !mode.empty() && mode != "looking";
  }
};

struct Survey {
  consensus::Membership membership;            // the client addresses are those where we reach them
  std::string source;                          // who said so
  std::map<ServerId, SurveyedServer> servers;  // every member
  Zxid seen;                                   // the ensemble had this much
};

struct SurveyWish {
  std::vector<std::string> addresses;               // host:port of members
  std::optional<consensus::Membership> membership;  // of a file, for what no server says
  std::chrono::milliseconds patience{5000};         // for one server
};

// "Synod 0.1.0", "Java 3.8.0": how a server is called on paper.
[[nodiscard]] std::string name_of(const SurveyedServer& server);

// One server: what it runs, in which role, how far it has come. By words that are always answered,
// and that leave no trace: to be asked again and again. Blocks, as the next two do.
[[nodiscard]] SurveyedServer glance_at(const std::string& address,
                                       std::chrono::milliseconds patience);
// And its number, its membership and its directories, by a short session and more words.
[[nodiscard]] SurveyedServer look_at(const std::string& address,
                                     std::chrono::milliseconds patience);

// All of them. An error: nobody answers, or no ensemble does.
[[nodiscard]] Result<Survey> survey_ensemble(const SurveyWish& wish);

// What a version line of `srvr` says: "3.8.0-${mvngit.commit.id}, built on…" is Java 3.8.0,
// "3.9.5-synod-0.1.0" is Synod 0.1.0.
struct VersionLine {
  ServerKind kind = ServerKind::kUnknown;
  std::string version;
};
[[nodiscard]] VersionLine read_version(std::string_view line);

// How many followers a Java leader has in step; nothing where its whitelist keeps `mntr` from us.
[[nodiscard]] std::optional<std::size_t> synced_followers(const std::string& address,
                                                          std::chrono::milliseconds patience);

// Which member is meant: its number, its host:port, or a host that only one member has.
[[nodiscard]] Result<ServerId> find_server(const Survey& survey, std::string_view word);

// Puts those that were asked in the place of the members they are: by what they say, else by their
// host, else because one place is left. The addresses of members that nobody asked yet come back.
[[nodiscard]] std::map<ServerId, std::string> place(std::vector<SurveyedServer> asked,
                                                    Survey& survey);

}  // namespace synod::server
