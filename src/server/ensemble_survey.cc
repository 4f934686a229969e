#include "server/ensemble_survey.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "server/admin_session.h"
#include "server/ask_server.h"
#include "server/config_membership.h"

namespace synod::server {
namespace {

using consensus::Member;
using consensus::Membership;
using std::chrono::milliseconds;

// What helps to know, beside srvr, which every server answers.
constexpr std::array<std::string_view, 3> kWords = {"conf", "mntr", "hash"};
constexpr std::string_view kSynodMark = "-synod-";
constexpr std::string_view kFolder = "/version-2";

bool is_refused(std::string_view answer) { return answer.contains("not in the whitelist"); }

std::string without_folder(std::string_view path) {
  if (path.ends_with(kFolder)) path.remove_suffix(kFolder.size());
  return std::string(path == "-" ? "" : path);
}

// "dataDir=/var/lib/zookeeper/version-2", of a Java server.
void take_conf(SurveyedServer& server, const std::string& conf) {
  const Answer lines = parse_lines(conf, "=");
  server.data_dir = without_folder(value_of(lines, "dataDir"));
  server.data_log_dir = without_folder(value_of(lines, "dataLogDir"));
  const std::string_view port = value_of(lines, "secureClientPort");
  server.secure_port = port == "-" || port == "-1" ? "" : port;
}

void ask_words(SurveyedServer& server, const ServerAddress& address, milliseconds patience) {
  for (const std::string_view word : kWords) {
    // Ours says by `quor` what these would.
    if (server.kind == ServerKind::kSynod && word != "hash") continue;
    std::string ignored;
    const auto answer = ask_word(address, word, patience, ignored);
    if (answer && is_refused(*answer)) server.unanswered.emplace_back(word);
    if (answer && word == "conf") take_conf(server, *answer);
  }
}

// Its number and its membership.
void ask_session(SurveyedServer& server, const ServerAddress& address, milliseconds patience) {
  auto session = AdminSession::open(address, patience);
  if (!session) {
    server.trouble = "it takes no session: " + session.error().text;
    return;
  }
  server.id = session->server();
  if (const auto config = session->config()) {
    server.membership_text = config->text;
    server.zxid = std::max(server.zxid, config->seen);
  }
}

std::size_t number_of(const Answer& answer, std::string_view key) {
  const std::string_view text = value_of(answer, key);
  std::size_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

const std::string& host_of(const Member& member) { return member.quorum.front().host; }

bool is_any(const std::string& host) { return host.empty() || host == "0.0.0.0" || host == "::"; }

// Where a member's clients would go: its line says so, or its host has the port the others have.
std::string likely_address(const Member& member, std::string_view usual_port) {
  if (member.client)
    return fmt::format("{}:{}", is_any(member.client->host) ? host_of(member) : member.client->host,
                       member.client->port);
  return usual_port.empty() ? "" : fmt::format("{}:{}", host_of(member), usual_port);
}

void set_client(Member& member, const std::string& address) {
  if (address.empty()) return;
  const ServerAddress parsed = parse_address(address);
  std::uint16_t port = 0;
  std::from_chars(parsed.port.data(), parsed.port.data() + parsed.port.size(), port);
  member.client = consensus::Endpoint{parsed.host, port};
}

// Who belongs, by the newest membership that anybody told.
Survey begun_with(const std::vector<SurveyedServer>& asked, const SurveyWish& wish) {
  Survey survey;
  for (const SurveyedServer& server : asked) {
    survey.seen = std::max(survey.seen, server.zxid);
    const auto membership = Membership::parse(server.membership_text);
    if (!membership || membership->members.empty()) continue;
    if (!survey.source.empty() && membership->version <= survey.membership.version) continue;
    survey.membership = *membership;
    survey.source = server.address;
  }
  if (survey.source.empty() && wish.membership) {
    survey.membership = *wish.membership;
    survey.source = "the file";
  }
  return survey;
}

std::unexpected<Error> nobody_says(const std::vector<SurveyedServer>& asked) {
  if (std::ranges::any_of(asked, [](const auto& one) { return one.mode == "standalone"; }))
    return fail(ErrorKind::kRefused,
                "That server runs alone: nothing is to be migrated one after the other. Stop it, "
                "and start `synod serve` with its zoo.cfg.");
  std::string troubles;
  for (const SurveyedServer& server : asked)
    if (!server.is_serving())
      troubles += fmt::format("\n  {}: {}", server.address,
                              server.trouble.empty() ? "does not serve" : server.trouble);
  return fail(ErrorKind::kNotFound,
              "No server says who belongs to the ensemble. Name others with --server host:port: "
              "their plain client ports." +
                  troubles);
}

}  // namespace

VersionLine read_version(std::string_view line) {
  if (line.empty()) return {};
  if (const std::size_t mark = line.find(kSynodMark); mark != std::string_view::npos)
    return {ServerKind::kSynod, std::string(line.substr(mark + kSynodMark.size()))};
  return {ServerKind::kJava, std::string(line.substr(0, line.find_first_of("-, ")))};
}

std::string name_of(const SurveyedServer& server) {
  switch (server.kind) {
    case ServerKind::kSynod:
      return "Synod " + server.version;
    case ServerKind::kJava:
      return "Java " + server.version;
    case ServerKind::kUnknown:
      return "-";
  }
  return {};
}

SurveyedServer glance_at(const std::string& address, milliseconds patience) {
  SurveyedServer server;
  server.address = address;
  const ServerAddress parsed = parse_address(address);
  const auto srvr = ask_word(parsed, "srvr", patience, server.trouble);
  if (!srvr) return server;
  const Answer said = parse_lines(*srvr, ": ");
  const auto mode = said.find("Mode");
  if (mode == said.end()) {
    std::string ignored;
    const auto quor = ask_word(parsed, "quor", patience, ignored);
    const bool is_ours = quor && quor->contains("mode=");
    server.kind = is_ours ? ServerKind::kSynod : ServerKind::kUnknown;
    server.mode = "looking";
    return server;
  }
  auto [kind, version] = read_version(value_of(said, "Zookeeper version"));
  server.kind = kind;
  server.version = std::move(version);
  server.mode = mode->second;
  server.nodes = number_of(said, "Node count");
  server.zxid = zxid_of({{"zxid", std::string(value_of(said, "Zxid"))}}).value_or(Zxid{});
  return server;
}

SurveyedServer look_at(const std::string& address, milliseconds patience) {
  SurveyedServer server = glance_at(address, patience);
  if (!server.is_serving()) return server;
  const ServerAddress parsed = parse_address(address);
  if (server.kind == ServerKind::kSynod) {
    std::string ignored;
    server.engine = value_of(ask_server(parsed, patience, ignored), "consensus");
  }
  ask_words(server, parsed, patience);
  ask_session(server, parsed, patience);
  return server;
}

std::optional<std::size_t> synced_followers(const std::string& address, milliseconds patience) {
  std::string ignored;
  const auto mntr = ask_word(parse_address(address), "mntr", patience, ignored);
  if (!mntr) return std::nullopt;
  const Answer said = parse_lines(*mntr, "\t");
  if (!said.contains("zk_synced_followers")) return std::nullopt;
  return number_of(said, "zk_synced_followers");
}

std::map<ServerId, std::string> place(std::vector<SurveyedServer> asked, Survey& survey) {
  const auto is_free = [&](ServerId id) { return !survey.servers.contains(id); };
  const auto put = [&](ServerId id, SurveyedServer& server) {
    set_client(survey.membership.members.at(id), server.address);
    survey.servers.emplace(id, std::move(server));
  };
  std::vector<SurveyedServer> unnamed;
  for (SurveyedServer& server : asked) {
    if (survey.membership.members.contains(server.id) && is_free(server.id))
      put(server.id, server);
    else if (server.id == ServerId{})
      unnamed.push_back(std::move(server));
  }
  std::vector<SurveyedServer> unplaced;
  for (SurveyedServer& server : unnamed) {
    std::vector<ServerId> there;
    for (const auto& [id, member] : survey.membership.members)
      if (host_of(member) == parse_address(server.address).host) there.push_back(id);
    if (there.size() == 1 && is_free(there.front()))
      put(there.front(), server);
    else
      unplaced.push_back(std::move(server));
  }
  std::map<ServerId, std::string> left;
  for (const auto& [id, member] : survey.membership.members)
    if (is_free(id)) left[id] = likely_address(member, "");
  if (left.size() == 1 && unplaced.size() == 1) {
    put(left.begin()->first, unplaced.front());
    left.clear();
  }
  return left;
}

Result<Survey> survey_ensemble(const SurveyWish& wish) {
  std::vector<SurveyedServer> asked;
  for (const std::string& address : wish.addresses)
    asked.push_back(look_at(address, wish.patience));
  Survey survey = begun_with(asked, wish);
  if (survey.source.empty()) return nobody_says(asked);
  // The port that the others have is the likely one of a member that nobody named.
  const std::string usual_port =
      wish.addresses.empty() ? "" : parse_address(wish.addresses.front()).port;
  for (const auto& [id, stated] : place(std::move(asked), survey)) {
    consensus::Member& member = survey.membership.members.at(id);
    const bool is_guess = stated.empty();
    const std::string address = is_guess ? likely_address(member, usual_port) : stated;
    SurveyedServer server = address.empty() ? SurveyedServer{} : look_at(address, wish.patience);
    const bool is_other = server.id != id && server.id != ServerId{};
    if (address.empty() || is_other || (is_guess && !server.is_serving())) {
      server = {};
      server.trouble = "its client port is not known: name it with --server";
    }
    set_client(member, server.address);
    survey.servers.emplace(id, std::move(server));
  }
  return survey;
}

Result<ServerId> find_server(const Survey& survey, std::string_view word) {
  if (const auto id = parse_server_id(word); id && survey.servers.contains(*id)) return *id;
  std::vector<ServerId> found;
  for (const auto& [id, server] : survey.servers) {
    if (server.address == word) return id;
    const bool is_host = host_of(survey.membership.members.at(id)) == word ||
                         (!server.address.empty() && parse_address(server.address).host == word);
    if (is_host) found.push_back(id);
  }
  if (found.size() == 1) return found.front();
  return fail(ErrorKind::kMalformed,
              found.empty() ? fmt::format("{} is no member: give its number (server.N), its "
                                          "host, or its host:port",
                                          word)
                            : fmt::format("{} members are on {}: give the number (server.N)",
                                          found.size(), word));
}

}  // namespace synod::server
