#include "net/digest_md5.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <cctype>
#include <map>
#include <string_view>
#include <utility>

#include "base/assert.h"

namespace synod::net {

namespace {

// RFC 2831 allows 4096 bytes in a response, 2048 in a challenge.
constexpr std::size_t kMessageMax = 4096;
constexpr std::string_view kNonceCount = "00000001";

std::string to_hex(BytesView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    text += kDigits[value >> 4];
    text += kDigits[value & 15];
  }
  return text;
}

Bytes md5(BytesView bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  const int done =
      ::EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, ::EVP_md5(), nullptr);
  SYNOD_ASSERT(done == 1);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

// What fits into ISO 8859-1 is hashed in it, though it travels as UTF-8 (RFC 2831, 2.1.2.1).
Bytes hashed_form(BytesView text) {
  Bytes narrow;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      narrow += text[i];
      continue;
    }
    if ((byte != 0xc2 && byte != 0xc3) || i + 1 == text.size()) return Bytes(text);
    const auto next = static_cast<unsigned char>(text[++i]);
    if ((next & 0xc0) != 0x80) return Bytes(text);
    narrow += static_cast<char>((byte & 3) << 6 | (next & 0x3f));
  }
  return narrow;
}

struct Exchange {
  std::string user;
  std::string realm;
  std::string nonce;
  std::string client_nonce;
  std::string uri;
  std::optional<std::string> acts_for;  // authzid
};

// `method`: AUTHENTICATE in the client's response, nothing in the server's proof.
std::string digest_of(const Exchange& exchange, const std::string& password,
                      std::string_view method) {
  Bytes a1 = md5(hashed_form(exchange.user) + ":" + hashed_form(exchange.realm) + ":" +
                 hashed_form(password));
  a1 += ":" + exchange.nonce + ":" + exchange.client_nonce;
  if (exchange.acts_for) a1 += ":" + *exchange.acts_for;
  const Bytes a2 = std::string(method) + ":" + exchange.uri;
  return to_hex(md5(to_hex(md5(a1)) + ":" + exchange.nonce + ":" + std::string(kNonceCount) + ":" +
                    exchange.client_nonce + ":auth:" + to_hex(md5(a2))));
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

using Directives = std::map<std::string, std::string>;

void skip(BytesView& text, std::string_view what) {
  while (!text.empty() && what.find(text[0]) != BytesView::npos) text.remove_prefix(1);
}

// The value behind a '='. Nothing: it is malformed.
std::optional<std::string> take_value(BytesView& text) {
  std::string value;
  if (text.empty() || text[0] != '"') {
    const std::size_t end = std::min(text.find_first_of(", \t\r\n"), text.size());
    value = text.substr(0, end);
    text.remove_prefix(end);
    return value;
  }
  text.remove_prefix(1);
  while (!text.empty() && text[0] != '"') {
    if (text[0] == '\\') text.remove_prefix(1);
    if (text.empty()) return {};
    value += text[0];
    text.remove_prefix(1);
  }
  if (text.empty()) return {};
  text.remove_prefix(1);
  return value;
}

// name=value or name="value", with commas between; each name once, but for a challenge's realms, of
// which the first counts. Nothing: it is malformed.
std::optional<Directives> parse(BytesView text) {
  if (text.size() > kMessageMax) return {};
  Directives directives;
  for (skip(text, ", \t\r\n"); !text.empty(); skip(text, ", \t\r\n")) {
    const std::size_t end = text.find('=');
    if (end == BytesView::npos) return {};
    std::string name;
    for (const char c : text.substr(0, end))
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    text.remove_prefix(end + 1);
    std::optional<std::string> value = take_value(text);
    if (!value) return {};
    if (!directives.emplace(name, std::move(*value)).second && name != "realm") return {};
  }
  return directives;
}

std::optional<std::string> find(const Directives& directives, const char* name) {
  const auto found = directives.find(name);
  if (found == directives.end()) return {};
  return found->second;
}

bool is_same(BytesView one, BytesView other) {  // takes as long whatever differs
  return one.size() == other.size() && ::CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

}  // namespace

std::string make_nonce() {
  std::array<unsigned char, 24> random{};
  SYNOD_ASSERT(::RAND_bytes(random.data(), random.size()) == 1);
  return to_hex({reinterpret_cast<const char*>(random.data()), random.size()});
}

// ---- the server -------------------------------------------------------------------------------

DigestServer::DigestServer(DigestNames names, std::string nonce)
    : names_(std::move(names)), nonce_(std::move(nonce)) {}

Bytes DigestServer::challenge() const {
  return "realm=" + quoted(names_.host) + ",nonce=" + quoted(nonce_) +
         ",charset=utf-8,algorithm=md5-sess";
}

Result<DigestServer::Welcome> DigestServer::judge(BytesView response,
                                                  const Passwords& passwords) const {
  const auto refuse = [](const std::string& why) { return fail(ErrorKind::kRefused, why); };
  const std::optional<Directives> directives = parse(response);
  if (!directives) return refuse("a malformed response");
  Exchange exchange{.user = find(*directives, "username").value_or(""),
                    .realm = find(*directives, "realm").value_or(""),
                    .nonce = find(*directives, "nonce").value_or(""),
                    .client_nonce = find(*directives, "cnonce").value_or(""),
                    .uri = find(*directives, "digest-uri").value_or(""),
                    .acts_for = find(*directives, "authzid")};
  if (exchange.nonce != nonce_ || find(*directives, "nc") != kNonceCount)
    return refuse("the answer to another challenge");
  if (exchange.client_nonce.empty() || exchange.realm != names_.host ||
      exchange.uri != names_.service + "/" + names_.host)
    return refuse("a response for another service");
  if (find(*directives, "qop").value_or("auth") != "auth")
    return refuse("it wants more than to say who it is (qop)");
  // Somebody unknown costs as much time as somebody with a wrong password.
  const std::optional<std::string> password = passwords(exchange.user);
  const std::string expected = digest_of(exchange, password.value_or("?"), "AUTHENTICATE");
  if (!is_same(expected, find(*directives, "response").value_or("")) || !password)
    return refuse("a wrong name or password");
  if (exchange.acts_for && *exchange.acts_for != exchange.user)
    return refuse("it wants to act for somebody else");
  return Welcome{exchange.user, "rspauth=" + digest_of(exchange, *password, "")};
}

// ---- the client -------------------------------------------------------------------------------

DigestClient::DigestClient(DigestNames names, std::string user, std::string password,
                           std::string nonce)
    : names_(std::move(names)),
      user_(std::move(user)),
      password_(std::move(password)),
      nonce_(std::move(nonce)) {}

Result<Bytes> DigestClient::respond(BytesView challenge) {
  const std::optional<Directives> directives = parse(challenge);
  const std::optional<std::string> nonce = directives ? find(*directives, "nonce") : std::nullopt;
  if (!nonce || find(*directives, "algorithm") != "md5-sess")
    return fail(ErrorKind::kMalformed, "a malformed challenge");
  if (find(*directives, "qop").value_or("auth").find("auth") == std::string::npos)
    return fail(ErrorKind::kRefused, "a challenge without qop auth");
  const Exchange exchange{.user = user_,
                          .realm = find(*directives, "realm").value_or(names_.host),
                          .nonce = *nonce,
                          .client_nonce = nonce_,
                          .uri = names_.service + "/" + names_.host,
                          .acts_for = user_};
  proof_ = "rspauth=" + digest_of(exchange, password_, "");
  return "charset=utf-8,username=" + quoted(exchange.user) + ",realm=" + quoted(exchange.realm) +
         ",nonce=" + quoted(exchange.nonce) + ",nc=" + std::string(kNonceCount) +
         ",cnonce=" + quoted(exchange.client_nonce) + ",digest-uri=" + quoted(exchange.uri) +
         ",maxbuf=65536,response=" + digest_of(exchange, password_, "AUTHENTICATE") +
         ",qop=auth,authzid=" + quoted(user_);
}

bool DigestClient::is_proof(BytesView last) const {
  return !proof_.empty() && is_same(last, proof_);
}

}  // namespace synod::net
