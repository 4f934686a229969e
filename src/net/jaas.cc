#include "net/jaas.h"

#include <cctype>
#include <optional>
#include <utility>

namespace synod::net {

namespace {

struct Token {
  enum class Kind { kEnd, kWord, kQuoted, kSign } kind = Kind::kEnd;
  std::string text;
  std::size_t line = 1;
  [[nodiscard]] bool is_sign(char sign) const { return kind == Kind::kSign && text[0] == sign; }
};

class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  // Nothing: a comment or a quotation does not end.
  std::optional<Token> next() {
    if (!skip_blanks()) return {};
    Token token{.line = line_};
    if (rest_.empty()) return token;
    if (rest_[0] == '"' || rest_[0] == '\'') return quoted(std::move(token));
    if (!is_word(rest_[0])) {
      token.kind = Token::Kind::kSign;
      token.text = rest_[0];
      rest_.remove_prefix(1);
      return token;
    }
    token.kind = Token::Kind::kWord;
    while (!rest_.empty() && is_word(rest_[0])) token.text += take();
    return token;
  }
  [[nodiscard]] std::size_t line() const { return line_; }

 private:
  static bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("_-.$:/@").find(c) != std::string_view::npos;
  }
  char take() {
    const char c = rest_[0];
    if (c == '\n') ++line_;
    rest_.remove_prefix(1);
    return c;
  }

  bool skip_blanks() {
    while (!rest_.empty()) {
      if (std::isspace(static_cast<unsigned char>(rest_[0])) != 0) {
        take();
      } else if (rest_.starts_with("//") || rest_[0] == '#') {
        while (!rest_.empty() && rest_[0] != '\n') take();
      } else if (rest_.starts_with("/*")) {
        while (!rest_.empty() && !rest_.starts_with("*/")) take();
        if (rest_.empty()) return false;
        rest_.remove_prefix(2);
      } else {
        return true;
      }
    }
    return true;
  }

  std::optional<Token> quoted(Token token) {
    token.kind = Token::Kind::kQuoted;
    const char quote = take();
    while (!rest_.empty() && rest_[0] != quote && rest_[0] != '\n') {
      char c = take();
      if (c == '\\' && !rest_.empty()) {
        c = take();
        if (c == 'n') c = '\n';
        if (c == 't') c = '\t';
      }
      token.text += c;
    }
    if (rest_.empty() || rest_[0] != quote) return {};
    rest_.remove_prefix(1);
    return token;
  }

  std::string_view rest_;
  std::size_t line_ = 1;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : scanner_(text) { advance(); }

  Result<JaasSections> parse() {
    JaasSections sections;
    while (!is_bad_ && token_.kind != Token::Kind::kEnd) {
      const std::string name = name_of("a section's name");
      expect('{');
      std::vector<JaasModule> modules;
      while (!is_bad_ && !token_.is_sign('}')) modules.push_back(module());
      expect('}');
      expect(';');
      if (!sections.emplace(name, std::move(modules)).second) complain("a new section; " + name);
    }
    if (is_bad_) {
      return fail(ErrorKind::kMalformed, "line " + std::to_string(line_) + ": expected " + wanted_);
    }
    return sections;
  }

 private:
  JaasModule module() {
    JaasModule module;
    module.name = name_of("a login module");
    module.flag = name_of("required, requisite, sufficient or optional");
    while (!is_bad_ && !token_.is_sign(';')) {
      std::string option = name_of("an option, or ; after the last");
      expect('=');
      module.options[std::move(option)] = name_of("the option's value");
    }
    expect(';');
    return module;
  }

  std::string name_of(const std::string& wanted) {
    if (token_.kind != Token::Kind::kWord && token_.kind != Token::Kind::kQuoted) {
      complain(wanted);
      return {};
    }
    std::string text = std::move(token_.text);
    advance();
    return text;
  }
  void expect(char sign) {
    if (!token_.is_sign(sign)) return complain(std::string(1, sign));
    advance();
  }
  void advance() {
    std::optional<Token> token = scanner_.next();
    if (!token) {
      token_.line = scanner_.line();
      return complain("the end of a comment or a quotation");
    }
    token_ = std::move(*token);
  }
  void complain(const std::string& wanted) {
    if (std::exchange(is_bad_, true)) return;
    line_ = token_.line;
    wanted_ = wanted;
  }

  Scanner scanner_;
  Token token_;
  bool is_bad_ = false;
  std::size_t line_ = 0;
  std::string wanted_;
};

}  // namespace

Result<JaasSections> parse_jaas(std::string_view text) { return Parser(text).parse(); }

}  // namespace synod::net
