#include "net/link_guard.h"

#include <utility>

#include "base/assert.h"
#include "jute/codec.h"

namespace synod::net {

using consensus::Port;

namespace {

// The initial message (reference 2.2): long version, long sid, int n, n bytes; or, of old, a sid
// alone, which is not negative.
constexpr std::int32_t kAddressesMax = 2048;

// Its size; 0: more is needed to tell; nothing: it is none.
std::optional<std::size_t> initial_size(BytesView bytes) {
  if (bytes.size() < 8) return 0;
  jute::Reader reader(bytes);
  const std::int64_t version = reader.i64();
  if (version >= 0) return 8;
  if (version != -65536 && version != -65535) return {};
  if (bytes.size() < 20) return 0;
  (void)reader.i64();
  const std::int32_t addresses = reader.i32();
  if (addresses < 0 || addresses > kAddressesMax) return {};
  const std::size_t size = 20 + static_cast<std::size_t>(addresses);
  return bytes.size() < size ? 0 : size;
}

}  // namespace

LinkGuard::LinkGuard(const PeerSecurity& security, Side side, Port port, std::string peer)
    : security_(security), side_(side), port_(port), peer_(std::move(peer)) {
  const bool is_dialled = side_ == Side::kDialled;
  const bool may_tls =
      security_.tls && (is_dialled ? security_.is_dialling_tls : security_.is_accepting_tls);
  if (!may_tls) {
    begin_plain();
  } else if (is_dialled) {
    begin_tls();
  }
}

// ---- the steps --------------------------------------------------------------------------------

void LinkGuard::begin_tls() {
  stage_ = Stage::kTls;
  tls_.emplace(security_.tls,
               side_ == Side::kDialled ? TlsSession::Side::kClient : TlsSession::Side::kServer,
               peer_);
}

// Also what comes after TLS.
void LinkGuard::begin_plain() {
  const bool is_accepted = side_ == Side::kAccepted;
  if (!security_.sasl || (!is_accepted && !security_.is_learner_sasl_required)) return open();
  if (port_ == Port::kElection) {
    stage_ = Stage::kInitial;
    is_linked_ = !is_accepted;  // so that the engine sends it
  } else {
    begin_sasl();
  }
}

void LinkGuard::begin_sasl() {
  stage_ = Stage::kSasl;
  sasl_.emplace(security_.sasl,
                side_ == Side::kAccepted ? QuorumSasl::Side::kServer : QuorumSasl::Side::kLearner,
                security_.is_server_sasl_required);
  run_sasl({});
}

void LinkGuard::open() {
  stage_ = Stage::kOpen;
  is_linked_ = true;
}

// ---- bytes in ---------------------------------------------------------------------------------

void LinkGuard::receive(BytesView wire) {
  if (!failure_.empty()) return;
  if (stage_ == Stage::kDetecting) {
    if (looks_like_tls(wire)) {
      begin_tls();
    } else if (security_.is_accepting_plain) {
      begin_plain();
    } else {
      return fail("it does not speak TLS (sslQuorum without portUnification)");
    }
  }
  if (!tls_) return decrypted(wire);
  const bool was_up = tls_->is_up();
  tls_->receive(wire);
  if (!was_up && tls_->is_up()) begin_plain();
  decrypted(tls_->take_plain());
  if (!tls_->failure().empty()) fail(tls_->failure());
}

void LinkGuard::stop_detecting() {
  if (stage_ == Stage::kDetecting && security_.is_accepting_plain) begin_plain();
}

void LinkGuard::decrypted(BytesView plain) {
  if (plain.empty()) return;
  switch (stage_) {
    case Stage::kInitial:
      if (side_ == Side::kDialled) return fail("it speaks before it was told who we are");
      initial_ += plain;
      return take_initial();
    case Stage::kSasl:
      return run_sasl(plain);
    case Stage::kOpen:
      arrived_ += plain;
      return;
    case Stage::kDetecting:
    case Stage::kTls:
      return;
  }
}

void LinkGuard::take_initial() {
  const std::optional<std::size_t> size = initial_size(initial_);
  if (!size) return fail("it does not say who it is");
  if (*size == 0) return;
  const Bytes behind = initial_.substr(*size);
  initial_.resize(*size);
  begin_sasl();
  if (!behind.empty()) run_sasl(behind);
}

void LinkGuard::run_sasl(BytesView bytes) {
  sasl_->receive(bytes);
  write(sasl_->take_wire());
  if (!sasl_->failure().empty()) return fail(sasl_->failure());
  if (!sasl_->is_done()) return;
  arrived_ += std::exchange(initial_, {});
  arrived_ += sasl_->take_rest();
  sasl_.reset();
  open();
}

Bytes LinkGuard::take_arrived() { return std::exchange(arrived_, {}); }

// ---- bytes out --------------------------------------------------------------------------------

void LinkGuard::send(Bytes bytes) {
  if (!failure_.empty()) return;
  if (stage_ != Stage::kInitial || side_ != Side::kDialled) return held_.push(std::move(bytes));
  const std::optional<std::size_t> size = initial_size(bytes);
  SYNOD_ASSERT(size && *size != 0);  // the engine sends it in one piece, or with more behind it
  write(BytesView(bytes).substr(0, *size));
  held_.push(bytes.substr(*size));
  begin_sasl();
}

void LinkGuard::write(BytesView plain) {
  if (tls_)
    tls_->send(plain);
  else
    wire_.append(plain);
}

void LinkGuard::end() {
  if (tls_) tls_->end();
}

void LinkGuard::take_wire(SendQueue& into) {
  while (stage_ == Stage::kOpen && !held_.is_empty()) write(held_.pop());
  if (tls_) wire_ += tls_->take_wire();
  into.push(std::exchange(wire_, {}));
}

void LinkGuard::fail(std::string why) {
  if (failure_.empty()) failure_ = std::move(why);
}

}  // namespace synod::net
