// A simulated machine with a server on it: a Replica, its disk, its clock, its ends of streams.
// What net/ and server/ do with sockets and threads is done here by events; the rest is their code.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "consensus/engine.h"
#include "replica/client_connection.h"
#include "replica/links.h"
#include "replica/replica.h"
#include "sim/disk.h"
#include "sim/ghost.h"
#include "sim/network.h"
#include "sim/timeline.h"
#include "sim/trace.h"

namespace synod::sim {

struct ServerOptions {
  replica::Options replica;
  replica::ServingRules rules;
  std::size_t lanes = 1;
  std::size_t unsent_max = std::size_t{16} << 20;  // of a link; beyond it, the link is broken
  DiskOptions disk;
};

class Server final : public Process, private replica::Links, private replica::Host {
 public:
  struct Hooks {
    std::function<std::unique_ptr<consensus::Engine>(std::size_t server, std::uint64_t life)>
        engine;
    std::function<void(std::size_t server, const std::string& why)> failed;  // the process must end
    std::function<void(std::size_t server)> crash_due;  // Disk::crash_after came true
    std::function<void(std::size_t server, const consensus::Effect&)> effect;
    std::function<void(std::size_t server, consensus::LinkId, consensus::Port)> accepted;
  };

  Server(std::size_t number, std::uint64_t seed, ServerOptions options, Timeline& timeline,
         Network& network, Ghost& ghost, Trace& trace, Hooks hooks);
  ~Server();

  // Empty, or why the directory was refused.
  std::string start();
  void kill();
  void power_cut();
  void pause();
  void resume();
  // The clock runs so much faster than true time, from now on; or jumps.
  void set_drift(std::int64_t parts_per_million);
  void jump_wall_clock(std::int64_t ms) { wall_offset_ms_ += ms; }

  [[nodiscard]] bool is_up() const { return replica_ != nullptr; }
  [[nodiscard]] bool is_paused() const { return is_paused_; }
  [[nodiscard]] Disk& disk() { return disk_; }
  [[nodiscard]] const replica::Replica* replica() const { return replica_.get(); }
  [[nodiscard]] replica::Time now() const;
  [[nodiscard]] std::size_t number() const { return number_; }
  [[nodiscard]] std::size_t client_count() const { return seats_.size(); }

  // Process
  void stream_accepted(End end, Door door, Place from) override;
  void stream_open(End end) override;
  void stream_closed(End end) override;
  void stream_bytes(End end, BytesView bytes) override;
  void stream_drained(End end) override;
  [[nodiscard]] bool takes(End end) const override;

 private:
  // A client's connection and what net's socket would know of it.
  struct Seat {
    std::shared_ptr<replica::ClientConnection> connection;
    std::size_t lane = 0;
    bool is_congested = false;
  };
  using Event = std::move_only_function<void()>;

  // Links
  void dial(consensus::LinkId link, ServerId server, consensus::Port port,
            std::vector<consensus::Endpoint> endpoints) override;
  void send(consensus::LinkId link, Bytes bytes) override;
  void close(consensus::LinkId link) override;
  [[nodiscard]] std::size_t unsent(consensus::LinkId link) const override;
  // Host: one thread needs no locks
  void pause_readers() override {}
  void resume_readers() override {}

  void later(Micros delay, Event event);  // unless the process ends before
  void turn(Event event);                 // the process's, when it runs
  void after_turn();
  void flush_stirred();
  void flush(End end);
  void leave(End end);
  void call_core();
  void forget_link(End end);
  void set_timer();
  void end_process();
  void fail(const std::string& why);
  [[nodiscard]] std::int64_t steady_micros() const;

  std::size_t number_;
  ServerOptions options_;
  Timeline& timeline_;
  Network& network_;
  Ghost& ghost_;
  Trace& trace_;
  Hooks hooks_;
  Dice dice_;
  Disk disk_;

  std::unique_ptr<replica::Replica> replica_;
  std::vector<replica::Lane*> lanes_;
  std::uint64_t life_ = 0;
  bool is_opening_ = false;
  bool has_failed_ = false;
  bool is_paused_ = false;
  std::vector<Event> deferred_;  // while it stands still
  std::map<End, Seat> seats_;
  std::map<const replica::ClientConnection*, End> seat_of_;  // looked up only, never walked
  std::size_t next_lane_ = 0;
  std::map<consensus::LinkId, End> end_of_;
  std::map<End, consensus::LinkId> link_of_;
  std::uint64_t last_accepted_ = 0;
  bool is_core_called_ = false;
  bool is_hold_timed_ = false;
  std::int64_t next_tick_ms_ = 0;  // by its own clock
  std::int64_t timer_at_ms_ = 0;   // the timer that is set; 0: none
  std::uint64_t timer_ = 0;

  Micros clock_set_at_ = 0;
  std::int64_t clock_was_ = 0;  // microseconds, then
  std::int64_t drift_ppm_ = 0;
  std::int64_t wall_offset_ms_ = 1'700'000'000'000;
};

}  // namespace synod::sim
