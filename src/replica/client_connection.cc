#include "replica/client_connection.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "jute/codec.h"
#include "replica/frames.h"
#include "replica/reads.h"
#include "replica/replies.h"
#include "replica/session_password.h"

namespace synod::replica {

using jute::ErrorCode;
using jute::OpCode;

ClientConnection::ClientConnection(Lane& lane, const ServingRules& rules, std::string address,
                                   SteadyTimeMs now)
    : lane_(lane),
      rules_(rules),
      address_(std::move(address)),
      are_reads_linearizable_(rules.are_reads_linearizable),
      last_heard_(now),
      now_(now) {
  ids_ = std::make_shared<const state::AuthIds>(state::AuthIds{{"ip", address_}});
}

// ---- bytes in ---------------------------------------------------------------------------------

void ClientConnection::receive(BytesView bytes, SteadyTimeMs now) {
  if (is_ending_ || is_gone_) return;
  last_heard_ = now_ = now;
  input_.append(bytes);
  take_frames();
}

// Stops at an incomplete frame, while a session is being made, and when too much is waiting.
void ClientConnection::take_frames() {
  if (is_ending_ || is_gone_ || is_abandoned_) return;
  std::size_t taken = 0;
  if (phase_ == Phase::kNew && take_word()) return;
  if (is_paused()) return wait_for_service();
  has_barrier_of_turn_ = false;
  while (!is_ending_ && phase_ != Phase::kEstablishing && !is_congested() && !has_close_request_) {
    const BytesView rest = BytesView(input_).substr(taken);
    if (rest.size() < kLengthBytes) break;
    const auto length = jute::load_big_endian<std::int32_t>(rest.data());
    if (length <= 0 || length > rules_.max_frame_bytes) {
      end_with("a frame of " + std::to_string(length) + " bytes; the limit (jute.maxbuffer) is " +
               std::to_string(rules_.max_frame_bytes));
      break;
    }
    const auto body_bytes = static_cast<std::size_t>(length);
    if (is_large(body_bytes) && !admits_large(body_bytes)) {
      end_with("a request of " + std::to_string(length) + " bytes while large ones of " +
               std::to_string(lane_.large_request_bytes + lane_.large_request_bytes_elsewhere) +
               " bytes wait; the limit (largeRequestMaxBytes) is " +
               std::to_string(rules_.large_requests_max_bytes));
      break;
    }
    if (rest.size() - kLengthBytes < body_bytes) break;
    const BytesView body = rest.substr(kLengthBytes, body_bytes);
    taken += kLengthBytes + body_bytes;
    ++lane_.counters.packets_received;
    if (phase_ == Phase::kNew)
      take_connect(body);
    else
      take_request(body);
  }
  if (is_ending_ || has_close_request_)
    input_.clear();
  else
    input_.erase(0, taken);
}

// A fresh connection may begin with a four-letter word instead of a frame's length.
bool ClientConnection::take_word() {
  if (!word_.empty()) return true;
  if (input_.size() < kLengthBytes) return false;
  const BytesView start = BytesView(input_).substr(0, kLengthBytes);
  if (std::ranges::find(rules_.words, start) == rules_.words.end()) return false;
  word_ = start;
  return true;
}

void ClientConnection::answer_word(BytesView text) {
  output_.append(text);
  word_.clear();
  is_ending_ = true;
}

// Reference, protocol section 3.1, but that the password is checked before anything else happens.
void ClientConnection::take_connect(BytesView body) {
  jute::Reader in(body);
  const auto request = jute::decode<jute::ConnectRequest>(in);
  if (!request) return end_with("a connect request that does not parse");
  knows_read_only_ = in.remaining() > 0;
  if (request->last_zxid_seen > lane_.state.applied()) {
    return end_with("a client that has seen a later zxid than this server");
  }
  phase_ = Phase::kEstablishing;
  const SessionId session = request->session_id;
  if (session.value != 0 && request->password != session_password(session))
    return session_refused();
  Submission submission{.kind = session.value == 0 ? Submission::Kind::kOpenSession
                                                   : Submission::Kind::kResumeSession,
                        .from = shared_from_this(),
                        .request = {},
                        .timeout_ms = std::clamp(request->timeout_ms, rules_.min_session_timeout_ms,
                                                 rules_.max_session_timeout_ms)};
  submission.request.session = session;
  lane_.submitted.push_back(std::move(submission));
}

void ClientConnection::take_request(BytesView frame) {
  jute::Reader in(frame);
  const auto header = jute::decode<jute::RequestHeader>(in);
  if (!header) return end_with("a request shorter than its header");
  const std::size_t waiting_before = waiting_.size();
  dispatch(*header, in.rest());
  if (is_large(frame.size()) && waiting_.size() > waiting_before) {
    waiting_.back().large_bytes = frame.size();
    lane_.large_request_bytes += frame.size();
  }
}

bool ClientConnection::admits_large(std::size_t frame_bytes) const {
  return lane_.large_request_bytes + lane_.large_request_bytes_elsewhere + frame_bytes <=
         rules_.large_requests_max_bytes;
}

void ClientConnection::dispatch(const jute::RequestHeader& header, BytesView record) {
  const auto type = static_cast<OpCode>(header.type);
  if (type == OpCode::kAuth) return take_auth(header.xid, record);
  if (type == OpCode::kSasl) {  // not configured: a null token, as Java answers
    return reply_in_turn(header.xid, {}, ErrorCode::kOk, jute::encode(NullableView()), false);
  }
  if (!has_required_identity(rules_.authentication, *ids_)) {
    complaint_ = "a request without an identity of a required scheme";
    return reply_in_turn(header.xid, {}, ErrorCode::kSessionClosedRequireAuth, {}, true);
  }
  if (is_read(type)) return read_in_turn(header, record);
  switch (type) {
    case OpCode::kSync:
      return submit_sync(header, record);
    case OpCode::kCreate:
    case OpCode::kCreate2:
    case OpCode::kCreateContainer:
    case OpCode::kCreateTtl:
    case OpCode::kDelete:
    case OpCode::kSetData:
    case OpCode::kSetAcl:
    case OpCode::kMulti:
    case OpCode::kReconfig:
      return submit_write(header, record);
    case OpCode::kCloseSession:
      has_close_request_ = true;
      return submit_write(header, record);
    default:  // check outside a multi and the server's own opcodes among them
      complaint_ = "a request of unknown type " + std::to_string(header.type);
      return reply_in_turn(header.xid, Zxid{-1}, ErrorCode::kUnimplemented, {}, true);
  }
}

void ClientConnection::take_auth(std::int32_t xid, BytesView record) {
  const auto packet = jute::decode<jute::AuthPacket>(record);
  if (!packet) return end_with("an auth packet that does not parse");
  if (packet->scheme == "synod") return take_wish(xid, packet->auth.value_or(""));
  const auto proved = authenticate(rules_.authentication, packet->scheme.value_or(""),
                                   packet->auth.value_or(""), address_);
  if (!proved) {
    complaint_ = "a failed authentication";
    return reply_in_turn(xid, {}, ErrorCode::kAuthFailed, {}, true);
  }
  if (ids_->size() >= rules_.max_identities) {
    complaint_ = "too many identities";
    return reply_in_turn(xid, {}, ErrorCode::kAuthFailed, {}, true);
  }
  auto ids = std::make_shared<state::AuthIds>(*ids_);
  for (const state::AuthId& id : *proved) {
    if (std::ranges::find(*ids, id) == ids->end()) ids->push_back(id);
  }
  ids_ = std::move(ids);
  reply_in_turn(xid, {}, ErrorCode::kOk, {}, false);
}

// How this session wants to be served; no identity.
void ClientConnection::take_wish(std::int32_t xid, BytesView wish) {
  if (wish != "reads=local" && wish != "reads=linearizable") {
    complaint_ = "an auth packet of scheme synod that asks for what is not known";
    return reply_in_turn(xid, {}, ErrorCode::kAuthFailed, {}, true);
  }
  are_reads_linearizable_ = wish == "reads=linearizable";
  reply_in_turn(xid, {}, ErrorCode::kOk, {}, false);
}

void ClientConnection::submit_write(const jute::RequestHeader& header, BytesView record) {
  const auto type = static_cast<OpCode>(header.type);
  waiting_.push_back({.kind = Waiting::Kind::kWrite,
                      .xid = header.xid,
                      .type = type,
                      .bytes = {},
                      .since = now_,
                      .ticket = ++last_ticket_});
  if (type == OpCode::kMulti) {
    waiting_.back().part_types = primary::multi_types(record).value_or(std::vector<OpCode>());
  }
  lane_.submitted.push_back({.kind = Submission::Kind::kWrite,
                             .from = shared_from_this(),
                             .request = {session_, header.xid, type, Bytes(record), ids_, {}},
                             .ticket = last_ticket_});
}

void ClientConnection::read_in_turn(const jute::RequestHeader& header, BytesView record) {
  const auto type = static_cast<OpCode>(header.type);
  if (are_reads_linearizable_ && shows_tree(type)) place_barrier();
  if (waiting_.empty()) return run_read(header.xid, type, record);
  waiting_.push_back({.kind = Waiting::Kind::kRead,
                      .xid = header.xid,
                      .type = type,
                      .bytes = Bytes(record),
                      .since = now_});
  ++waiting_reads_;
}

void ClientConnection::submit_sync(const jute::RequestHeader& header, BytesView record) {
  const auto request = jute::decode<jute::PathRecord>(record);
  if (!request) return read_in_turn(header, record);  // which will say so
  submit_barrier({.kind = Waiting::Kind::kSync,
                  .xid = header.xid,
                  .type = OpCode::kSync,
                  .bytes = jute::encode(*request),
                  .since = now_});
}

// Before a read: a sync that nobody hears of. One serves all that came together.
void ClientConnection::place_barrier() {
  if (std::exchange(has_barrier_of_turn_, true)) return;
  submit_barrier({.kind = Waiting::Kind::kBarrier, .type = {}, .bytes = {}, .since = now_});
}

void ClientConnection::submit_barrier(Waiting barrier) {
  barrier.ticket = ++last_ticket_;
  waiting_.push_back(std::move(barrier));
  lane_.submitted.push_back({.kind = Submission::Kind::kSync,
                             .from = shared_from_this(),
                             .request = {},
                             .ticket = last_ticket_});
}

// ---- replies ----------------------------------------------------------------------------------

void ClientConnection::run_read(std::int32_t xid, OpCode type, BytesView record) {
  const Reader reader{lane_, *this, *ids_, rules_.access, session_};
  const Zxid zxid = lane_.state.applied();
  if (type == OpCode::kSetWatches || type == OpCode::kSetWatches2) {
    const ErrorCode error = read(reader, type, record, output_);
    Frame(output_, xid, zxid, error).finish();
  } else {
    Frame frame(output_, type == OpCode::kPing ? jute::kPingXid : xid, zxid);
    const ErrorCode error = read(reader, type, record, frame.body());
    if (error != ErrorCode::kOk) {
      if (type == OpCode::kMultiRead)
        frame.set_error(error);
      else
        frame.fail(error);
    }
    frame.finish();
  }
  answered(now_);
}

void ClientConnection::answered(SteadyTimeMs since) {
  LaneCounters& counters = lane_.counters;
  ++counters.packets_sent;
  const auto latency_ms = static_cast<std::uint64_t>(now_.value - since.value);
  counters.latency_ms_min =
      counters.requests == 0 ? latency_ms : std::min(counters.latency_ms_min, latency_ms);
  counters.latency_ms_max = std::max(counters.latency_ms_max, latency_ms);
  counters.latency_ms_sum += latency_ms;
  ++counters.requests;
}

void ClientConnection::reply_in_turn(std::int32_t xid, Zxid zxid, ErrorCode error, BytesView body,
                                     bool ends_connection) {
  Waiting ready{.kind = Waiting::Kind::kReady,
                .xid = xid,
                .type = {},
                .bytes = {},
                .ends_connection = ends_connection};
  Frame frame(ready.bytes, xid, zxid, error);
  frame.body().append(body);
  frame.finish();
  waiting_.push_back(std::move(ready));
  if (ends_connection) has_close_request_ = true;  // nothing after it counts
  run_waiting();
}

// Everything at the front that need not wait for the core.
void ClientConnection::run_waiting() {
  const auto is_for_core = [](const Waiting& waiting) {
    return waiting.kind == Waiting::Kind::kWrite || waiting.kind == Waiting::Kind::kSync ||
           waiting.kind == Waiting::Kind::kBarrier;
  };
  while (!waiting_.empty() && !is_for_core(waiting_.front()) && !is_ending_) run(pop_waiting());
}

void ClientConnection::run(const Waiting& request) {
  switch (request.kind) {
    case Waiting::Kind::kRead:
      --waiting_reads_;
      return run_read(request.xid, request.type, request.bytes);
    case Waiting::Kind::kReady:
      output_.append(request.bytes);
      ++lane_.counters.packets_sent;
      if (request.ends_connection) is_ending_ = true;
      return;
    case Waiting::Kind::kRefused:
      Frame(output_, request.xid, lane_.state.applied(), request.error).finish();
      if (request.type == OpCode::kCloseSession) is_ending_ = true;
      return answered(request.since);
    case Waiting::Kind::kSync:
    case Waiting::Kind::kSynced: {
      Frame frame(output_, request.xid, lane_.state.applied());
      frame.body().append(request.bytes);
      frame.finish();
      return answered(request.since);
    }
    case Waiting::Kind::kBarrier:
    case Waiting::Kind::kPassed:
      return;
    case Waiting::Kind::kWrite:
      SYNOD_ASSERT(false);  // answered with its transaction's result only
  }
}

ClientConnection::Waiting ClientConnection::pop_waiting() {
  Waiting front = std::move(waiting_.front());
  waiting_.pop_front();
  lane_.large_request_bytes -= front.large_bytes;
  return front;
}

bool ClientConnection::answer(std::int32_t cxid, const state::ApplyResult& result,
                              SteadyTimeMs now) {
  if (is_gone_ || is_ending_) return false;
  const auto write = std::ranges::find(waiting_, Waiting::Kind::kWrite, &Waiting::kind);
  if (write == waiting_.end() || write->xid != cxid ||
      write->ticket > last_in_doubt_.load(kRelaxed))
    return false;
  // What another server's client did under this session's name is not ours to answer.
  const OpCode type = result.outcome.type;
  if (type == OpCode::kMulti && write->part_types.size() != result.parts.size()) return false;
  if (type == OpCode::kCloseSession && write->type != type) return false;
  now_ = now;
  while (waiting_.front().kind != Waiting::Kind::kWrite) run(pop_waiting());
  reply_to_write(pop_waiting(), result);
  run_waiting();
  take_frames();
  stir();
  return true;
}

void ClientConnection::reply_to_write(const Waiting& request, const state::ApplyResult& result) {
  const ErrorCode error = result.outcome.error;
  if (error == ErrorCode::kSessionMoved) return end_with("");  // the client lives elsewhere now
  Frame frame(output_, request.xid, lane_.state.applied(), error);
  if (error == ErrorCode::kOk)
    append_write_reply(frame.body(), request.type, request.part_types, result);
  frame.finish();
  answered(request.since);
  if (request.type == OpCode::kCloseSession) is_ending_ = true;
}

void ClientConnection::refuse(std::uint64_t ticket, ErrorCode error, SteadyTimeMs now) {
  settle_ticket(ticket, Waiting::Kind::kRefused, error, now);
}

void ClientConnection::answer_sync(std::uint64_t ticket, SteadyTimeMs now) {
  settle_ticket(ticket, Waiting::Kind::kSynced, ErrorCode::kOk, now);
}

// No such ticket: a later commit has answered it already.
void ClientConnection::settle_ticket(std::uint64_t ticket, Waiting::Kind kind, ErrorCode error,
                                     SteadyTimeMs now) {
  if (is_gone_ || is_ending_) return;
  const auto found = std::ranges::find(waiting_, ticket, &Waiting::ticket);
  if (found == waiting_.end()) return;
  const bool is_barrier = found->kind == Waiting::Kind::kBarrier;
  found->kind = is_barrier ? Waiting::Kind::kPassed : kind;
  found->error = error;
  now_ = now;
  run_waiting();
  take_frames();
  stir();
}

std::size_t ClientConnection::writes_in_doubt() const {
  const std::uint64_t last = last_in_doubt_.load(kRelaxed);
  return static_cast<std::size_t>(std::ranges::count_if(waiting_, [&](const Waiting& waiting) {
    return waiting.kind == Waiting::Kind::kWrite && waiting.ticket <= last;
  }));
}

void ClientConnection::wait_for_service() {
  if (is_held_ || input_.empty() || std::exchange(is_waiting_for_service_, true)) return;
  lane_.paused.push_back(shared_from_this());
}

void ClientConnection::unpause() {
  is_waiting_for_service_ = false;
  take_frames();
  if (!is_gone_) stir();
}

// The client is elsewhere, most likely (or what it asked for here on the connection before this one
// came late): the leader that knew where is gone.
void ClientConnection::hold() {
  is_held_ = true;
  if (has_foreign_writes_) end();
}

void ClientConnection::note_foreign_write() {
  has_foreign_writes_ = true;
  if (is_held_) end();
}

void ClientConnection::release() {
  if (std::exchange(is_held_, false)) unpause();
}

void ClientConnection::session_opened(SessionId session, std::int32_t timeout_ms) {
  if (is_gone_ || is_ending_) return;
  session_ = session;
  timeout_ms_ = timeout_ms;
  phase_ = Phase::kEstablished;
  reply_connect(session, timeout_ms);
  take_frames();
  stir();
}

// The client takes a zero session for "expired".
void ClientConnection::session_refused() {
  if (is_gone_ || is_ending_) return;
  reply_connect({}, 0);
  is_ending_ = true;
  stir();
}

void ClientConnection::reply_connect(SessionId session, std::int32_t timeout_ms) {
  const std::string password =
      session.value == 0 ? std::string(kPasswordBytes, '\0') : session_password(session);
  Bytes body = jute::encode(jute::ConnectResponse{0, timeout_ms, session, password});
  if (knows_read_only_) body.push_back('\0');
  jute::append(output_, BytesView(body));  // a string's encoding is a frame's: length and bytes
  ++lane_.counters.packets_sent;
}

void ClientConnection::notify(jute::EventType type, std::string_view path, Zxid zxid,
                              state::AclId acl) {
  if (is_gone_ || is_ending_) return;
  if (!rules_.access.allows(lane_.state.tree().acls().list(acl), jute::perms::kRead, *ids_)) return;
  append_notification(output_, type, path, zxid);
  ++lane_.counters.packets_sent;
  stir();
}

// ---- the end ----------------------------------------------------------------------------------

void ClientConnection::end(std::string complaint) {
  if (is_gone_ || is_ending_) return;
  end_with(std::move(complaint));
  stir();
}

void ClientConnection::end_with(std::string complaint) {
  complaint_ = std::move(complaint);
  is_ending_ = true;
}

void ClientConnection::disconnected() {
  if (std::exchange(is_gone_, true)) return;
  writes_lost_ = writes_in_doubt();
  while (!waiting_.empty()) pop_waiting();  // nobody hears the answers
  lane_.watches.remove_all(*this);
  lane_.submitted.push_back(
      {.kind = Submission::Kind::kGone, .from = shared_from_this(), .request = {}});
}

void ClientConnection::stir() {
  if (std::exchange(is_stirred_, true)) return;
  lane_.stirred.push_back(shared_from_this());
}

}  // namespace synod::replica
