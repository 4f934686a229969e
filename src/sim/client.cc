#include "sim/client.h"

#include <algorithm>
#include <utility>

#include "jute/records.h"
#include "sim/check/checks.h"

namespace synod::sim {
namespace {

using check::Kind;
using jute::ErrorCode;
using jute::OpCode;

constexpr std::int32_t kAuthXid = -4;
constexpr std::int32_t kSetWatchesXid = -8;
constexpr std::size_t kNodesKept = 50;  // sequential ones of its own, before it deletes more

Bytes framed(BytesView body) {
  Bytes frame;
  jute::append(frame, body);
  return frame;
}

jute::NullableAclViews open_to_all() {
  return std::vector<jute::AclView>{{jute::perms::kAll, "world", "anyone"}};
}

jute::NullablePaths views_of(const std::set<std::string>& paths) {
  return std::vector<NullableView>(paths.begin(), paths.end());
}

std::int32_t flags_of(const check::Action& action) {
  return (action.is_ephemeral ? 1 : 0) | (action.is_sequential ? 2 : 0);
}

// The record that asks for an action, and its opcode. `watches` for reads only.
std::pair<OpCode, Bytes> record_of(const check::Action& action, bool watches) {
  switch (action.kind) {
    case Kind::kCreate:
      return {OpCode::kCreate2, jute::encode(jute::CreateRequest{action.path, action.value,
                                                                 open_to_all(), flags_of(action)})};
    case Kind::kDelete:
      return {OpCode::kDelete, jute::encode(jute::PathVersionRequest{action.path, action.version})};
    case Kind::kCheck:
      return {OpCode::kCheck, jute::encode(jute::PathVersionRequest{action.path, action.version})};
    case Kind::kSetData:
      return {OpCode::kSetData,
              jute::encode(jute::SetDataRequest{action.path, action.value, action.version})};
    case Kind::kGetData:
      return {OpCode::kGetData, jute::encode(jute::PathWatchRequest{action.path, watches})};
    case Kind::kExists:
      return {OpCode::kExists, jute::encode(jute::PathWatchRequest{action.path, watches})};
    case Kind::kGetChildren:
      return {OpCode::kGetChildren2, jute::encode(jute::PathWatchRequest{action.path, watches})};
    case Kind::kSync:
      return {OpCode::kSync, jute::encode(jute::PathRecord{action.path})};
    case Kind::kCloseSession:
    case Kind::kMulti:
      break;
  }
  return {OpCode::kCloseSession, {}};
}

void read_outcome(check::Action& action, jute::Reader& in) {
  switch (action.kind) {
    case Kind::kCreate:
      action.created_path = std::string(in.view().value_or(""));
      action.stat = jute::decode<jute::Stat>(in);
      break;
    case Kind::kSetData:
    case Kind::kExists:
      action.stat = jute::decode<jute::Stat>(in);
      break;
    case Kind::kGetData:
      action.data = std::string(in.view().value_or(""));
      action.stat = jute::decode<jute::Stat>(in);
      break;
    case Kind::kGetChildren:
      action.children = jute::decode<std::vector<std::string>>(in);
      action.stat = jute::decode<jute::Stat>(in);
      break;
    default:
      break;
  }
}

}  // namespace

Client::Client(std::int32_t number, std::uint64_t seed, ClientOptions options, Timeline& timeline,
               Network& network, Ghost& ghost, Trace& trace, Notebook& notebook)
    : number_(number),
      options_(options),
      timeline_(timeline),
      network_(network),
      ghost_(ghost),
      trace_(trace),
      notebook_(notebook),
      dice_(dice(seed, Part::kClient, static_cast<std::uint64_t>(number))) {
  negotiated_ms_ = options_.timeout_ms;
  if (options_.runs_commands) commands_.emplace(number_);
}

void Client::start() {
  network_.listen(options_.place, this);  // its machine answers who writes to an end that is gone
  timeline_.after(dice_.skewed(100 * kMillisecond), [this] { dial(); });
  timeline_.after(dice_.skewed(100 * kMillisecond), [this] { think(); });
  timeline_.after(100 * kMillisecond, [this] { heartbeat(); });
}

// ---- the connection ---------------------------------------------------------------------------

void Client::dial() {
  if (phase_ != Phase::kAway) return;
  phase_ = Phase::kDialling;
  ++attempt_;
  server_ = preferred_.value_or(dice_.below(options_.servers));
  heard_at_ = timeline_.now();
  input_.clear();
  end_ = network_.dial(options_.place, server_, Door::kClient, *this);
}

void Client::stream_open(End end) {
  if (end != end_) return;
  phase_ = Phase::kConnecting;
  heard_at_ = sent_at_ = timeline_.now();
  const Bytes password = session_.value == 0 ? Bytes(16, '\0') : password_;
  const jute::ConnectRequest request{0, last_seen_, options_.timeout_ms, session_, password};
  network_.send(end_, framed(jute::encode(request) + Bytes(1, '\0')));
}

void Client::stream_closed(End end) {
  if (end == end_) lose("closed by the server");
}

// What was asked and not answered may have happened, or may happen yet.
void Client::lose(const char* why) {
  if (phase_ == Phase::kAway) return;
  trace_.line([&] { return fmt::format("c{} lost s{}: {}", number_, server_ + 1, why); });
  if (phase_ == Phase::kThere) note_session(check::SessionEvent::Kind::kLost);
  phase_ = Phase::kAway;
  end_ = 0;
  pending_.clear();
  // Who asked for the end of a session does not come back to it, answered or not.
  if (std::exchange(is_closing_, false) && session_.value != 0) abandon_session();
  timeline_.after(1 + dice_.skewed(100 * kMillisecond), [this] { dial(); });
}

void Client::note_session(check::SessionEvent::Kind kind) {
  notebook_.history.session_events.push_back(
      {.client = number_, .session = session_, .kind = kind, .at = notebook_.next_moment()});
}

void Client::heartbeat() {
  const Micros timeout = negotiated_ms_ * kMillisecond;
  if (phase_ != Phase::kAway && timeline_.now() - heard_at_ > timeout * 2 / 3) {
    network_.close(end_);
    lose("silence");
  } else if (phase_ == Phase::kThere && timeline_.now() - sent_at_ > timeout / 3) {
    send_request(jute::kPingXid, OpCode::kPing, {});
  }
  timeline_.after(timeout / 10, [this] { heartbeat(); });
}

void Client::stream_bytes(End end, BytesView bytes) {
  if (end != end_) return;
  heard_at_ = timeline_.now();
  input_ += bytes;
  while (end == end_ && input_.size() >= 4) {
    const auto length =
        static_cast<std::size_t>(jute::load_big_endian<std::int32_t>(input_.data()));
    if (input_.size() < 4 + length) return;
    const Bytes frame = input_.substr(4, length);
    input_.erase(0, 4 + length);
    if (phase_ == Phase::kConnecting)
      welcome(frame);
    else
      reply(frame);
  }
}

void Client::welcome(BytesView body) {
  jute::Reader in(body);
  const auto response = jute::decode<jute::ConnectResponse>(in);
  if (!response || response->session_id.value == 0) {
    forget_session(check::SessionEvent::Kind::kExpired);
    network_.close(end_);
    return lose("session expired");
  }
  phase_ = Phase::kThere;
  const bool is_new = session_.value == 0;
  session_ = response->session_id;
  password_ = Bytes(response->password.value_or(""));
  negotiated_ms_ = response->timeout_ms;
  note_session(is_new ? check::SessionEvent::Kind::kOpened
                      : check::SessionEvent::Kind::kReconnected);
  trace_.line([&] {
    return fmt::format("c{} {} session 0x{:x} at s{}", number_, is_new ? "opened" : "resumed",
                       session_.value, server_ + 1);
  });
  ask_for_linearizable_reads();
  set_watches_again();
}

void Client::forget_session(check::SessionEvent::Kind kind) {
  if (session_.value != 0) note_session(kind);
  abandon_session();
}

void Client::abandon_session() {
  session_ = {};
  last_xid_ = 0;
  data_watches_.clear();
  exist_watches_.clear();
  child_watches_.clear();
  made_.clear();
}

void Client::ask_for_linearizable_reads() {
  if (!options_.is_linearizable) return;
  send_request(kAuthXid, OpCode::kAuth,
               jute::encode(jute::AuthPacket{0, "synod", "reads=linearizable"}));
  pending_.push_back({.operation = kNone, .type = OpCode::kAuth, .xid = kAuthXid});
}

void Client::set_watches_again() {
  if (data_watches_.empty() && exist_watches_.empty() && child_watches_.empty()) return;
  send_request(
      kSetWatchesXid, OpCode::kSetWatches,
      jute::encode(jute::SetWatchesRequest{last_seen_, views_of(data_watches_),
                                           views_of(exist_watches_), views_of(child_watches_)}));
  pending_.push_back({.operation = kNone, .type = OpCode::kSetWatches, .xid = kSetWatchesXid});
}

void Client::reconfigure(const std::string& members) {
  if (phase_ != Phase::kThere || is_closing_) return;
  const std::int32_t xid = ++last_xid_;
  send_request(xid, OpCode::kReconfig,
               jute::encode(jute::ReconfigRequest{std::nullopt, std::nullopt, members, -1}));
  pending_.push_back({.operation = kNone, .type = OpCode::kReconfig, .xid = xid});
}

bool Client::waits_for_reconfiguration() const {
  return std::ranges::find(pending_, OpCode::kReconfig, &Pending::type) != pending_.end();
}

// ---- what comes back --------------------------------------------------------------------------

void Client::reply(BytesView frame) {
  jute::Reader in(frame);
  const auto header = jute::decode<jute::ReplyHeader>(in);
  if (!header) return;
  if (header->xid == jute::kPingXid) return;
  if (header->xid == jute::kNotificationXid) return event(header->zxid, in);
  if (header->zxid.value > 0) {
    ghost_.shown(header->zxid);
    last_seen_ = std::max(last_seen_, header->zxid);
  }
  if (pending_.empty() || pending_.front().xid != header->xid) {
    network_.close(end_);
    return lose("a reply out of order");  // the history shows it as a request without an answer
  }
  const Pending pending = pending_.front();
  pending_.pop_front();
  complete(pending, static_cast<ErrorCode>(header->err), header->zxid, in);
}

void Client::complete(const Pending& pending, ErrorCode error, Zxid zxid, jute::Reader& in) {
  if (pending.type == OpCode::kReconfig) {
    trace_.line([&] {
      return fmt::format("c{} < reconfig: error {}", number_, static_cast<std::int32_t>(error));
    });
  }
  if (pending.operation == kNone) return;
  check::Operation& operation = notebook_.history.operations[pending.operation];
  ++answered_;
  operation.completed_at = notebook_.next_moment();
  operation.outcome = error == ErrorCode::kOk ? check::Outcome::kOk : check::Outcome::kError;
  operation.error = error;
  operation.zxid = zxid.value > 0 ? zxid : Zxid{};
  if (operation.kind == Kind::kMulti)
    read_parts(operation, in);
  else if (error == ErrorCode::kOk)
    read_outcome(operation, in);
  trace_.mix(static_cast<std::uint64_t>(zxid.value));
  trace_.line([&] { return fmt::format("c{} < {}", number_, check::describe(operation)); });
  check::for_each_action(operation, [&](const check::Action& action) {
    if (action.stat && operation.outcome == check::Outcome::kOk)
      versions_[check::path_of(action)] = action.stat->version;
    if (action.kind == Kind::kCreate && action.is_sequential && !action.created_path.empty())
      made_.push_back(action.created_path);
  });
  note_watch(operation);
  if (commands_) commands_->answered(operation);
  if (probe_left_ > 0 && operation.outcome == check::Outcome::kOk && --probe_left_ == 0)
    is_probed_ = true;
  if (operation.kind == Kind::kCloseSession) {
    forget_session(check::SessionEvent::Kind::kClosed);
    network_.close(end_);
    phase_ = Phase::kConnecting;  // there is no session any more that could be lost
    lose("it closed its session");
  }
}

void Client::read_parts(check::Operation& operation, jute::Reader& in) {
  bool has_failed = operation.outcome == check::Outcome::kError;
  for (std::size_t i = 0; i < operation.parts.size(); ++i) {
    const auto header = jute::decode<jute::MultiHeader>(in);
    if (!header || header->done) break;
    if (static_cast<OpCode>(header->type) != OpCode::kError) {
      read_outcome(operation.parts[i], in);
      continue;
    }
    const auto error = static_cast<ErrorCode>(in.i32());
    if (error == ErrorCode::kOk || has_failed) continue;
    has_failed = true;
    operation.outcome = check::Outcome::kError;
    operation.error = error;
    operation.failed_part = i;
  }
}

void Client::note_watch(check::Operation& operation) {
  if (!operation.leaves_watch) return;
  const bool is_there = operation.outcome == check::Outcome::kOk;
  if (operation.kind == Kind::kGetChildren && is_there)
    child_watches_.insert(operation.path);
  else if (operation.kind != Kind::kGetChildren && is_there)
    data_watches_.insert(operation.path);
  else if (operation.kind == Kind::kExists && operation.error == ErrorCode::kNoNode)
    exist_watches_.insert(operation.path);
  else
    operation.leaves_watch = false;
}

void Client::event(Zxid zxid, jute::Reader& in) {
  const auto event = jute::decode<jute::WatcherEvent>(in);
  if (!event) return;
  const auto type = static_cast<jute::EventType>(event->type);
  const std::string path(event->path);
  // Not "last seen": a change has several events, and setWatches must bring those that were lost.
  if (zxid.value > 0) ghost_.shown(zxid);
  if (type == jute::EventType::kNodeChildrenChanged) {
    child_watches_.erase(path);
  } else {
    data_watches_.erase(path);
    exist_watches_.erase(path);
    if (type == jute::EventType::kNodeDeleted) child_watches_.erase(path);
  }
  notebook_.history.watch_events.push_back({.client = number_,
                                            .session = session_,
                                            .type = type,
                                            .path = path,
                                            .zxid = zxid,
                                            .seen_at = notebook_.next_moment()});
  trace_.line([&] {
    return fmt::format("c{} < event {} {} zxid 0x{:x}", number_, event->type, path, zxid.value);
  });
}

// ---- what it asks -----------------------------------------------------------------------------

void Client::send_request(std::int32_t xid, OpCode type, BytesView record) {
  sent_at_ = timeline_.now();
  network_.send(end_,
                framed(jute::encode(jute::RequestHeader{xid, static_cast<std::int32_t>(type)}) +
                       Bytes(record)));
}

std::size_t Client::begin(check::Operation operation, OpCode type, BytesView record) {
  operation.client = number_;
  operation.session = session_;
  operation.xid = ++last_xid_;
  operation.invoked_at = notebook_.next_moment();
  send_request(operation.xid, type, record);
  const std::size_t index = notebook_.history.operations.size();
  pending_.push_back({.operation = index, .type = type, .xid = operation.xid});
  trace_.line([&] { return fmt::format("c{} > {}", number_, check::describe(operation)); });
  notebook_.history.operations.push_back(std::move(operation));
  return index;
}

void Client::think() {
  if (is_probing_ && !is_probed_ && pending_.empty()) probe();
  if (is_asking_ && !options_.is_idle && phase_ == Phase::kThere && !is_closing_ &&
      pending_.size() < options_.pipeline)
    ask();
  timeline_.after(1 + dice_.skewed(options_.think_time), [this] { think(); });
}

void Client::ask() {
  if (commands_) return ask_command();
  if (dice_.per_mille(options_.reads_per_mille)) {
    return dice_.below(4) == 0 ? ask_synced_read() : ask_read();
  }
  const std::uint64_t draw = dice_.below(100);
  if (draw < 35) return ask_create();
  if (draw < 55) return ask_delete();
  if (draw < 85) return ask_set();
  if (draw < 98) return ask_multi();
  ask_close();
}

std::string Client::directory() { return fmt::format("/d{}", dice_.below(options_.directories)); }
std::string Client::node() {
  return directory() + fmt::format("/n{}", dice_.below(options_.nodes));
}

// Different from every other that anybody writes.
std::string Client::value() {
  std::string text = fmt::format("c{}-{}-", number_, ++values_);
  text.resize(
      std::max(text.size(), static_cast<std::size_t>(dice_.below(options_.value_bytes + 1))), '.');
  return text;
}

std::int32_t Client::version_of(const std::string& path) {
  const auto known = versions_.find(path);
  if (known == versions_.end() || dice_.coin()) return -1;
  return known->second + (dice_.below(4) == 0 ? 1 : 0);
}

void Client::ask_create() {
  check::Operation operation;
  operation.kind = Kind::kCreate;
  operation.value = value();
  const std::uint64_t draw = dice_.below(10);
  if (draw < 2) {
    operation.path = directory();
  } else if (draw < 6) {
    operation.path = node();
    operation.is_ephemeral = dice_.below(4) == 0;
  } else {
    operation.path = directory() + "/s-";
    operation.is_sequential = true;
    operation.is_ephemeral = dice_.coin();
  }
  const auto [type, record] = record_of(operation, false);
  begin(std::move(operation), type, record);
}

void Client::ask_delete() {
  check::Operation operation;
  operation.kind = Kind::kDelete;
  if (!made_.empty() && (made_.size() > kNodesKept || dice_.coin())) {
    const std::size_t at = dice_.below(made_.size());
    operation.path = made_[at];
    made_.erase(made_.begin() + static_cast<std::ptrdiff_t>(at));
  } else {
    operation.path = node();
    operation.version = version_of(operation.path);
  }
  const auto [type, record] = record_of(operation, false);
  begin(std::move(operation), type, record);
}

void Client::ask_set() {
  check::Operation operation;
  operation.kind = Kind::kSetData;
  operation.path = dice_.below(5) == 0 ? directory() : node();
  operation.value = value();
  operation.version = version_of(operation.path);
  const auto [type, record] = record_of(operation, false);
  begin(std::move(operation), type, record);
}

void Client::read(Kind kind, const std::string& path, bool is_watching) {
  check::Operation operation;
  operation.kind = kind;
  operation.path = path;
  operation.leaves_watch = is_watching;
  operation.is_linearizable = options_.is_linearizable;
  const auto [type, record] = record_of(operation, is_watching);
  begin(std::move(operation), type, record);
}

void Client::ask_read() {
  const bool is_watching = dice_.below(3) == 0;
  switch (dice_.below(4)) {
    case 0:
      return read(Kind::kExists, node(), is_watching);
    case 1:
      return read(Kind::kGetChildren, directory(), is_watching);
    default:
      return read(Kind::kGetData, node(), is_watching);
  }
}

void Client::ask_synced_read() {
  const std::string path = node();
  read(Kind::kSync, path, false);
  read(Kind::kGetData, path, false);
}

void Client::ask_multi() {
  check::Operation operation;
  operation.kind = Kind::kMulti;
  for (std::uint64_t left = 1 + dice_.below(3); left > 0; --left) {
    check::Action part;
    constexpr Kind kKinds[] = {Kind::kCreate, Kind::kDelete, Kind::kSetData, Kind::kCheck};
    part.kind = kKinds[dice_.below(4)];
    part.path = node();
    if (part.kind == Kind::kCreate || part.kind == Kind::kSetData) part.value = value();
    if (part.kind != Kind::kCreate) part.version = version_of(part.path);
    operation.parts.push_back(std::move(part));
  }
  begin_multi(std::move(operation));
}

void Client::begin_multi(check::Operation operation) {
  Bytes record;
  for (const check::Action& part : operation.parts) {
    const auto [type, bytes] = record_of(part, false);
    jute::append(record, jute::MultiHeader{static_cast<std::int32_t>(type), false, -1});
    record += bytes;
  }
  jute::append(record, jute::kMultiEnd);
  begin(std::move(operation), OpCode::kMulti, record);
}

void Client::ask_command() {
  if (!pending_.empty()) return;
  check::Operation operation = commands_->next();
  if (operation.kind == Kind::kMulti) return begin_multi(std::move(operation));
  const auto [type, record] = record_of(operation, false);
  begin(std::move(operation), type, record);
}

void Client::ask_close() {
  check::Operation operation;
  operation.kind = Kind::kCloseSession;
  is_closing_ = true;
  begin(std::move(operation), OpCode::kCloseSession, {});
}

// ---- the probe --------------------------------------------------------------------------------

void Client::probe() {
  is_probing_ = true;
  if (phase_ != Phase::kThere || !pending_.empty()) return;
  check::Operation create;
  create.kind = Kind::kCreate;
  create.path = "/probe-";
  create.value = value();
  create.is_sequential = true;
  const auto [type, record] = record_of(create, false);
  probe_left_ = 3;
  begin(std::move(create), type, record);
  read(Kind::kSync, "/", false);
  read(Kind::kGetChildren, "/", false);
}

}  // namespace synod::sim
