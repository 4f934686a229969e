#include "net/quorum_sasl.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "jute/codec.h"

namespace synod::net {

namespace {

constexpr const char* kService = "zookeeper-quorum";
constexpr const char* kServerName = "zk-quorum-sasl-md5";
constexpr std::string_view kUserPrefix = "user_";

// QuorumAuthPacket: the magic, int status, buffer token. Big-endian, without a length before it.
constexpr std::string_view kMagic("\x5f\x24\x35\x01\x35\x01\xed\xcc", 8);
constexpr std::size_t kHeaderSize = 16;
constexpr std::int32_t kInProgress = 0;
constexpr std::int32_t kSuccess = 1;
constexpr std::int32_t kError = -1;
constexpr std::int32_t kTokenMax = 64 * 1024;

Result<std::map<std::string, std::string>> digest_options(const JaasSections& sections,
                                                          const std::string& name) {
  const auto section = sections.find(name);
  if (section == sections.end() || section->second.empty())
    return fail(ErrorKind::kRefused, "there is no section " + name);
  const JaasModule& module = section->second.front();
  if (!module.name.ends_with("DigestLoginModule")) {
    return fail(ErrorKind::kRefused, "section " + name + " asks for " + module.name +
                                         "; servers authenticate each other by DigestLoginModule");
  }
  return module.options;
}

}  // namespace

Result<SaslOptions> sasl_options(const JaasSections& sections, const std::string& server_section,
                                 const std::string& learner_section) {
  const auto server = digest_options(sections, server_section);
  if (!server) return std::unexpected(server.error());
  const auto learner = digest_options(sections, learner_section);
  if (!learner) return std::unexpected(learner.error());
  SaslOptions options;
  for (const auto& [name, value] : *server) {
    if (name.starts_with(kUserPrefix)) options.passwords[name.substr(kUserPrefix.size())] = value;
  }
  const auto text = [&](const char* name) {
    const auto found = learner->find(name);
    return found == learner->end() ? std::string() : found->second;
  };
  options.username = text("username");
  options.password = text("password");
  if (options.username.empty()) {
    return fail(ErrorKind::kRefused, "section " + learner_section + " has no username");
  }
  return options;
}

// ---- one link ---------------------------------------------------------------------------------

QuorumSasl::QuorumSasl(std::shared_ptr<const SaslOptions> options, Side side, bool is_required)
    : options_(std::move(options)), side_(side), is_required_(is_required) {
  if (side_ == Side::kServer) return;
  client_.emplace(DigestNames{kService, kServerName}, options_->username, options_->password,
                  make_nonce());
  send(kInProgress, {});  // the server makes the challenge
}

void QuorumSasl::receive(BytesView wire) {
  input_.append(wire);
  while (!is_done_ && failure_.empty() && take_packet()) {
  }
}

// False: it is not all there.
bool QuorumSasl::take_packet() {
  const std::size_t compared = std::min(input_.size(), kMagic.size());
  if (BytesView(input_).substr(0, compared) != kMagic.substr(0, compared)) {
    if (side_ == Side::kServer && !server_ && !is_required_) {
      is_done_ = true;  // one without SASL
    } else {
      fail(side_ == Side::kServer
               ? "it does not authenticate itself (quorum.auth.serverRequireSasl)"
               : "it answers with something else");
    }
    return false;
  }
  if (input_.size() < kHeaderSize) return false;
  jute::Reader reader(BytesView(input_).substr(kMagic.size()));
  const std::int32_t status = reader.i32();
  const std::int32_t size = std::max(reader.i32(), 0);  // -1: none
  if (size > kTokenMax) {
    fail("a token of " + std::to_string(size) + " bytes");
    return false;
  }
  const std::size_t end = kHeaderSize + static_cast<std::size_t>(size);
  if (input_.size() < end) return false;
  const Bytes token = input_.substr(kHeaderSize, static_cast<std::size_t>(size));
  input_.erase(0, end);
  if (side_ == Side::kServer)
    step_server(token);
  else
    step_learner(status, token);
  return true;
}

// The first packet is empty: DIGEST-MD5 begins with the server.
void QuorumSasl::step_server(BytesView token) {
  if (!server_) {
    server_.emplace(DigestNames{kService, kServerName}, make_nonce());
    return send(kInProgress, server_->challenge());
  }
  const auto welcome =
      server_->judge(token, [this](const std::string& user) -> std::optional<std::string> {
        const auto found = options_->passwords.find(user);
        if (found == options_->passwords.end()) return {};
        return found->second;
      });
  if (!welcome) return fail(welcome.error().text);
  send(kSuccess, welcome->proof);
  is_done_ = true;
}

// The last token proves that the server knows the password too.
void QuorumSasl::step_learner(std::int32_t status, BytesView token) {
  if (status == kError) return fail("it does not accept our name and password");
  if (status == kSuccess) {
    if (!client_->is_proof(token)) return fail("it has not proved that it knows our password");
    is_done_ = true;
    return;
  }
  const Result<Bytes> response = client_->respond(token);
  if (!response) return fail(response.error().text);
  send(kInProgress, *response);
}

void QuorumSasl::send(std::int32_t status, BytesView token) {
  wire_.append(kMagic);
  jute::Writer writer(wire_);
  writer.i32(status);
  writer.view(token);
}

void QuorumSasl::fail(const std::string& why) {
  failure_ = "SASL: " + why;
  if (side_ == Side::kServer) send(kError, {});
}

}  // namespace synod::net
