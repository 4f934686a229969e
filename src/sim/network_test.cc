// What a place's streams share when its uplink is limited.
#include "sim/network.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace synod::sim {
namespace {

constexpr std::size_t kBytesPerMilli = 100;
constexpr NetworkOptions kNarrow{.latency = 1,
                                 .latency_min = 0,
                                 .slow_per_mille = 0,
                                 .cut_per_mille = 0,
                                 .dial_fails_per_mille = 0,
                                 .uplink_bytes_per_milli = kBytesPerMilli};

// Takes whatever comes, and knows when the last of it came.
class Taker final : public Process {
 public:
  explicit Taker(Timeline& timeline) : timeline_(timeline) {}
  void stream_accepted(End end, Door, Place) override { accepted.push_back(end); }
  void stream_open(End) override {}
  void stream_closed(End end) override { closed.insert(end); }
  void stream_bytes(End end, BytesView bytes) override {
    received[end] += bytes;
    last_at[end] = timeline_.now();
  }
  void stream_drained(End) override {}
  [[nodiscard]] bool takes(End) const override { return true; }

  std::vector<End> accepted;
  std::set<End> closed;
  std::map<End, Bytes> received;
  std::map<End, Micros> last_at;

 private:
  Timeline& timeline_;
};

class LimitedUplink : public testing::Test {
 protected:
  LimitedUplink() {
    network_.listen(0, &sender_);
    for (Place place = 1; place < 4; ++place) network_.listen(place, &taker_);
  }
  End connect(Place from, Place to) {
    const End end = network_.dial(from, to, Door::kQuorum, sender_);
    run_for(10 * kMillisecond);
    return end;
  }
  void run_for(Micros duration) {
    const Micros until = timeline_.now() + duration;
    while (timeline_.step(until)) {
    }
  }
  // By the other side.
  Micros last_at(End end) { return taker_.last_at[end ^ 1]; }
  std::size_t received(End end) { return taker_.received[end ^ 1].size(); }

  Timeline timeline_;
  Trace trace_{timeline_};
  Network network_{timeline_, trace_, 1, 4, kNarrow};
  Taker sender_{timeline_};
  Taker taker_{timeline_};
};

TEST_F(LimitedUplink, StreamsOfOnePlaceShareItEvenly) {
  const End one = connect(0, 1);
  const End other = connect(0, 2);
  const Micros began = timeline_.now();
  network_.send(one, Bytes(20'000, 'a'));
  network_.send(other, Bytes(20'000, 'b'));
  run_for(200 * kMillisecond);
  EXPECT_NEAR(static_cast<double>(received(one)), 10'000, 1600) << "half of what passes";
  EXPECT_NEAR(static_cast<double>(received(other)), 10'000, 1600);
  run_for(kSecond);
  EXPECT_EQ(taker_.received[one ^ 1], Bytes(20'000, 'a'));
  EXPECT_EQ(taker_.received[other ^ 1], Bytes(20'000, 'b'));
  const Micros all = 40'000 / kBytesPerMilli * kMillisecond;
  EXPECT_NEAR(static_cast<double>(std::max(last_at(one), last_at(other)) - began),
              static_cast<double>(all), 100);
}

TEST_F(LimitedUplink, LittleDoesNotWaitBehindMuch) {
  const End bulk = connect(0, 1);
  const End word = connect(0, 2);
  network_.send(bulk, Bytes(100'000, 'a'));
  run_for(50 * kMillisecond);
  const Micros began = timeline_.now();
  network_.send(word, "now");
  run_for(100 * kMillisecond);
  EXPECT_EQ(received(word), 3U);
  EXPECT_LT(last_at(word) - began, 40 * kMillisecond) << "two frames";
}

TEST_F(LimitedUplink, PlacesDoNotShareTheirs) {
  const End one = connect(0, 1);
  const End other = connect(3, 1);
  const Micros began = timeline_.now();
  network_.send(one, Bytes(20'000, 'a'));
  network_.send(other, Bytes(20'000, 'b'));
  run_for(kSecond);
  const Micros each = 20'000 / kBytesPerMilli * kMillisecond;
  for (const End end : {one, other})
    EXPECT_NEAR(static_cast<double>(last_at(end) - began), static_cast<double>(each), 100);
}

TEST_F(LimitedUplink, WhatWasSentBeforeTheEndArrivesBeforeIt) {
  const End end = connect(0, 1);
  network_.send(end, Bytes(20'000, 'a'));
  network_.close(end);
  run_for(100 * kMillisecond);
  EXPECT_FALSE(taker_.closed.contains(end ^ 1));
  EXPECT_LT(network_.bytes_sent(0, 1), 20'000U) << "the rest has not passed the uplink";
  run_for(kSecond);
  EXPECT_EQ(received(end), 20'000U);
  EXPECT_EQ(network_.bytes_sent(0, 1), 20'000U);
  EXPECT_TRUE(taker_.closed.contains(end ^ 1));
}

TEST_F(LimitedUplink, WhatWaitsIsLostWithItsStreamAndHoldsUpNobody) {
  const End lost = connect(0, 1);
  const End kept = connect(0, 2);
  network_.send(lost, Bytes(100'000, 'a'));
  network_.send(kept, Bytes(20'000, 'b'));
  run_for(20 * kMillisecond);
  network_.break_stream(lost);
  const Micros began = timeline_.now();
  run_for(kSecond);
  EXPECT_LT(received(lost), 2000U);
  EXPECT_EQ(received(kept), 20'000U);
  EXPECT_LE(last_at(kept) - began, 20'000 / kBytesPerMilli * kMillisecond + 30 * kMillisecond);
}

}  // namespace
}  // namespace synod::sim
