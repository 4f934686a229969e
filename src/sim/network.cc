#include "sim/network.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace synod::sim {
namespace {

constexpr std::size_t kFrameBytes = 1500;  // that pass an uplink in one turn

constexpr End other(End end) { return end ^ 1; }

}  // namespace

Network::Network(Timeline& timeline, Trace& trace, std::uint64_t seed, std::size_t places,
                 NetworkOptions options)
    : timeline_(timeline),
      trace_(trace),
      dice_(dice(seed, Part::kNetwork)),
      places_(places),
      options_(options),
      listeners_(places, nullptr),
      blocked_(places * places, 0),
      slowness_(places * places, 0),
      bytes_sent_(places * places, 0),
      uplinks_(places) {}

Network::Stream* Network::find(End end) {
  const auto found = streams_.find(end / 2);
  return found == streams_.end() ? nullptr : &found->second;
}
const Network::Stream* Network::find(End end) const {
  const auto found = streams_.find(end / 2);
  return found == streams_.end() ? nullptr : &found->second;
}

Micros Network::latency(Place from, Place to) {
  Micros draw = options_.latency_min + dice_.skewed(options_.latency);
  if (dice_.per_mille(options_.slow_per_mille)) draw *= dice_.between(2, 100);
  return draw + slowness_[from * places_ + to];
}

// ---- processes --------------------------------------------------------------------------------

void Network::listen(Place place, Process* process) { listeners_[place] = process; }

End Network::dial(Place from, Place to, Door door, Process& process) {
  const End end = ++last_stream_ * 2;
  Stream& stream = streams_[end / 2];
  stream.door = door;
  stream.sides[0] = {.place = from, .process = &process};
  stream.sides[1] = {.place = to};
  timeline_.after(latency(from, to), [this, end] { connect(end); });
  return end;
}

void Network::connect(End end) {
  Stream* stream = find(end);
  if (!stream) return;
  const Place from = stream->sides[0].place;
  const Place to = stream->sides[1].place;
  if (is_blocked(from, to) || is_blocked(to, from))
    return fail_dial(end, dice_.between(500 * kMillisecond, 5 * kSecond));
  if (!listeners_[to] || dice_.per_mille(options_.dial_fails_per_mille))
    return fail_dial(end, latency(to, from));
  // The kernel accepts for the process, which may stand still.
  stream->sides[1].process = listeners_[to];
  schedule(end, stream->ways[0]);
  const Micros back = latency(to, from);
  stream->ways[1].last_arrival = timeline_.now() + back;
  timeline_.after(back, [this, end] {
    if (Stream* there = find(end)) schedule(other(end), there->ways[1]);
  });
}

void Network::fail_dial(End end, Micros delay) {
  timeline_.after(delay, [this, end] {
    Stream* stream = find(end);
    if (!stream || !stream->sides[0].process) return;
    Process* dialler = stream->sides[0].process;
    if (!dialler->takes(end)) return fail_dial(end, 10 * kMillisecond);
    streams_.erase(end / 2);
    dialler->stream_closed(end);
  });
}

void Network::send(End end, Bytes bytes) {
  Stream* stream = find(end);
  if (!stream || bytes.empty()) return;
  Way& way = stream->ways[side_of(end)];
  if (way.is_ended) {
    // The other end is gone, which this one has not noticed: the answer to its bytes is a reset.
    Way& back = stream->ways[1 - side_of(end)];
    if (!back.end_at) {
      const Place to = stream->sides[1 - side_of(end)].place;
      if (!listeners_[to]) return;  // nobody there who could answer
      back.end_at = timeline_.now() + 2 * latency(stream->sides[side_of(end)].place, to);
      schedule(other(end), back);
    }
    return;
  }
  way.queued += bytes.size();
  if (way.queued >= options_.window + options_.many) way.has_many = true;
  if (options_.uplink_bytes_per_milli > 0) return queue_up(end, way, std::move(bytes));
  const Micros transfer =
      static_cast<Micros>(bytes.size() * kMillisecond / options_.bytes_per_milli);
  const Place from = stream->sides[side_of(end)].place;
  const Place to = stream->sides[1 - side_of(end)].place;
  way.last_arrival = std::max(way.last_arrival, timeline_.now() + latency(from, to)) + transfer;
  depart(end, way, std::move(bytes));
}

// On its way, to arrive last of all.
void Network::depart(End end, Way& way, Bytes bytes) {
  bytes_sent_[other_place(other(end)) * places_ + other_place(end)] += bytes.size();
  way.chunks.push_back({std::move(bytes), way.last_arrival});
  schedule(end, way);
}

// ---- a place's uplink -------------------------------------------------------------------------

void Network::queue_up(End end, Way& way, Bytes bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += kFrameBytes)
    way.waiting.push_back(bytes.substr(at, kFrameBytes));
  const Place from = other_place(other(end));
  if (!std::exchange(way.has_turn, true)) uplinks_[from].turns.push_back(end);
  send_frame(from);
}

void Network::send_frame(Place from) {
  Uplink& uplink = uplinks_[from];
  if (uplink.is_busy || uplink.turns.empty()) return;
  uplink.is_busy = true;
  std::size_t bytes = 0;
  const End end = uplink.turns.front();
  if (const Stream* stream = find(end)) {
    for (const Bytes& piece : stream->ways[side_of(end)].waiting) {
      if (bytes + piece.size() > kFrameBytes) break;
      bytes += piece.size();
    }
  }
  const auto transfer = static_cast<Micros>(bytes * kMillisecond / options_.uplink_bytes_per_milli);
  timeline_.after(transfer, [this, from, bytes] { frame_sent(from, bytes); });
}

// Unless the stream was lost meanwhile, and what it had to send with it.
void Network::frame_sent(Place from, std::size_t bytes) {
  Uplink& uplink = uplinks_[from];
  uplink.is_busy = false;
  const End end = uplink.turns.front();
  uplink.turns.pop_front();
  if (Stream* stream = find(end)) {
    Way& way = stream->ways[side_of(end)];
    way.last_arrival =
        std::max(way.last_arrival, timeline_.now() + latency(from, other_place(end)));
    while (!way.waiting.empty() && way.waiting.front().size() <= bytes) {
      bytes -= way.waiting.front().size();
      depart(end, way, std::move(way.waiting.front()));
      way.waiting.pop_front();
    }
    way.has_turn = !way.waiting.empty();
    if (way.has_turn) uplink.turns.push_back(end);
  }
  send_frame(from);
}

// ---- the ends of streams ----------------------------------------------------------------------

std::size_t Network::unsent(End end) const {
  const Stream* stream = find(end);
  if (!stream) return 0;
  const std::size_t queued = stream->ways[side_of(end)].queued;
  return queued > options_.window ? queued - options_.window : 0;
}

// What was sent before still arrives, unless the other end had sent something that nobody read.
void Network::close(End end) {
  Stream* stream = find(end);
  if (!stream) return;
  const std::size_t side = side_of(end);
  stream->sides[side].process = nullptr;
  if (stream->ways[1 - side].queued > 0 && dice_.coin()) lose_suffix(stream->ways[side]);
  stream->ways[1 - side] = {.is_ended = true, .end_at = timeline_.now()};
  end_way(end, timeline_.now());
  forget_if_over(end);
}

void Network::wake(End end) {
  if (Stream* stream = find(end)) schedule(other(end), stream->ways[1 - side_of(end)]);
}

void Network::wake_all(Place place) {
  for (const End end : streams_of(place)) wake(end);
}

// ---- delivery ---------------------------------------------------------------------------------

// The way from `sender` may have something to deliver.
void Network::schedule(End sender, Way& way) {
  if (way.is_scheduled) return;
  Micros when = 0;
  if (!way.chunks.empty())
    when = way.chunks.front().arrives;
  else if (way.is_ended && way.end_at && way.waiting.empty())
    when = *way.end_at;
  else if (Stream* stream = find(sender); stream && !stream->sides[1 - side_of(sender)].is_open)
    when = way.last_arrival;  // the news that it is open
  else
    return;
  way.is_scheduled = true;
  timeline_.at(std::max(when, way.stalled_until), [this, sender] { deliver(sender); });
}

void Network::deliver(End sender) {
  Stream* stream = find(sender);
  if (!stream) return;
  const std::size_t side = side_of(sender);
  Way& way = stream->ways[side];
  Side& receiver = stream->sides[1 - side];
  way.is_scheduled = false;
  if (way.stalled_until > timeline_.now()) return schedule(sender, way);
  const End end = other(sender);
  if (!receiver.process || is_blocked(stream->sides[side].place, receiver.place) ||
      !receiver.process->takes(end))
    return;  // block() and wake() come back to it
  if (!receiver.is_open) {
    receiver.is_open = true;
    schedule(sender, way);
    if (side == 0)
      return receiver.process->stream_accepted(end, stream->door, stream->sides[0].place);
    return receiver.process->stream_open(end);
  }
  if (way.chunks.empty()) {
    if (way.is_ended && way.end_at && *way.end_at <= timeline_.now() && way.waiting.empty())
      return deliver_end(sender);
    return schedule(sender, way);
  }
  const Bytes bytes = take_arrived(way);
  const bool is_drained = way.has_many && way.queued < options_.window + options_.many / 2;
  if (is_drained) way.has_many = false;
  Process* drained = is_drained ? stream->sides[side].process : nullptr;
  schedule(sender, way);
  trace_.mix(end);
  trace_.mix(bytes);
  receiver.process->stream_bytes(end, bytes);
  if (drained && (stream = find(sender)) && stream->sides[side].process == drained)
    drained->stream_drained(sender);
}

// All that has arrived, or by chance a part of it, so that every place is cut at some time.
Bytes Network::take_arrived(Way& way) {
  Bytes bytes;
  while (!way.chunks.empty() && way.chunks.front().arrives <= timeline_.now()) {
    Chunk& chunk = way.chunks.front();
    if (bytes.empty() && way.offset == 0)
      bytes = std::move(chunk.bytes);
    else
      bytes.append(chunk.bytes, way.offset);
    way.offset = 0;
    way.chunks.pop_front();
  }
  if (bytes.size() > 1 && dice_.per_mille(options_.cut_per_mille)) {
    const std::size_t taken = 1 + dice_.below(bytes.size() - 1);
    way.chunks.push_front({bytes.substr(taken), timeline_.now() + dice_.skewed(options_.latency)});
    bytes.resize(taken);
  }
  way.queued -= bytes.size();
  return bytes;
}

void Network::deliver_end(End sender) {
  Stream* stream = find(sender);
  const End end = other(sender);
  Process* process = std::exchange(stream->sides[side_of(end)].process, nullptr);
  // What this end sent and the other has not read is lost with it.
  end_way(end, timeline_.now());
  forget_if_over(end);
  process->stream_closed(end);
}

void Network::forget_if_over(End end) {
  const Stream* stream = find(end);
  if (stream && !stream->sides[0].process && !stream->sides[1].process) streams_.erase(end / 2);
}

void Network::end_way(End sender, std::optional<Micros> at) {
  Stream* stream = find(sender);
  Way& way = stream->ways[side_of(sender)];
  if (way.is_ended) return;
  way.is_ended = true;
  if (at) way.end_at = std::max(*at, way.last_arrival);
  // Nobody was ever there: the dial is answered at least.
  schedule(sender, way);
}

void Network::lose_suffix(Way& way) {
  for (const Bytes& piece : std::exchange(way.waiting, {})) way.queued -= piece.size();
  if (way.queued == 0) return;
  std::size_t kept = dice_.below(way.queued + 1);
  way.queued = 0;
  std::deque<Chunk> chunks;
  for (Chunk& chunk : std::exchange(way.chunks, {})) {
    if (way.offset > 0) chunk.bytes.erase(0, std::exchange(way.offset, 0));
    if (kept == 0) break;
    if (chunk.bytes.size() > kept) chunk.bytes.resize(kept);
    kept -= chunk.bytes.size();
    way.queued += chunk.bytes.size();
    chunks.push_back(std::move(chunk));
  }
  way.chunks = std::move(chunks);
}

// ---- faults -----------------------------------------------------------------------------------

std::vector<End> Network::streams_of(Place place) const {
  std::vector<End> ends;
  for (const auto& [number, stream] : streams_) {
    for (std::size_t side = 0; side < 2; ++side) {
      if (stream.sides[side].place == place && stream.sides[side].process)
        ends.push_back(number * 2 + side);
    }
  }
  return ends;
}

Place Network::other_place(End end) const {
  const Stream* stream = find(end);
  SYNOD_ASSERT(stream);
  return stream->sides[1 - side_of(end)].place;
}

void Network::process_died(Place place) {
  listeners_[place] = nullptr;
  for (const End end : streams_of(place)) {
    Stream* stream = find(end);
    if (!stream) continue;
    if (dice_.coin()) lose_suffix(stream->ways[side_of(end)]);
    close(end);
  }
}

void Network::machine_died(Place place) {
  listeners_[place] = nullptr;
  for (const End end : streams_of(place)) {
    Stream* stream = find(end);
    if (!stream) continue;
    Way& way = stream->ways[side_of(end)];
    lose_suffix(way);
    stream->sides[side_of(end)].process = nullptr;
    stream->ways[1 - side_of(end)] = {.is_ended = true, .end_at = timeline_.now()};
    end_way(end, dice_.coin() ? std::optional(timeline_.now() + dice_.skewed(2 * kSecond))
                              : std::nullopt);
    forget_if_over(end);
  }
}

void Network::block(Place from, Place to, bool is_blocked) {
  int& count = blocked_[from * places_ + to];
  count = std::max(0, count + (is_blocked ? 1 : -1));
  if (count > 0) return;
  // TCP tries again after a while, the longer the break the longer.
  timeline_.after(dice_.skewed(100 * kMillisecond), [this, to] { wake_all(to); });
}

void Network::break_streams(Place a, Place b) {
  for (const End end : streams_of(a)) {
    if (const Stream* stream = find(end); stream && other_place(end) == b) break_stream(end);
  }
}

void Network::break_stream(End end) {
  Stream* stream = find(end);
  if (!stream || !stream->sides[0].is_open || !stream->sides[1].is_open) return;
  ++breaks_;
  for (std::size_t side = 0; side < 2; ++side) {
    Way& way = stream->ways[side];
    lose_suffix(way);
    // One end in four only learns of it when it writes.
    end_way((end & ~End{1}) | side, dice_.below(4) == 0
                                        ? std::nullopt
                                        : std::optional(timeline_.now() + dice_.skewed(kSecond)));
  }
}

void Network::stall(End end, Micros duration) {
  Stream* stream = find(end);
  if (!stream) return;
  Way& way = stream->ways[side_of(end)];
  way.stalled_until = std::max(way.stalled_until, timeline_.now() + duration);
}

void Network::slow_down(Place a, Place b, Micros extra) {
  slowness_[a * places_ + b] = slowness_[b * places_ + a] = extra;
}

void Network::heal() {
  std::ranges::fill(blocked_, 0);
  std::ranges::fill(slowness_, 0);
  for (auto& [number, stream] : streams_) {
    for (std::size_t side = 0; side < 2; ++side) {
      Way& way = stream.ways[side];
      if (way.stalled_until > timeline_.now()) {
        way.stalled_until = 0;
        way.is_scheduled = false;
      }
      // An end that only writing would find is found by the kernel's own probes at last.
      if (way.is_ended && !way.end_at) way.end_at = timeline_.now() + kSecond;
      schedule(number * 2 + side, way);
    }
  }
}

}  // namespace synod::sim
