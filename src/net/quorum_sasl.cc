#include "net/quorum_sasl.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "jute/codec.h"

namespace synod::net {

namespace {

constexpr const char* kMechanism = "DIGEST-MD5";
constexpr const char* kService = "zookeeper-quorum";
constexpr const char* kServerName = "zk-quorum-sasl-md5";  // realm and host in one
constexpr std::string_view kRealmSuffix = "@zk-quorum-sasl-md5";
constexpr const char* kPasswords = "synod";  // the name of our source of passwords
constexpr std::string_view kUserPrefix = "user_";

// QuorumAuthPacket: the magic, int status, buffer token. Big-endian, without a length before it.
constexpr std::string_view kMagic("\x5f\x24\x35\x01\x35\x01\xed\xcc", 8);
constexpr std::size_t kHeaderSize = 16;
constexpr std::int32_t kInProgress = 0;
constexpr std::int32_t kSuccess = 1;
constexpr std::int32_t kError = -1;
constexpr std::int32_t kTokenMax = 64 * 1024;

using Callback = int (*)();  // what Cyrus SASL takes them all for

template <class Function>
Callback as_callback(Function function) {
  return reinterpret_cast<Callback>(reinterpret_cast<void (*)()>(function));
}

// Options that the library and our source of passwords ask for. The context is a SaslContext.
int give_option(void* context, const char* /*plugin*/, const char* option, const char** result,
                unsigned* length) {
  const std::string_view name(option);
  *result = nullptr;
  if (name == "auxprop_plugin") {
    *result = kPasswords;
  } else if (name == "pwcheck_method") {
    *result = "auxprop";
  } else if (name == "log_level") {
    *result = "0";
  } else if (context != nullptr && name.starts_with(kUserPrefix)) {
    const auto& passwords = static_cast<const SaslContext*>(context)->options().passwords;
    const auto found = passwords.find(std::string(name.substr(kUserPrefix.size())));
    if (found != passwords.end()) *result = found->second.c_str();
  }
  if (*result == nullptr) return SASL_FAIL;
  if (length != nullptr) *length = static_cast<unsigned>(std::strlen(*result));
  return SASL_OK;
}

int log_nothing(void* /*context*/, int /*level*/, const char* /*message*/) { return SASL_OK; }

int give_name(void* context, int /*id*/, const char** result, unsigned* length) {
  const auto& name = static_cast<const SaslContext*>(context)->options().username;
  *result = name.c_str();
  if (length != nullptr) *length = static_cast<unsigned>(name.size());
  return SASL_OK;
}

int give_realm(void* /*context*/, int /*id*/, const char** available, const char** result) {
  *result = available != nullptr && *available != nullptr ? *available : kServerName;
  return SASL_OK;
}

// ---- passwords, for the server's side of the mechanism

// The name comes with the realm behind it, where the library has added that.
int look_up_password(void* /*context*/, sasl_server_params_t* params, unsigned /*flags*/,
                     const char* user, unsigned length) {
  std::string_view name(user, length);
  if (name.ends_with(kRealmSuffix)) name.remove_suffix(kRealmSuffix.size());
  const std::string option = std::string(kUserPrefix).append(name);
  const char* password = nullptr;
  unsigned size = 0;
  const sasl_utils_t& utils = *params->utils;
  if (utils.getopt(utils.getopt_context, nullptr, option.c_str(), &password, &size) != SASL_OK)
    return SASL_NOUSER;
  return utils.prop_set(params->propctx, SASL_AUX_PASSWORD, password, static_cast<int>(size));
}

int offer_passwords(const sasl_utils_t* /*utils*/, int /*max_version*/, int* version,
                    sasl_auxprop_plug_t** plugin, const char* /*name*/) {
  static sasl_auxprop_plug_t ours{};
  ours.auxprop_lookup = look_up_password;
  static std::string name = kPasswords;
  ours.name = name.data();
  *version = SASL_AUXPROP_PLUG_VERSION;
  *plugin = &ours;
  return SASL_OK;
}

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

// The library has one state for the whole process.
Result<void> start_library() {
  static const std::array<sasl_callback_t, 3> callbacks{
      {{SASL_CB_GETOPT, as_callback(give_option), nullptr},
       {SASL_CB_LOG, as_callback(log_nothing), nullptr},
       {SASL_CB_LIST_END, nullptr, nullptr}}};
  static const int result = [] {
    int error = ::sasl_client_init(callbacks.data());
    if (error == SASL_OK) error = ::sasl_server_init(callbacks.data(), "synod");
    if (error == SASL_OK) error = ::sasl_auxprop_add_plugin(kPasswords, offer_passwords);
    return error;
  }();
  if (result != SASL_OK)
    return fail(ErrorKind::kIo, std::string("SASL: ") + ::sasl_errstring(result, nullptr, nullptr));
  const char** mechanisms = ::sasl_global_listmech();
  for (; mechanisms != nullptr && *mechanisms != nullptr; ++mechanisms) {
    if (std::string_view(*mechanisms) == kMechanism) return {};
  }
  return fail(ErrorKind::kIo,
              "SASL: this machine lacks DIGEST-MD5. Install the package libsasl2-modules.");
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

Result<std::shared_ptr<const SaslContext>> SaslContext::load(SaslOptions options) {
  if (const Result<void> started = start_library(); !started)
    return std::unexpected(started.error());
  return std::shared_ptr<const SaslContext>(new SaslContext(std::move(options)));
}

// ---- one link ---------------------------------------------------------------------------------

// What the library is given for one link; it keeps pointers into this.
struct QuorumSasl::Callbacks {
  explicit Callbacks(const SaslContext& context) {
    void* const given = const_cast<SaslContext*>(&context);  // only read
    const std::string& password = context.options().password;
    secret.resize(sizeof(sasl_secret_t) + password.size());
    auto* const head = reinterpret_cast<sasl_secret_t*>(secret.data());
    head->len = password.size();
    std::memcpy(head->data, password.data(), password.size());
    list = {{{SASL_CB_GETOPT, as_callback(give_option), given},
             {SASL_CB_LOG, as_callback(log_nothing), nullptr},
             {SASL_CB_USER, as_callback(give_name), given},
             {SASL_CB_AUTHNAME, as_callback(give_name), given},
             {SASL_CB_PASS, as_callback(give_secret), this},
             {SASL_CB_GETREALM, as_callback(give_realm), nullptr},
             {SASL_CB_LIST_END, nullptr, nullptr}}};
  }
  static int give_secret(sasl_conn_t* /*connection*/, void* context, int /*id*/,
                         sasl_secret_t** result) {
    *result = reinterpret_cast<sasl_secret_t*>(static_cast<Callbacks*>(context)->secret.data());
    return SASL_OK;
  }

  std::vector<char> secret;  // a sasl_secret_t
  std::array<sasl_callback_t, 7> list{};
};

QuorumSasl::QuorumSasl(std::shared_ptr<const SaslContext> context, Side side, bool is_required)
    : context_(std::move(context)),
      side_(side),
      is_required_(is_required),
      callbacks_(std::make_unique<Callbacks>(*context_)) {
  const sasl_callback_t* const callbacks = callbacks_->list.data();
  int result = SASL_OK;
  if (side_ == Side::kLearner) {
    result = ::sasl_client_new(kService, kServerName, nullptr, nullptr, callbacks,
                               SASL_SUCCESS_DATA, &connection_);
  } else {
    result = ::sasl_server_new(kService, kServerName, kServerName, nullptr, nullptr, callbacks,
                               SASL_SUCCESS_DATA, &connection_);
  }
  if (result != SASL_OK) {
    fail(::sasl_errstring(result, nullptr, nullptr));
    return;
  }
  // Identity only: the bytes that follow are as they were.
  const sasl_security_properties_t rules{.min_ssf = 0,
                                         .max_ssf = 0,
                                         .maxbufsize = 0,
                                         .security_flags = SASL_SEC_NOANONYMOUS,
                                         .property_names = nullptr,
                                         .property_values = nullptr};
  ::sasl_setprop(connection_, SASL_SEC_PROPS, &rules);
  if (side_ == Side::kLearner) send(kInProgress, {});  // the server makes the challenge
}

QuorumSasl::~QuorumSasl() { ::sasl_dispose(&connection_); }

void QuorumSasl::receive(BytesView wire) {
  input_.append(wire);
  while (!is_done_ && failure_.empty() && take_packet()) {
  }
}

// False: it is not all there.
bool QuorumSasl::take_packet() {
  const std::size_t compared = std::min(input_.size(), kMagic.size());
  if (BytesView(input_).substr(0, compared) != kMagic.substr(0, compared)) {
    if (side_ == Side::kServer && !has_started_ && !is_required_) {
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

void QuorumSasl::step_server(BytesView token) {
  const char* answer = nullptr;
  unsigned size = 0;
  const auto length = static_cast<unsigned>(token.size());
  const int result =
      std::exchange(has_started_, true)
          ? ::sasl_server_step(connection_, token.data(), length, &answer, &size)
          : ::sasl_server_start(connection_, kMechanism, token.empty() ? nullptr : token.data(),
                                length, &answer, &size);
  if (result == SASL_CONTINUE) return send(kInProgress, {answer, size});
  if (result != SASL_OK) return fail(::sasl_errdetail(connection_));
  send(kSuccess, {answer, size});
  is_done_ = true;
}

// The last token proves that the server knows the password too.
void QuorumSasl::step_learner(std::int32_t status, BytesView token) {
  if (status == kError) return fail("it does not accept our name and password");
  const char* answer = nullptr;
  unsigned size = 0;
  int result = SASL_OK;
  if (!std::exchange(has_started_, true)) {
    const char* mechanism = nullptr;
    result = ::sasl_client_start(connection_, kMechanism, nullptr, nullptr, nullptr, &mechanism);
    if (result != SASL_OK && result != SASL_CONTINUE) return fail(::sasl_errdetail(connection_));
  }
  result = ::sasl_client_step(connection_, token.data(), static_cast<unsigned>(token.size()),
                              nullptr, &answer, &size);
  if (result != SASL_OK && result != SASL_CONTINUE) return fail(::sasl_errdetail(connection_));
  if (status != kSuccess) return send(kInProgress, {answer, size});
  if (result != SASL_OK) return fail("it is content before it has proved who it is");
  is_done_ = true;
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
