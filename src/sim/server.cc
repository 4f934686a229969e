#include "sim/server.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "sim/watched_engine.h"

namespace synod::sim {
namespace {

constexpr Micros kHold = 100;     // between Replica::is_holding and hold_over
constexpr Micros kCoreCall = 10;  // sockets that became ready together share a turn
constexpr std::int64_t kPartsPerMillion = 1'000'000;

// A port for other servers, and the door of that name.
constexpr std::pair<consensus::Port, Door> kDoors[] = {
    {consensus::Port::kElection, Door::kElection},
    {consensus::Port::kQuorum, Door::kQuorum},
    {consensus::Port::kObserverMaster, Door::kObserverMaster}};

Door door_of(consensus::Port port) {
  return std::ranges::find(kDoors, port, &std::pair<consensus::Port, Door>::first)->second;
}

consensus::Port port_of(Door door) {
  return std::ranges::find(kDoors, door, &std::pair<consensus::Port, Door>::second)->first;
}

}  // namespace

Server::Server(std::size_t number, std::uint64_t seed, ServerOptions options, Timeline& timeline,
               Network& network, Ghost& ghost, Trace& trace, Hooks hooks)
    : number_(number),
      options_(std::move(options)),
      timeline_(timeline),
      network_(network),
      ghost_(ghost),
      trace_(trace),
      hooks_(std::move(hooks)),
      dice_(dice(seed, Part::kNode, number)),
      disk_(timeline, seed, number, options_.disk,
            {.done =
                 [this](storage::IoToken token, Result<void> result) {
                   turn([this, token, result = std::move(result)]() mutable {
                     if (!has_failed_) replica_->io_done(token, std::move(result), now());
                   });
                 },
             .crash = [this] { hooks_.crash_due(number_); }}) {
  clock_was_ = dice_.between(1, 1'000'000'000);
}

Server::~Server() { end_process(); }

// ---- life -------------------------------------------------------------------------------------

std::string Server::start() {
  SYNOD_ASSERT(!replica_);
  ++life_;
  has_failed_ = is_paused_ = false;
  next_tick_ms_ = now().steady.value;
  auto engine = std::make_unique<WatchedEngine>(
      hooks_.engine(number_, life_), ghost_, number_,
      WatchedEngine::Looks{
          .accepted = [this](consensus::LinkId link,
                             consensus::Port port) { hooks_.accepted(number_, link, port); },
          .effect = [this](const consensus::Effect& effect) { hooks_.effect(number_, effect); }});
  replica::Options options = options_.replica;
  options.seed = dice_.next();
  is_opening_ = true;
  auto opened = replica::Replica::open(disk_, *this, *this, std::move(engine), options, now());
  is_opening_ = false;
  if (!opened) {
    end_process();
    return opened.error().text;
  }
  replica_ = std::move(*opened);
  for (std::size_t i = 0; i < options_.lanes; ++i) lanes_.push_back(&replica_->add_lane());
  for (const std::string& warning : replica_->recovery().warnings)
    trace_.line([&] { return fmt::format("s{} recovery: {}", number_ + 1, warning); });
  network_.listen(number_, this);
  trace_.line([&] {
    return fmt::format("s{} up, last logged 0x{:x}", number_ + 1,
                       replica_->recovery().last_zxid.value);
  });
  after_turn();
  return {};
}

void Server::end_process() {
  for (auto& [end, seat] : seats_) seat.connection->disconnected();
  seats_.clear();
  seat_of_.clear();
  lanes_.clear();
  deferred_.clear();
  end_of_.clear();
  link_of_.clear();
  replica_.reset();
  disk_.process_died();
  ++life_;
  is_core_called_ = is_hold_timed_ = is_paused_ = false;
  timer_at_ms_ = 0;
  ghost_.stopped(number_);
}

void Server::kill() {
  if (!replica_) return;
  network_.process_died(number_);
  end_process();
}

void Server::power_cut() {
  network_.machine_died(number_);
  end_process();
  disk_.power_cut();
}

// SIGSTOP: its kernel goes on, it does not.
void Server::pause() {
  if (replica_) is_paused_ = true;
}

void Server::resume() {
  if (!std::exchange(is_paused_, false)) return;
  for (Event& event : std::exchange(deferred_, {})) turn(std::move(event));
  network_.wake_all(number_);
}

void Server::later(Micros delay, Event event) {
  timeline_.after(delay, [this, life = life_, event = std::move(event)]() mutable {
    if (life == life_) turn(std::move(event));
  });
}

void Server::turn(Event event) {
  if (!replica_ || has_failed_) return;
  if (is_paused_) return deferred_.push_back(std::move(event));
  ghost_.flushed(number_, disk_.take_flushed());
  event();
  after_turn();
}

void Server::after_turn() {
  for (const std::string& warning : replica_->take_warnings()) {
    trace_.line([&] { return fmt::format("s{} warns: {}", number_ + 1, warning); });
  }
  if (replica_->failure()) return fail(replica_->failure()->text);
  flush_stirred();
  const state::State& state = replica_->state();
  ghost_.looked_at(number_, state.applied(), state.tree().digest(), replica_->status().is_serving);
  if (replica_->is_holding() && !std::exchange(is_hold_timed_, true)) {
    later(kHold, [this] {
      is_hold_timed_ = false;
      if (replica_->is_holding()) replica_->hold_over(now());
    });
  }
  set_timer();
}

// As the server's exit: not from within the turn that found it.
void Server::fail(const std::string& why) {
  if (std::exchange(has_failed_, true)) return;
  timeline_.after(0, [this, life = life_, why] {
    if (life == life_) hooks_.failed(number_, why);
  });
}

// ---- clocks -----------------------------------------------------------------------------------

std::int64_t Server::steady_micros() const {
  const Micros passed = timeline_.now() - clock_set_at_;
  return clock_was_ + passed + passed * drift_ppm_ / kPartsPerMillion;
}

replica::Time Server::now() const {
  const std::int64_t steady_ms = steady_micros() / kMillisecond;
  return {{steady_ms}, {steady_ms + wall_offset_ms_}};
}

void Server::set_drift(std::int64_t parts_per_million) {
  clock_was_ = steady_micros();
  clock_set_at_ = timeline_.now();
  drift_ppm_ = parts_per_million;
}

// A quarter of a tick ahead at most, earlier where the engine wants it.
void Server::set_timer() {
  const std::int64_t now_ms = now().steady.value;
  std::int64_t due = next_tick_ms_;
  if (const auto deadline = replica_->next_deadline()) due = std::min(due, deadline->value);
  due = std::max(due, now_ms + 1);
  if (timer_at_ms_ != 0 && timer_at_ms_ <= due) return;
  timer_at_ms_ = due;
  later((due - now_ms) * kMillisecond + dice_.skewed(200), [this, timer = ++timer_] {
    if (timer != timer_) return;
    timer_at_ms_ = 0;
    const std::int64_t ms = now().steady.value;
    if (ms >= next_tick_ms_)
      next_tick_ms_ = ms + std::max<std::int64_t>(options_.replica.tick_ms / 4, 1);
    replica_->tick(now());
  });
}

// ---- links to other servers -------------------------------------------------------------------

void Server::dial(consensus::LinkId link, ServerId server, consensus::Port port,
                  std::vector<consensus::Endpoint> /*endpoints*/) {
  const End end =
      network_.dial(number_, static_cast<Place>(server.value - 1), door_of(port), *this);
  end_of_[link] = end;
  link_of_[end] = link;
}

void Server::send(consensus::LinkId link, Bytes bytes) {
  const auto found = end_of_.find(link);
  if (found == end_of_.end()) return;
  const End end = found->second;
  network_.send(end, std::move(bytes));
  if (network_.unsent(end) <= options_.unsent_max) return;
  trace_.line([&] { return fmt::format("s{} breaks a link with too much unsent", number_ + 1); });
  network_.close(end);
  forget_link(end);
  later(0, [this, link] { replica_->unlinked(link, now()); });
}

void Server::close(consensus::LinkId link) {
  const auto found = end_of_.find(link);
  if (found == end_of_.end()) return;
  const End end = found->second;
  forget_link(end);
  network_.close(end);
}

std::size_t Server::unsent(consensus::LinkId link) const {
  const auto found = end_of_.find(link);
  return found == end_of_.end() ? 0 : network_.unsent(found->second);
}

void Server::forget_link(End end) {
  const auto found = link_of_.find(end);
  if (found == link_of_.end()) return;
  end_of_.erase(found->second);
  link_of_.erase(found);
}

// ---- streams ----------------------------------------------------------------------------------

bool Server::takes(End end) const {
  if (is_paused_) return false;
  const auto seat = seats_.find(end);
  return seat == seats_.end() || !seat->second.connection->is_congested();
}

void Server::stream_accepted(End end, Door door, Place from) {
  turn([this, end, door, from] {
    if (door == Door::kClient) {
      const std::size_t lane = next_lane_++ % lanes_.size();
      Seat& seat = seats_[end];
      seat.connection = std::make_shared<replica::ClientConnection>(
          *lanes_[lane], options_.rules, fmt::format("10.0.1.{}", from), now().steady);
      seat.lane = lane;
      seat_of_[seat.connection.get()] = end;
      return;
    }
    const consensus::LinkId link{last_accepted_ += 2};
    end_of_[link] = end;
    link_of_[end] = link;
    replica_->accepted(link, port_of(door), now());
  });
}

void Server::stream_open(End end) {
  turn([this, end] {
    const auto found = link_of_.find(end);
    if (found != link_of_.end()) replica_->linked(found->second, now());
  });
}

void Server::stream_closed(End end) {
  turn([this, end] {
    if (seats_.contains(end)) return leave(end);
    const auto found = link_of_.find(end);
    if (found == link_of_.end()) return;
    const consensus::LinkId link = found->second;
    forget_link(end);
    replica_->unlinked(link, now());
  });
}

void Server::stream_bytes(End end, BytesView bytes) {
  turn([this, end, bytes] {  // run at once: takes() refused them otherwise
    const auto seat = seats_.find(end);
    if (seat != seats_.end()) {
      seat->second.connection->receive(bytes, now().steady);
      if (!lanes_[seat->second.lane]->submitted.empty()) call_core();
      return flush(end);
    }
    const auto found = link_of_.find(end);
    if (found != link_of_.end()) replica_->received(found->second, bytes, now());
  });
}

void Server::stream_drained(End end) {
  turn([this, end] {
    const auto found = link_of_.find(end);
    if (found != link_of_.end()) replica_->drained(found->second, now());
  });
}

// ---- clients ----------------------------------------------------------------------------------

void Server::call_core() {
  if (std::exchange(is_core_called_, true)) return;
  later(kCoreCall, [this] {
    is_core_called_ = false;
    replica_->advance(now());
  });
}

void Server::flush_stirred() {
  for (replica::Lane* lane : lanes_) {
    for (const auto& connection : std::exchange(lane->stirred, {})) {
      connection->settle();
      const auto found = seat_of_.find(connection.get());
      if (found != seat_of_.end()) flush(found->second);
    }
  }
}

void Server::flush(End end) {
  const auto found = seats_.find(end);
  if (found == seats_.end()) return;
  Seat& seat = found->second;
  replica::ClientConnection& connection = *seat.connection;
  while (true) {
    Bytes output = std::exchange(connection.output(), {});
    connection.resume();
    if (!lanes_[seat.lane]->submitted.empty()) call_core();
    if (output.empty()) break;
    network_.send(end, std::move(output));
  }
  if (connection.is_ending()) {
    network_.close(end);
    return leave(end);
  }
  const bool was_congested = std::exchange(seat.is_congested, connection.is_congested());
  if (was_congested && !seat.is_congested) network_.wake(end);
}

void Server::leave(End end) {
  const auto seat = seats_.extract(end);
  if (seat.empty()) return;
  const auto& connection = seat.mapped().connection;
  if (!connection->complaint().empty()) {
    trace_.line([&] {
      return fmt::format("s{} closed a client: {}", number_ + 1, connection->complaint());
    });
  }
  seat_of_.erase(connection.get());
  connection->disconnected();
  call_core();
}

}  // namespace synod::sim
