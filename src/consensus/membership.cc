#include "consensus/membership.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <utility>

namespace synod::consensus {
namespace {

constexpr std::string_view kSpace = " \t\r\f";
constexpr std::string_view kAnyHost = "0.0.0.0";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::unexpected<Error> refuse(std::string text) {
  return fail(ErrorKind::kMalformed, std::move(text));
}

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

template <class Number>
std::optional<Number> to_number(std::string_view text, int base = 10) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, number, base);
  if (problem != std::errc{} || stop != end) return std::nullopt;
  return number;
}

bool equal_ignoring_case(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, [](char c, char expected) {
    return (c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) == expected;
  });
}

// ---- server lines -----------------------------------------------------------------------------

// Cuts at colons outside brackets; brackets stay.
Result<std::vector<std::string_view>> split_address(std::string_view text) {
  std::vector<std::string_view> parts;
  std::size_t start = 0;
  bool is_bracketed = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '[' || text[at] == ']') {
      if (is_bracketed == (text[at] == '['))
        return refuse("brackets do not match: " + quoted(text));
      is_bracketed = !is_bracketed;
    } else if (text[at] == ':' && !is_bracketed) {
      parts.push_back(trimmed(text.substr(start, at - start)));
      start = at + 1;
    }
  }
  if (is_bracketed) return refuse("brackets do not match: " + quoted(text));
  parts.push_back(trimmed(text.substr(start)));
  return parts;
}

Result<std::string> parse_host(std::string_view text) {
  if (text.starts_with('[')) {
    if (!text.ends_with(']')) return refuse("something follows the bracket: " + quoted(text));
    text = text.substr(1, text.size() - 2);
  }
  if (text.empty()) return refuse("a host is missing");
  if (text.find_first_of("[] \t\n;|=") != std::string_view::npos) {
    return refuse("not a host name: " + quoted(text));
  }
  return std::string(text);
}

Result<std::uint16_t> parse_port(std::string_view text, std::string_view what) {
  const auto port = to_number<std::uint16_t>(text);
  if (!port || *port == 0) {
    return refuse("the " + std::string(what) + " port has to be 1 to 65535, not " + quoted(text));
  }
  return *port;
}

// host:quorumPort:electionPort[:role], added to the member. The role, where there is one.
Result<std::optional<bool>> parse_address(std::string_view text, Member& member) {
  const auto parts = split_address(trimmed(text));
  if (!parts) return std::unexpected(parts.error());
  if (parts->size() < 3 || parts->size() > 4) {
    return refuse("an address is host:quorumPort:electionPort[:role], not " + quoted(text));
  }
  auto host = parse_host((*parts)[0]);
  if (!host) return std::unexpected(host.error());
  const auto quorum_port = parse_port((*parts)[1], "quorum");
  if (!quorum_port) return std::unexpected(quorum_port.error());
  const auto election_port = parse_port((*parts)[2], "election");
  if (!election_port) return std::unexpected(election_port.error());
  if (*quorum_port == *election_port) {
    return refuse("quorum port and election port are the same: " + quoted(text));
  }
  member.quorum.push_back({*host, *quorum_port});
  member.election.push_back({*std::move(host), *election_port});
  if (parts->size() == 3) return std::nullopt;
  const std::string_view role = (*parts)[3];
  if (equal_ignoring_case(role, "observer")) return true;
  if (equal_ignoring_case(role, "participant")) return false;
  return refuse("the role has to be participant or observer, not " + quoted(role));
}

Result<Endpoint> parse_client(std::string_view text) {
  const auto parts = split_address(trimmed(text));
  if (!parts) return std::unexpected(parts.error());
  if (parts->size() > 2) {
    return refuse("the client part is [clientHost:]clientPort, not " + quoted(text));
  }
  const auto port = parse_port(parts->back(), "client");
  if (!port) return std::unexpected(port.error());
  if (parts->size() == 1) return Endpoint{std::string(kAnyHost), *port};
  auto host = parse_host(parts->front());
  if (!host) return std::unexpected(host.error());
  return Endpoint{*std::move(host), *port};
}

std::string host_text(const std::string& host) {
  return host.contains(':') ? '[' + host + ']' : host;
}

// ---- the lines of a configuration ---------------------------------------------------------------

// A line as Java's properties have it: key, then `=`, `:` or blanks, then the value; a backslash
// takes the meaning from what follows it.
std::pair<std::string, std::string> split_property(std::string_view line) {
  std::pair<std::string, std::string> property;
  std::size_t at = 0;
  const auto read = [&](std::string& into, std::string_view ends) {
    for (; at < line.size() && !ends.contains(line[at]); ++at) {
      if (line[at] == '\\' && at + 1 < line.size()) ++at;
      into.push_back(line[at]);
    }
  };
  const auto skip_blanks = [&] {
    while (at < line.size() && kSpace.contains(line[at])) ++at;
  };
  read(property.first, "=: \t\f");
  skip_blanks();
  if (at < line.size() && (line[at] == '=' || line[at] == ':')) ++at;
  skip_blanks();
  read(property.second, "");
  return property;
}

Result<void> read_server(std::int64_t number, const std::string& value, Membership& into) {
  if (number < 1 || number > kMaxServerId) return refuse("a server's number is 1 to 254");
  auto member = parse_member(value);
  if (!member) return std::unexpected(member.error());
  if (!into.members.emplace(ServerId{number}, *std::move(member)).second) {
    return refuse("this server was configured before");
  }
  return {};
}

Result<void> read_group(std::int64_t number, const std::string& value, Membership& into) {
  for (const std::string_view part : split(value, ':')) {
    const auto server = to_number<std::int64_t>(trimmed(part));
    if (!server) return refuse("a group is server numbers joined by colons, not " + quoted(value));
    if (!into.groups.emplace(ServerId{*server}, number).second) {
      return refuse("server " + std::to_string(*server) + " is in a group already");
    }
  }
  return {};
}

Result<void> read_weight(std::int64_t number, const std::string& value, Membership& into) {
  const auto weight = to_number<std::int64_t>(value);
  if (!weight || *weight < 0 || *weight > std::numeric_limits<std::int32_t>::max()) {
    return refuse("a weight is a number, 0 or more, not " + quoted(value));
  }
  into.weights[ServerId{number}] = *weight;
  return {};
}

Result<void> read_property(const std::string& key, const std::string& value, Membership& into) {
  if (key == "version") {
    const auto version = to_number<std::int64_t>(value, 16);
    if (!version) return refuse("the version is a hexadecimal number, not " + quoted(value));
    into.version = *version;
    return {};
  }
  const std::size_t dot = key.find('.');
  const std::string kind = key.substr(0, dot);
  const std::int64_t number =
      dot == std::string::npos ? -1 : to_number<std::int64_t>(key.substr(dot + 1)).value_or(-1);
  if (kind != "server" && kind != "group" && kind != "weight") {
    return refuse("only server.N, group.N, weight.N and version are known here");
  }
  if (number < 0) return refuse("a number has to follow the dot");
  if (kind == "server") return read_server(number, value, into);
  return kind == "group" ? read_group(number, value, into) : read_weight(number, value, into);
}

// Across an empty set there is no majority.
bool is_majority(std::int64_t part, std::int64_t of_all) { return part > of_all / 2; }

}  // namespace

Result<Member> parse_member(std::string_view line) {
  const auto parts = split(line, ';');
  if (parts.size() > 2) return refuse("more than one ';': " + quoted(line));
  Member member;
  std::optional<bool> is_observer;
  for (const std::string_view address : split(parts[0], '|')) {
    const auto role = parse_address(address, member);
    if (!role) return std::unexpected(role.error());
    if (*role && is_observer && **role != *is_observer) {
      return refuse("one server has two roles: " + quoted(parts[0]));
    }
    if (*role) is_observer = *role;
  }
  member.is_observer = is_observer.value_or(false);
  if (parts.size() == 2) {
    auto client = parse_client(parts[1]);
    if (!client) return std::unexpected(client.error());
    member.client = *std::move(client);
  }
  return member;
}

std::string to_line(const Member& member) {
  std::vector<std::string> addresses;
  addresses.reserve(member.quorum.size());
  for (std::size_t i = 0; i < member.quorum.size(); ++i) {
    addresses.push_back(host_text(member.quorum[i].host) + ':' +
                        std::to_string(member.quorum[i].port) + ':' +
                        std::to_string(member.election[i].port));
  }
  std::ranges::sort(addresses);
  std::string line;
  for (const std::string& address : addresses) line += (line.empty() ? "" : "|") + address;
  line += member.is_observer ? ":observer" : ":participant";
  if (member.client) {
    line += ';' + host_text(member.client->host) + ':' + std::to_string(member.client->port);
  }
  return line;
}

bool add_to(Servers& servers, ServerId server) {
  const auto at = std::ranges::lower_bound(servers, server);
  if (at != servers.end() && *at == server) return false;
  servers.insert(at, server);
  return true;
}

bool Membership::is_voter(ServerId server) const {
  const auto found = members.find(server);
  return found != members.end() && !found->second.is_observer;
}

std::vector<ServerId> Membership::voters() const {
  std::vector<ServerId> voters;
  for (const auto& [server, member] : members) {
    if (!member.is_observer) voters.push_back(server);
  }
  return voters;
}

std::size_t Membership::voter_count() const { return voters().size(); }

std::int64_t Membership::weight(ServerId server) const {
  if (!is_voter(server)) return 0;
  const auto found = weights.find(server);
  return groups.empty() || found == weights.end() ? 1 : found->second;
}

// Hierarchical: a majority of the groups that weigh anything, each by a majority of its weight.
bool Membership::is_quorum(const Servers& servers) const {
  if (groups.empty()) {
    const auto voting = std::ranges::count_if(servers, [&](ServerId s) { return is_voter(s); });
    return is_majority(voting, static_cast<std::int64_t>(voter_count()));
  }
  std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>> weight_of_group;  // all, and these
  for (const auto& [server, group] : groups) {
    auto& [all, these] = weight_of_group[group];
    all += weight(server);
    if (std::ranges::binary_search(servers, server)) these += weight(server);
  }
  std::int64_t groups_that_count = 0;
  std::int64_t groups_won = 0;
  for (const auto& [group, weights_of] : weight_of_group) {
    const auto& [all, these] = weights_of;
    if (all == 0) continue;
    ++groups_that_count;
    if (is_majority(these, all)) ++groups_won;
  }
  return is_majority(groups_won, groups_that_count);
}

Result<void> Membership::check() const {
  if (voter_count() == 0) return refuse("no server is a participant: there is nobody to vote");
  if (groups.empty() && weights.empty()) return {};
  for (const auto& [server, group] : groups) {
    if (!members.contains(server)) {
      return refuse("group." + std::to_string(group) + ": there is no server." +
                    std::to_string(server.value));
    }
  }
  for (const auto& [server, weight] : weights) {
    if (!members.contains(server)) {
      return refuse("weight." + std::to_string(server.value) + ": there is no server." +
                    std::to_string(server.value));
    }
  }
  bool has_weight = false;
  for (const ServerId voter : voters()) {
    if (!groups.contains(voter)) {
      return refuse("server." + std::to_string(voter.value) +
                    " is in no group: with groups or weights every participant is in exactly one");
    }
    has_weight = has_weight || weight(voter) > 0;
  }
  if (!has_weight) return refuse("every participant has weight 0: no vote could ever win");
  return {};
}

std::string Membership::to_text() const {
  std::string text;
  for (const auto& [server, member] : members) {
    text += "server." + std::to_string(server.value) + '=' + to_line(member) + '\n';
  }
  std::map<std::int64_t, std::string> lines;
  for (const auto& [server, group] : groups) {
    std::string& line = lines[group];
    line += (line.empty() ? "" : ":") + std::to_string(server.value);
  }
  for (const auto& [group, line] : lines) {
    text += "group." + std::to_string(group) + '=' + line + '\n';
  }
  if (!groups.empty()) {
    for (const ServerId voter : voters()) {
      text += "weight." + std::to_string(voter.value) + '=' + std::to_string(weight(voter)) + '\n';
    }
  }
  char digits[17];
  const auto end =
      std::to_chars(std::begin(digits), std::end(digits), static_cast<std::uint64_t>(version), 16);
  return text + "version=" + std::string(std::begin(digits), end.ptr);
}

Result<Membership> Membership::parse(std::string_view text) {
  Membership membership;
  for (const std::string_view raw : split(text, '\n')) {
    const std::string_view line = trimmed(raw);
    if (line.empty() || line.starts_with('#') || line.starts_with('!')) continue;
    const auto [key, value] = split_property(line);
    if (const auto read = read_property(key, value, membership); !read) {
      return fail(read.error().kind, key + ": " + read.error().text);
    }
  }
  if (const auto sound = membership.check(); !sound) return std::unexpected(sound.error());
  return membership;
}

}  // namespace synod::consensus
