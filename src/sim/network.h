// A network of streams as TCP gives them: bytes in order, until a break, which loses an end of them
// and may cut a message in two. Each end notices a break at its own time, or only when it writes.
//
// Nothing is delivered while the way from the sender to the receiver is blocked, or while the
// receiver takes nothing (its process stands still, or has enough); the bytes wait, as TCP sends
// them again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "sim/dice.h"
#include "sim/timeline.h"
#include "sim/trace.h"

namespace synod::sim {

// A machine: servers come first, then one for each client.
using Place = std::size_t;
// One end of a stream. The other has the number with the lowest bit turned.
using End = std::uint64_t;

enum class Door : std::uint8_t { kElection, kQuorum, kObserverMaster, kClient };

// A process, as the network sees it. No call comes from within a call to the network.
class Process {
 public:
  virtual void stream_accepted(End end, Door door, Place from) = 0;
  virtual void stream_open(End end) = 0;  // dialled by us
  virtual void stream_closed(End end) = 0;
  virtual void stream_bytes(End end, BytesView bytes) = 0;
  virtual void stream_drained(End end) = 0;
  // May bytes and endings be handed to it now? When that changes: Network::wake().
  [[nodiscard]] virtual bool takes(End end) const = 0;

 protected:
  ~Process() = default;
};

struct NetworkOptions {
  Micros latency = 300;              // mean, one way
  Micros latency_min = 20;           //
  std::uint64_t slow_per_mille = 5;  // chunks that take up to a hundred times as long
  std::uint64_t cut_per_mille = 50;  // deliveries that end in the middle of something
  std::uint64_t dial_fails_per_mille = 5;
  std::size_t bytes_per_milli = 1'000'000;  // of bandwidth, each stream
  // What each place may send in all; its streams share it evenly. 0: no limit, and bytes_per_milli
  // holds; else that does not.
  std::size_t uplink_bytes_per_milli = 0;
  std::size_t window = std::size_t{256} << 10;  // what the kernels of both ends hold
  std::size_t many = std::size_t{1} << 20;      // Process::stream_drained comes at half of it
};

class Network {
 public:
  Network(Timeline& timeline, Trace& trace, std::uint64_t seed, std::size_t places,
          NetworkOptions options);

  // ---- for processes
  void listen(Place place, Process* process);  // null: nobody is there (the dial is refused)
  [[nodiscard]] End dial(Place from, Place to, Door door, Process& process);
  void send(End end, Bytes bytes);
  void close(End end);  // no event of this end follows
  [[nodiscard]] std::size_t unsent(End end) const;
  void wake(End end);
  void wake_all(Place place);

  // ---- for faults
  // The process is gone: its kernel says so to everybody, and may drop what was not read.
  void process_died(Place place);
  // The machine is gone: nobody is told. Who writes to it later learns, once it is up again.
  void machine_died(Place place);
  void block(Place from, Place to, bool is_blocked);
  [[nodiscard]] bool is_blocked(Place from, Place to) const {
    return blocked_[from * places_ + to] > 0;
  }
  // Streams between the two break, each end noticing when it does.
  void break_streams(Place a, Place b);
  [[nodiscard]] std::vector<End> streams_of(Place place) const;
  void break_stream(End end);
  void stall(End end, Micros duration);  // what is sent from this end waits
  void slow_down(Place a, Place b, Micros extra);
  void heal();  // blocks, stalls and delays end

  [[nodiscard]] Place other_place(End end) const;
  [[nodiscard]] std::uint64_t breaks() const { return breaks_; }
  // Given to the network so far, arrived or not; where uplinks are limited, what has passed them.
  [[nodiscard]] std::uint64_t bytes_sent(Place from, Place to) const {
    return bytes_sent_[from * places_ + to];
  }

 private:
  struct Chunk {
    Bytes bytes;
    Micros arrives = 0;
  };
  // From one end to the other.
  struct Way {
    std::deque<Chunk> chunks;
    std::size_t offset = 0;     // of the first chunk: delivered already
    std::deque<Bytes> waiting;  // for the uplink, in pieces that a frame has room for
    bool has_turn = false;      // at the uplink
    std::size_t queued = 0;     // bytes, of chunks and waiting
    Micros last_arrival = 0;
    Micros stalled_until = 0;
    bool is_scheduled = false;
    bool has_many = false;
    bool is_ended = false;         // nothing more is put in
    std::optional<Micros> end_at;  // the receiver learns of the end then; nothing: when it writes
  };
  // Its streams take turns, a frame each.
  struct Uplink {
    std::deque<End> turns;
    bool is_busy = false;  // with a frame of the first
  };
  struct Side {
    Place place = 0;
    Process* process = nullptr;  // null: closed at this end
    bool is_open = false;        // the process was told of it
  };
  struct Stream {
    Door door{};
    Side sides[2];
    Way ways[2];  // by the sending side
  };

  static std::size_t side_of(End end) { return end & 1; }
  [[nodiscard]] Stream* find(End end);
  [[nodiscard]] const Stream* find(End end) const;
  void connect(End end);
  void fail_dial(End end, Micros delay);
  void depart(End end, Way& way, Bytes bytes);
  void queue_up(End end, Way& way, Bytes bytes);
  void send_frame(Place from);
  void frame_sent(Place from, std::size_t bytes);
  void schedule(End sender, Way& way);
  void deliver(End sender);
  void deliver_end(End sender);
  [[nodiscard]] Bytes take_arrived(Way& way);
  void lose_suffix(Way& way);
  void end_way(End sender, std::optional<Micros> at);
  void forget_if_over(End end);
  [[nodiscard]] Micros latency(Place from, Place to);

  Timeline& timeline_;
  Trace& trace_;
  Dice dice_;
  std::size_t places_;
  NetworkOptions options_;
  std::vector<Process*> listeners_;
  std::vector<int> blocked_;      // how many faults block the way
  std::vector<Micros> slowness_;  // extra latency
  std::vector<std::uint64_t> bytes_sent_;
  std::vector<Uplink> uplinks_;
  std::map<std::uint64_t, Stream> streams_;  // by End / 2
  std::uint64_t last_stream_ = 0;
  std::uint64_t breaks_ = 0;
};

}  // namespace synod::sim
