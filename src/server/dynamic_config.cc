#include "server/dynamic_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <utility>

#include "server/config_membership.h"
#include "server/properties.h"

namespace synod::server {
namespace {

namespace op = storage::op;

constexpr std::string_view kAnyAddress = "0.0.0.0";
constexpr std::size_t kConfigBytesMax = std::size_t{16} << 20;
constexpr char kTemporary[] = ".tmp";

// ---- zoo.cfg ----------------------------------------------------------------------------------

bool is_line_end(char c) { return c == '\n' || c == '\r'; }

// Lines as they stand, with what ends them.
std::vector<std::string_view> natural_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::ranges::find_if(text, is_line_end);
    std::size_t length = static_cast<std::size_t>(end - text.begin());
    if (text.substr(length).starts_with("\r\n")) ++length;
    length = std::min(length + 1, text.size());
    lines.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return lines;
}

// Does the next line belong to this one?
bool is_continued(std::string_view line) {
  while (!line.empty() && is_line_end(line.back())) line.remove_suffix(1);
  const std::size_t last = line.find_last_not_of('\\');
  const std::size_t backslashes = line.size() - (last == std::string_view::npos ? 0 : last + 1);
  return backslashes % 2 == 1;
}

// What ZooKeeper drops: the file of members says it, for every server.
bool is_replaced(std::string_view key, bool is_client_known) {
  if (is_membership_key(key) || key == "dynamicConfigFile" || key == "peerType") return true;
  return is_client_known && (key == "clientPort" || key == "clientPortAddress");
}

const consensus::Member* member(const consensus::Membership& membership, ServerId server) {
  const auto found = membership.members.find(server);
  return found == membership.members.end() ? nullptr : &found->second;
}

std::string client_lines(const consensus::Endpoint& clients) {
  std::string lines = fmt::format("clientPort={}\n", clients.port);
  if (!clients.host.empty() && clients.host != kAnyAddress)
    lines += fmt::format("clientPortAddress={}\n", clients.host);
  return lines;
}

// ---- files ------------------------------------------------------------------------------------

// Others may not read what the operator kept from them: the new file has the mode of the old.
void copy_mode(const std::string& from, const std::string& to) {
  std::error_code ignored;  // a mode that cannot be kept is no reason to lose a membership
  std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing, ignored);
}

Result<void> replace_file(storage::FilePort& files, const std::string& path, std::string text) {
  constexpr storage::FileHandle kHandle{1};
  const std::string temporary = path + kTemporary;
  return files.perform(
      {op::Create{.handle = kHandle, .path = temporary},
       op::Write{
           .handle = kHandle, .offset = 0, .bytes = std::make_shared<const Bytes>(std::move(text))},
       op::Flush{.handle = kHandle}, op::Close{.handle = kHandle},
       op::Rename{.from = temporary, .to = path},
       op::FlushDirectory{.path = std::filesystem::path(path).parent_path().string()}});
}

// The file behind a link is replaced, and the link stays.
std::string behind_links(const std::string& path) {
  std::error_code problem;
  const auto real = std::filesystem::canonical(path, problem);
  return problem ? path : real.string();
}

std::string dynamic_file_name(const std::string& prefix, const consensus::Membership& membership) {
  return fmt::format("{}.dynamic.{:x}", prefix, membership.version);
}

bool has_members(std::string_view config_text) {
  const auto entries = parse_properties(config_text);
  return entries && std::ranges::any_of(*entries, [](const PropertyEntry& entry) {
           return is_membership_key(entry.key);
         });
}

}  // namespace

std::string dynamic_file_text(const consensus::Membership& membership) {
  std::string text = membership.to_text();
  text.resize(text.rfind("version="));
  return text;
}

Result<std::string> config_text_naming(std::string_view dynamic_file, std::string_view config_text,
                                       const consensus::Membership& membership,
                                       const DynamicConfigPlace& place) {
  const auto entries = parse_properties(config_text);
  if (!entries)
    return fail(ErrorKind::kMalformed, fmt::format("line {}: {} is no character",
                                                   entries.error().line, entries.error().escape));
  const bool is_plain =
      std::ranges::all_of(dynamic_file, [](char c) { return c > ' ' && c < '\x7f' && c != '\\'; });
  if (!is_plain)
    return fail(ErrorKind::kRefused,
                fmt::format("{} has blanks, backslashes or characters beyond ASCII in its path, "
                            "which ZooKeeper's files cannot name",
                            dynamic_file));
  const consensus::Member* me = member(membership, place.self);
  const bool is_client_known = me != nullptr && me->client.has_value();
  std::set<std::size_t> dropped;  // numbers of lines, from 1
  bool has_client_port = false;
  for (const PropertyEntry& entry : *entries) {
    if (is_replaced(entry.key, is_client_known)) dropped.insert(entry.line);
    has_client_port = has_client_port || entry.key == "clientPort";
  }
  std::string text;
  const auto lines = natural_lines(config_text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool is_dropped = dropped.contains(i + 1);
    const std::size_t first = i;
    while (is_continued(lines[i]) && i + 1 < lines.size() && is_dropped) ++i;
    if (!is_dropped) text += lines[first];
  }
  if (!text.empty() && !is_line_end(text.back())) text += '\n';
  if (!is_client_known && !has_client_port && place.clients) text += client_lines(*place.clients);
  return text + fmt::format("dynamicConfigFile={}\n", dynamic_file);
}

Result<std::string> write_dynamic_file(storage::FilePort& files, const std::string& prefix,
                                       const consensus::Membership& membership) {
  std::string path = dynamic_file_name(prefix, membership);
  if (auto done = replace_file(files, path, dynamic_file_text(membership)); !done)
    return std::unexpected(done.error());
  return path;
}

Result<void> write_dynamic_config(storage::FilePort& files, const DynamicConfigPlace& place,
                                  const consensus::Membership& membership) {
  const std::string& config = place.config_file;
  const auto text = files.read(config, 0, kConfigBytesMax);
  if (!text) return std::unexpected(text.error());
  const auto naming =
      config_text_naming(dynamic_file_name(config, membership), *text, membership, place);
  if (!naming) return std::unexpected(naming.error());
  if (auto written = write_dynamic_file(files, config, membership); !written)
    return std::unexpected(written.error());
  if (has_members(*text)) {
    const std::string backup = config + ".bak";
    copy_mode(config, backup + kTemporary);
    if (auto done = replace_file(files, backup, *text); !done) return done;
  }
  const std::string target = behind_links(config);
  copy_mode(config, target + kTemporary);
  if (auto done = replace_file(files, target, *naming); !done) return done;
  // A Java server that proposed this membership and was stopped left its draft here.
  return files.perform({op::Remove{.path = config + ".dynamic.next"}});
}

}  // namespace synod::server
