// One client's connection, without its socket: bytes in, bytes out. It keeps ZooKeeper's promises
// of order: replies in request order, a read never before the session's own earlier writes, an
// event before any reply that can see the change.
//
// Every call is made under the lane's lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "jute/opcode.h"
#include "jute/records.h"
#include "replica/authentication.h"
#include "replica/frames.h"
#include "replica/lane.h"
#include "state/acl.h"
#include "state/state.h"
#include "state/watch_table.h"

namespace synod::replica {

// What holds for every connection; made once from the configuration.
struct ServingRules {
  std::int32_t min_session_timeout_ms = 4000;
  std::int32_t max_session_timeout_ms = 40000;
  std::int32_t max_frame_bytes = 1'048'575;  // jute.maxbuffer
  // Requests longer than the threshold are large; all that wait together have at most so many
  // bytes.
  std::size_t large_request_threshold_bytes = SIZE_MAX;  // largeRequestThreshold; that: off
  std::size_t large_requests_max_bytes = 104'857'600;    // largeRequestMaxBytes
  // Beyond these, nothing more is taken from a connection until some of it is gone.
  std::size_t max_waiting_requests = 1000;
  std::size_t max_waiting_reads =
      64;  // fewer: their replies are made at once when their turn comes
  std::size_t max_output_bytes = 1 << 20;
  std::size_t max_identities = 1024;  // of one connection: every request looks through them
  AuthenticationRules authentication;
  state::AccessRule access;
  // Reads show everything that was committed when they arrived, unless a session wishes otherwise
  // (an auth packet of scheme "synod": reads=local or reads=linearizable).
  bool are_reads_linearizable = false;
  std::vector<std::string> words;  // four-letter words that a fresh connection may begin with
};

class ClientConnection final : public state::Watcher,
                               public std::enable_shared_from_this<ClientConnection> {
 public:
  // `address`: as text, without port. All references outlive the connection.
  ClientConnection(Lane& lane, const ServingRules& rules, std::string address, SteadyTimeMs now);

  // From the socket.
  void receive(BytesView bytes, SteadyTimeMs now);
  void disconnected();
  [[nodiscard]] Bytes& output() { return output_; }  // to be written, then cleared, by the caller
  // Write what is in output(), then close. Nothing more is taken in.
  [[nodiscard]] bool is_ending() const { return is_ending_; }
  // Why the server ended it, for one log line; empty when that is nothing unusual.
  [[nodiscard]] const std::string& complaint() const { return complaint_; }
  // The output was written: what had to wait for room goes on.
  void resume() { take_frames(); }
  // Too much is waiting, for the core or for the client: read no more for now.
  [[nodiscard]] bool is_congested() const {
    return phase_ == Phase::kEstablishing || waiting_.size() >= rules_.max_waiting_requests ||
           waiting_reads_ >= rules_.max_waiting_reads ||
           output_.size() >= rules_.max_output_bytes ||
           (lane_.is_core_congested && !waiting_.empty()) || is_paused() || is_abandoned_;
  }
  // Taken from the lane's list of those that the core stirred.
  void settle() { is_stirred_ = false; }
  [[nodiscard]] bool is_gone() const { return is_gone_; }
  // The four-letter word that it began with instead of a connect request, until it is answered.
  [[nodiscard]] const std::string& word() const { return word_; }
  void answer_word(BytesView text);
  [[nodiscard]] bool has_session() const { return phase_ == Phase::kEstablished; }
  [[nodiscard]] SteadyTimeMs last_heard() const { return last_heard_; }
  [[nodiscard]] SessionId session() const { return session_; }
  [[nodiscard]] std::int32_t timeout_ms() const { return timeout_ms_; }
  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

  // From the core.
  void session_opened(SessionId session, std::int32_t timeout_ms);
  void session_refused();
  // A transaction of this session was applied. True: it was the oldest write that waits here, and
  // is answered; and before it whatever else the client asked for before it (a sync among that is
  // done, for the commit came after it).
  bool answer(std::int32_t cxid, const state::ApplyResult& result, SteadyTimeMs now);
  // A write that leaves no transaction: refused, or (kOk) the end of a local session. Told when its
  // turn comes.
  void refuse(std::uint64_t ticket, jute::ErrorCode error, SteadyTimeMs now);
  void answer_sync(std::uint64_t ticket, SteadyTimeMs now);  // likewise
  // The core has proposed or forwarded that write: nobody but the log can say now what became of
  // it.
  void note_in_doubt(std::uint64_t ticket) { last_in_doubt_.store(ticket, kRelaxed); }
  [[nodiscard]] std::size_t writes_in_doubt() const;
  [[nodiscard]] std::size_t writes_lost() const { return writes_lost_; }  // in doubt at the end
  void unpause();
  // Kept through a change of leader: nothing is taken from the client until the new leader has said
  // that its session is still here. It may have gone on elsewhere meanwhile, and what lies here
  // unread may be older than what it asked there.
  void hold();
  [[nodiscard]] bool is_held() const { return is_held_; }
  void release();
  // The client has come again on another connection: nothing more is taken here, though what was
  // asked is answered while that one waits.
  void abandon() { is_abandoned_ = true; }
  [[nodiscard]] bool is_abandoned() const { return is_abandoned_; }
  // The log has a write of this session that was not asked for here.
  void note_foreign_write();
  // From the core, at any time: the session ended, or moved to another connection; or there is a
  // complaint.
  void end(std::string complaint = {});

  void notify(jute::EventType type, std::string_view path, Zxid zxid, state::AclId acl) override;

 private:
  enum class Phase : std::uint8_t { kNew, kEstablishing, kEstablished };

  // A request whose turn has not come: it waits for the core, or behind one that does.
  struct Waiting {
    enum class Kind : std::uint8_t {
      kWrite,    // for the core
      kSync,     // likewise
      kBarrier,  // likewise: what stands behind shows all that was committed when it came
      kRead,
      kSynced,
      kPassed,  // a barrier
      kRefused,
      kReady,
    } kind{};
    std::int32_t xid = 0;
    jute::OpCode type{};
    Bytes bytes;  // kRead: the request record; kSync: the reply's body; kReady: the finished frame
    std::vector<jute::OpCode> part_types{};  // of a multi
    bool ends_connection = false;
    SteadyTimeMs since;           // when it was read
    std::size_t large_bytes = 0;  // what it adds to the lane's large_request_bytes
    std::uint64_t ticket = 0;     // kWrite, kSync, kBarrier
    jute::ErrorCode error{};      // kRefused
  };

  void stir();
  void take_frames();
  void take_connect(BytesView body);
  bool take_word();
  void take_request(BytesView frame);
  [[nodiscard]] bool is_large(std::size_t frame_bytes) const {
    return phase_ == Phase::kEstablished && frame_bytes > rules_.large_request_threshold_bytes;
  }
  [[nodiscard]] bool admits_large(std::size_t frame_bytes) const;
  void dispatch(const jute::RequestHeader& header, BytesView record);
  void take_auth(std::int32_t xid, BytesView record);
  void take_wish(std::int32_t xid, BytesView wish);
  void submit_write(const jute::RequestHeader& header, BytesView record);
  void read_in_turn(const jute::RequestHeader& header, BytesView record);
  void submit_sync(const jute::RequestHeader& header, BytesView record);
  void place_barrier();
  void submit_barrier(Waiting barrier);
  void reply_in_turn(std::int32_t xid, Zxid zxid, jute::ErrorCode error, BytesView body,
                     bool ends_connection);
  void reply_connect(SessionId session, std::int32_t timeout_ms);
  void run_read(std::int32_t xid, jute::OpCode type, BytesView record);
  [[nodiscard]] bool is_paused() const {
    return is_held_ ||
           (lane_.is_paused && (phase_ != Phase::kNew || input_.size() >= kLengthBytes));
  }
  void wait_for_service();
  void run_waiting();
  void run(const Waiting& request);
  void reply_to_write(const Waiting& request, const state::ApplyResult& result);
  void settle_ticket(std::uint64_t ticket, Waiting::Kind kind, jute::ErrorCode error,
                     SteadyTimeMs now);
  Waiting pop_waiting();
  void answered(SteadyTimeMs since);
  void end_with(std::string complaint);

  Lane& lane_;
  const ServingRules& rules_;
  std::string address_;
  std::shared_ptr<const state::AuthIds> ids_;
  Phase phase_ = Phase::kNew;
  bool is_ending_ = false;
  bool is_gone_ = false;
  bool has_close_request_ = false;
  bool are_reads_linearizable_;
  bool has_barrier_of_turn_ = false;  // one that the core cannot have seen yet
  bool knows_read_only_ =
      false;  // the connect request had the readOnly byte, so the reply has it too
  std::string word_;
  std::string complaint_;
  SessionId session_;
  std::int32_t timeout_ms_ = 0;
  SteadyTimeMs last_heard_;
  SteadyTimeMs now_;  // of the event at hand
  Bytes input_;       // an incomplete frame
  Bytes output_;
  std::deque<Waiting> waiting_;
  std::size_t waiting_reads_ = 0;
  std::uint64_t last_ticket_ = 0;
  // The core writes this without the lane's lock, for it does so with every write; who else reads
  // it counts, and may be one too low.
  static constexpr auto kRelaxed = std::memory_order_relaxed;
  std::atomic<std::uint64_t> last_in_doubt_ = 0;
  std::size_t writes_lost_ = 0;
  bool is_stirred_ = false;
  bool is_held_ = false;
  bool is_abandoned_ = false;
  bool has_foreign_writes_ = false;
  bool is_waiting_for_service_ = false;
};

}  // namespace synod::replica
