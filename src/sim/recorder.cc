#include "sim/recorder.h"

#include <utility>

#include "sim/world.h"

namespace synod::sim {

void Recorder::begin(Micros duration) {
  began_ = zero_ = world_.now();
  looks_left_ = static_cast<std::size_t>(duration / RunRecord::kSlice);
  committed_ = world_.ghost().committed().size();
  record_.servers = world_.size();
  record_.bytes.resize(world_.size() * world_.size());
  count_bytes();
  for (std::size_t i = 0; i < world_.size(); ++i) {
    last_span_.push_back(i);
    record_.spans.push_back({.server = i, .from = began_, .to = began_});
    look_at(i);
  }
  world_.timeline().after(RunRecord::kSlice, [this] { look(); });
}

void Recorder::look() {
  for (std::size_t i = 0; i < world_.size(); ++i) look_at(i);
  const std::size_t committed = world_.ghost().committed().size();
  record_.commits.push_back(static_cast<std::uint32_t>(committed - committed_));
  committed_ = committed;
  if (--looks_left_ > 0) return world_.timeline().after(RunRecord::kSlice, [this] { look(); });
  count_bytes();
}

void Recorder::look_at(std::size_t server) {
  const Micros now = world_.now();
  const bool is_up = world_.server(server).is_up();
  const consensus::Status& status = world_.ghost().status(server);
  RunRecord::Span& last = record_.spans[last_span_[server]];
  last.to = now;
  if (last.from == now) {
    last.is_up = is_up;
    last.status = status;
  } else if (last.is_up != is_up || last.status != status) {
    last_span_[server] = record_.spans.size();
    record_.spans.push_back(
        {.server = server, .from = now, .to = now, .is_up = is_up, .status = status});
  }
}

// At the end: what was sent since the beginning.
void Recorder::count_bytes() {
  for (std::size_t from = 0; from < world_.size(); ++from)
    for (std::size_t to = 0; to < world_.size(); ++to) {
      std::uint64_t& bytes = record_.bytes[from * world_.size() + to];
      bytes = world_.network().bytes_sent(from, to) - bytes;
    }
}

void Recorder::mark_now(std::string text) { mark(world_.now() - began_, std::move(text)); }

RunRecord Recorder::take() {
  RunRecord record = std::move(record_);
  for (RunRecord::Span& span : record.spans) {
    span.from -= zero_;
    span.to -= zero_;
  }
  for (RunRecord::Mark& mark : record.marks) mark.at -= zero_ - began_;
  record.from = began_ - zero_;
  return record;
}

}  // namespace synod::sim
