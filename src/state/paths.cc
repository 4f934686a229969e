#include "state/paths.h"

#include <cstddef>
#include <cstdint>

namespace synod::state {
namespace {

constexpr std::uint32_t kMalformed = 0xFFFFFFFF;

// Takes one code point off the front. Overlong forms, lone continuation bytes and cut sequences are
// malformed; so is what needs four bytes, since no path may hold it anyway.
std::uint32_t take_code_point(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto is_continuation = [&](std::size_t i) {
    return i < text.size() && (byte(i) & 0xC0) == 0x80;
  };
  std::uint32_t code = byte(0);
  std::size_t length = 1;
  if (code >= 0x80) {
    if (code >= 0xC2 && code <= 0xDF && is_continuation(1)) {
      code = ((code & 0x1FU) << 6) | (byte(1) & 0x3FU);
      length = 2;
    } else if ((code & 0xF0) == 0xE0 && is_continuation(1) && is_continuation(2)) {
      code = ((code & 0x0FU) << 12) | ((byte(1) & 0x3FU) << 6) | (byte(2) & 0x3FU);
      length = 3;
      if (code < 0x800) return kMalformed;
    } else {
      return kMalformed;
    }
  }
  text.remove_prefix(length);
  return code;
}

bool is_legal(std::uint32_t code) {
  return (code >= 0x20 && code <= 0x7E) || (code >= 0xA0 && code <= 0xD7FF) ||
         (code >= 0xF900 && code <= 0xFFEF);
}

bool is_legal_component(std::string_view name) {
  return !name.empty() && name != "." && name != "..";
}

}  // namespace

bool is_valid_path(std::string_view path) {
  if (path.empty() || path.front() != '/') return false;
  if (path == "/") return true;
  std::string_view rest = path.substr(1);
  while (true) {
    const std::size_t slash = rest.find('/');
    if (!is_legal_component(rest.substr(0, slash))) return false;
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  for (std::string_view text = path; !text.empty();) {
    if (!is_legal(take_code_point(text))) return false;
  }
  return true;
}

std::string_view parent_of(std::string_view path) { return path.substr(0, path.rfind('/')); }

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool is_protected(std::string_view path) {
  return path == "/" || path == kZookeeperPath || path == kQuotaPath || path == kConfigPath;
}

bool is_below_zookeeper(std::string_view path) { return path.starts_with("/zookeeper/"); }

}  // namespace synod::state
