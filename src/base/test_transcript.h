// Tests that read like transcripts:
//
//   # A comment.
//   command word "quoted text" key=value
//     part of the command
//       part of that part
//   ----
//   expected output
//
// Blank lines separate; output holds none. With SYNOD_REWRITE=1 the files are rewritten with what
// really came out, and the diff is the review.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace synod::test {

struct Command {
  std::string name;
  std::vector<std::string> words;  // as written, quotes included
  std::map<std::string, std::string> options;
  std::vector<Command> parts;  // the lines below it, two spaces in

  [[nodiscard]] bool has(const std::string& key) const { return options.contains(key); }
  [[nodiscard]] std::string option(const std::string& key,
                                   const std::string& otherwise = "") const {
    const auto found = options.find(key);
    return found == options.end() ? otherwise : found->second;
  }
  [[nodiscard]] std::int64_t number(const std::string& key, std::int64_t otherwise) const {
    return has(key) ? std::stoll(option(key), nullptr, 0) : otherwise;
  }
};

// "\x00 \n \\ \"" and the like become the bytes they stand for.
inline std::string unescaped(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      bytes.push_back(text[i]);
    } else if (text[++i] == 'n') {
      bytes.push_back('\n');
    } else if (text[i] == 'x') {
      bytes.push_back(
          static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16)));
      i += 2;
    } else {
      bytes.push_back(text[i]);
    }
  }
  return bytes;
}

// The bytes of a word: null, bare, or "quoted" pieces joined by +, each repeated by *number.
inline std::optional<std::string> text_of(const std::string& word) {
  if (word == "null") return std::nullopt;
  if (!word.starts_with('"')) return word;
  std::string bytes;
  for (std::size_t at = 0; at < word.size(); ++at) {
    std::size_t close = at + 1;
    while (word.at(close) != '"') close += word[close] == '\\' ? 2 : 1;
    const std::string piece = unescaped(std::string_view(word).substr(at + 1, close - at - 1));
    at = std::min(word.find('+', close), word.size());
    const bool is_repeated = close + 1 < at && word[close + 1] == '*';
    for (auto times = is_repeated ? std::stoul(word.substr(close + 2, at - close - 2)) : 1;
         times > 0; --times) {
      bytes += piece;
    }
  }
  return bytes;
}

inline std::string quoted(NullableView bytes) {
  if (!bytes) return "null";
  if (bytes->size() > 200) return '<' + std::to_string(bytes->size()) + " bytes>";
  std::string text = "\"";
  for (const char c : *bytes) {
    if (c == '"' || c == '\\') {
      text += std::string("\\") + c;
    } else if (c >= ' ' && c <= '~') {
      text.push_back(c);
    } else {
      constexpr char kDigits[] = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(c);
      text += std::string("\\x") + kDigits[byte >> 4] + kDigits[byte & 15];
    }
  }
  return text + '"';
}

inline std::string hex_of(std::int64_t number) {
  std::ostringstream out;
  out << "0x" << std::hex << number;
  return out.str();
}

inline std::vector<std::string> split_words(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool is_quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && is_quoted && i + 1 < line.size()) {
      word += line.substr(i++, 2);
      continue;
    }
    if (line[i] == '"') is_quoted = !is_quoted;
    if (line[i] != ' ' || is_quoted) {
      word.push_back(line[i]);
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

inline Command parse_command(std::string_view line) {
  Command command;
  for (std::string& word : split_words(line)) {
    const std::size_t equals = word.find('=');
    const bool is_option = equals != std::string::npos && std::isalpha(word[0]) != 0;
    if (command.name.empty()) {
      command.name = std::move(word);
    } else if (is_option) {
      command.options[word.substr(0, equals)] = word.substr(equals + 1);
    } else {
      command.words.push_back(std::move(word));
    }
  }
  return command;
}

// Runs the file; empty if all went as written, else what differs.
inline std::string run_transcript(const std::string& path,
                                  const std::function<std::string(const Command&)>& execute) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot open " + path);
  std::ostringstream rewritten;
  std::string differences;
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  for (std::size_t i = 0; i < lines.size();) {
    if (lines[i].empty() || lines[i][0] == '#') {
      rewritten << lines[i++] << '\n';
      continue;
    }
    const std::size_t first = i;
    Command command = parse_command(lines[i]);
    for (; i < lines.size() && lines[i] != "----"; ++i) {
      if (i != first) {
        const bool is_nested = lines[i].starts_with("    ") && !command.parts.empty();
        (is_nested ? command.parts.back() : command).parts.push_back(parse_command(lines[i]));
      }
      rewritten << lines[i] << '\n';
    }
    if (i == lines.size()) throw std::runtime_error(path + ": no ---- after: " + lines[first]);
    std::string expected;
    for (++i; i < lines.size() && !lines[i].empty(); ++i) expected += lines[i] + '\n';
    std::string actual = execute(command);
    if (!actual.empty() && !actual.ends_with('\n')) actual += '\n';
    rewritten << "----\n" << actual;
    if (actual == expected) continue;
    differences += path + ':' + std::to_string(first + 1) + ": " + lines[first] +
                   "\n  expected:\n" + expected + "  came out:\n" + actual;
  }
  const char* rewrites = std::getenv("SYNOD_REWRITE");
  if (rewrites == nullptr || *rewrites == '\0') return differences;
  std::ofstream(path) << rewritten.str();
  return {};
}

// The transcripts of a folder, by name; paths are relative to the source folder, where tests run.
inline std::vector<std::string> transcripts_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".txt") names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace synod::test
