// A client as ZooKeeper's are: a session kept over reconnections to any server, requests pipelined,
// pings at a third of the timeout, another server after two thirds of silence, watches set again.
// It speaks bytes, and writes down what it asked and what it was told (check/history.h).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "jute/codec.h"
#include "jute/opcode.h"
#include "sim/check/history.h"
#include "sim/commands.h"
#include "sim/ghost.h"
#include "sim/network.h"
#include "sim/timeline.h"
#include "sim/trace.h"

namespace synod::sim {

struct ClientOptions {
  Place place = 0;
  std::size_t servers = 1;
  std::int32_t timeout_ms = 4000;
  Micros think_time = 50 * kMillisecond;  // mean, between requests
  std::size_t pipeline = 4;               // requests under way at most
  std::size_t directories = 2;
  std::size_t nodes = 4;         // by name, in each directory
  bool is_idle = false;          // it only pings
  bool is_linearizable = false;  // it asks for reads of that kind
  bool runs_commands = false;    // it asks for nothing else, one after the other
  std::uint64_t reads_per_mille = 400;
  std::size_t value_bytes = 40;
};

// What all clients write into.
struct Notebook {
  check::History history;
  check::Moment moment = 0;
  [[nodiscard]] check::Moment next_moment() { return ++moment; }
};

class Client final : private Process {
 public:
  Client(std::int32_t number, std::uint64_t seed, ClientOptions options, Timeline& timeline,
         Network& network, Ghost& ghost, Trace& trace, Notebook& notebook);

  void start();
  // It asks nothing more; its session stays.
  void stop_asking() { is_asking_ = false; }
  [[nodiscard]] bool waits() const { return !pending_.empty(); }
  [[nodiscard]] std::uint64_t answered() const { return answered_; }
  [[nodiscard]] std::size_t number() const { return static_cast<std::size_t>(number_); }
  // A write, a sync and a read, wherever it is connected; is_probed() once all are answered well.
  void probe();
  [[nodiscard]] bool is_probed() const { return is_probed_; }
  // Asks for these members, if it is connected; what comes of it nobody is told.
  void reconfigure(const std::string& members);
  [[nodiscard]] bool waits_for_reconfiguration() const;
  // Null: it runs none.
  [[nodiscard]] const Commands* commands() const { return commands_ ? &*commands_ : nullptr; }
  // Asks the server whose reply it is to be connected to (tests, scenarios).
  void prefer(std::optional<std::size_t> server) { preferred_ = server; }

 private:
  enum class Phase : std::uint8_t { kAway, kDialling, kConnecting, kThere };
  struct Pending {
    std::size_t operation = 0;  // in the history; kNone: setWatches, or the probe's
    jute::OpCode type{};
    std::int32_t xid = 0;
  };
  static constexpr std::size_t kNone = SIZE_MAX;

  // Process
  void stream_accepted(End, Door, Place) override {}
  void stream_open(End end) override;
  void stream_closed(End end) override;
  void stream_bytes(End end, BytesView bytes) override;
  void stream_drained(End) override {}
  [[nodiscard]] bool takes(End) const override { return true; }

  void dial();
  void lose(const char* why);
  void welcome(BytesView body);
  void forget_session(check::SessionEvent::Kind kind);
  void abandon_session();
  void reply(BytesView frame);
  void complete(const Pending& pending, jute::ErrorCode error, Zxid zxid, jute::Reader& in);
  void read_result(check::Operation& operation, jute::Reader& in);
  void read_parts(check::Operation& operation, jute::Reader& in);
  void note_watch(check::Operation& operation);
  void event(Zxid zxid, jute::Reader& in);
  void ask_for_linearizable_reads();
  void set_watches_again();
  void heartbeat();
  void think();
  void ask();
  void send_request(std::int32_t xid, jute::OpCode type, BytesView record);
  std::size_t begin(check::Operation operation, jute::OpCode type, BytesView record);
  void note_session(check::SessionEvent::Kind kind);

  void ask_create();
  void ask_delete();
  void ask_set();
  void ask_read();
  void ask_synced_read();
  void ask_multi();
  void ask_command();
  void begin_multi(check::Operation operation);
  void ask_close();
  void read(check::Kind kind, const std::string& path, bool is_watching);
  [[nodiscard]] std::string directory();
  [[nodiscard]] std::string node();
  [[nodiscard]] std::string value();
  [[nodiscard]] std::int32_t version_of(const std::string& path);

  std::int32_t number_;
  ClientOptions options_;
  Timeline& timeline_;
  Network& network_;
  Ghost& ghost_;
  Trace& trace_;
  Notebook& notebook_;
  Dice dice_;

  Phase phase_ = Phase::kAway;
  bool is_asking_ = true;
  bool is_closing_ = false;
  End end_ = 0;
  std::uint64_t attempt_ = 0;
  std::size_t server_ = 0;
  std::optional<std::size_t> preferred_;
  Bytes input_;
  Micros heard_at_ = 0;
  Micros sent_at_ = 0;

  SessionId session_;
  std::int32_t negotiated_ms_ = 0;
  Bytes password_;
  Zxid last_seen_;
  std::int32_t last_xid_ = 0;
  std::deque<Pending> pending_;
  std::set<std::string> data_watches_;
  std::set<std::string> exist_watches_;
  std::set<std::string> child_watches_;

  std::map<std::string, std::int32_t> versions_;  // as last seen
  std::vector<std::string> made_;                 // sequential nodes of its own
  std::optional<Commands> commands_;
  std::uint64_t values_ = 0;
  std::uint64_t answered_ = 0;
  bool is_probing_ = false;
  bool is_probed_ = false;
  std::size_t probe_left_ = 0;
};

}  // namespace synod::sim
