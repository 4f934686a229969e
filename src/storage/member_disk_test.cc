// All that a member of an ensemble does to its directory, in any order, crashed at any operation,
// again and again on the same directory. What a state is, is a hash over its history: a snapshot
// carries the one it was taken at, every transaction leads to the next.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "storage/epoch_files.h"
#include "storage/log_cut.h"
#include "storage/snapshot_install.h"
#include "storage/snapshot_writer.h"
#include "storage/test_support.h"

namespace synod::storage {
namespace {

using Hash = std::int64_t;  // a session's id, in snapshots

Hash after_txn(Hash hash, BytesView body) {
  auto bits = static_cast<std::uint64_t>(hash);
  for (const char byte : body) bits = (bits ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
  return static_cast<Hash>(bits);
}

struct Point {
  Zxid zxid;
  Hash hash = 0;
};

class Member {
 public:
  explicit Member(std::uint64_t seed) : random_(seed) {}

  // Lives until it is crashed; then what it left is looked at. Empty: all is well.
  std::string live_and_crash() {
    RecordingSink sink;
    const auto report = recover(files_, kDirectory, {.is_member = true}, sink);
    if (!report) return report.error().text;
    if (std::string wrong = compare(*report, sink); !wrong.empty()) return wrong;
    begin(*report);
    for (std::uint64_t deeds = below(12); deeds > 0 && !is_crashed_; --deeds) {
      if (std::string wrong = do_something(); !wrong.empty()) return wrong;
    }
    crash();
    return "";
  }
  std::map<std::string, int> done;  // what was done to the end, and what was interrupted

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  std::string compare(const RecoveryReport& report, const RecordingSink& sink) {
    Hash hash = sink.sessions.empty() ? 0 : sink.sessions.begin()->first;
    for (const RecordedTxn& txn : sink.txns) hash = after_txn(hash, txn.body);
    if (!may_be_.contains(hash)) return "not one of the states it may be in";
    if (report.last_zxid != may_be_.at(hash)) return "a wrong last zxid";
    if (report.promised_epoch() < accepted_) return "a promise was forgotten";
    if (report.promised_epoch() == accepted_ && report.voted_for() != voted_for_)
      return "another vote than was given";
    if (report.synchronised_epoch() > report.promised_epoch()) return "epochs out of order";
    // The history that leads there, as far as it is still known here.
    const auto end = std::ranges::find(history_, hash, &Point::hash);
    if (end != history_.end())
      history_.erase(end + 1, history_.end());
    else
      history_ = {{report.last_zxid, hash}};
    return "";
  }

  void begin(const RecoveryReport& report) {
    is_crashed_ = false;
    accepted_ = static_cast<std::uint32_t>(
        std::max(report.accepted_epoch.value_or(0), report.vote.epoch));  // what files say
    voted_for_ = report.vote.epoch == accepted_ ? report.vote.server : ServerId{};
    handles_ = {};
    log_.emplace(LogWriter::Options{.log_dir = kDirectory.logs(),
                                    .preallocate_bytes = below(2) * 4096,
                                    .size_limit_bytes = 3000,
                                    .mark_every_records = 5},
                 handles_);
    epochs_.emplace(kDirectory.snapshots(), report.accepted_epoch, report.current_epoch,
                    report.vote);
    if (!report.snapshot) take_snapshot();
    ++epoch_;
    settle();
  }

  // From now on exactly this may be found.
  void settle() { may_be_ = {{history_.back().hash, history_.back().zxid}}; }

  // True: it was done to the end; else the crash came.
  bool run(const char* what, FileBatch batch) {
    std::uint64_t steps = below(8) == 0 ? below(batch.size() + 1) : UINT64_MAX;
    files_.submit(IoLane::kLog, {1}, std::move(batch));
    for (; steps > 0 && !files_.is_idle(IoLane::kLog); --steps) {
      const auto completion = files_.step(IoLane::kLog);
      if (completion && !completion->result) throw std::runtime_error("a batch failed");
    }
    is_crashed_ = !files_.is_idle(IoLane::kLog);
    ++done[std::string(what) + (is_crashed_ ? ", interrupted" : "")];
    return !is_crashed_;
  }

  std::string do_something() {
    switch (below(8)) {
      case 0:
        take_snapshot();
        return "";
      case 1:
        return cut();
      case 2:
        install();
        return "";
      case 3:
        save_epochs();
        return "";
      default:
        append();
        return "";
    }
  }

  void append() {
    for (std::uint64_t count = 1 + below(5); count > 0; --count) {
      const Point& last = history_.back();
      const Zxid next = last.zxid.epoch() == epoch_ ? last.zxid.next() : Zxid::of(epoch_, 1);
      const Bytes body = set_data_txn(next, below(900));
      log_->append(next, body);
      history_.push_back({next, after_txn(last.hash, body)});
      may_be_[history_.back().hash] = next;
    }
    if (below(5) == 0) log_->roll();
    if (!run("append", log_->take_batch())) return;
    log_->note_flushed(history_.back().zxid);
    settle();
  }

  SnapshotWriter write_snapshot(const Point& point, bool& is_whole) {
    SnapshotWriter writer({.directory = kDirectory.snapshots(), .zxid = point.zxid}, handles_);
    writer.begin({{.id = {point.hash}, .timeout_ms = 1}}, {});
    writer.add("", {});
    writer.finish(std::nullopt);
    is_whole = run("write", writer.take_batch());
    return writer;
  }
  void take_snapshot() {
    bool is_whole = false;
    SnapshotWriter writer = write_snapshot(history_.back(), is_whole);
    if (is_whole) run("publish", writer.publish());
  }

  std::string cut() {
    const Point to = history_[below(history_.size())];
    auto plan = plan_cut(files_, kDirectory, to.zxid, handles_);
    if (!plan) return plan.error().text;
    if (plan->last != to.zxid) return "it would not end where it should";
    for (const Point& point : history_) {
      if (point.zxid >= to.zxid) may_be_[point.hash] = point.zxid;
    }
    FileBatch batch;
    if (!plan->batch.empty()) batch = log_->end_at(plan->last);
    std::ranges::move(plan->batch, std::back_inserter(batch));
    if (!run("cut", std::move(batch))) return "";
    std::erase_if(history_, [&](const Point& point) { return point.zxid > to.zxid; });
    settle();
    ++epoch_;
    return "";
  }

  // Ahead of what there is, or another history altogether.
  void install() {
    const Zxid zxid = below(2) == 0 ? Zxid::of(epoch_, 1 + static_cast<std::uint32_t>(below(9)))
                                    : history_[below(history_.size())].zxid;
    const Point point{zxid.value == 0 ? Zxid::of(epoch_, 1) : zxid,
                      static_cast<Hash>(random_() >> 1)};
    bool is_whole = false;
    SnapshotWriter writer = write_snapshot(point, is_whole);
    if (!is_whole) return;
    FileBatch batch = writer.release();
    std::ranges::move(log_->end_at(point.zxid), std::back_inserter(batch));
    auto plan = plan_install(files_, kDirectory, writer.file(), handles_);
    std::ranges::move(plan.value(), std::back_inserter(batch));
    may_be_[point.hash] = point.zxid;
    if (!run("install", std::move(batch))) return;
    history_ = {point};
    ++epoch_;
    settle();
  }

  void save_epochs() {
    const std::uint32_t epoch = ++epoch_;
    const ServerId vote{epoch % 3};
    if (!run("epochs", epochs_->save(epoch, below(2) == 0 ? epoch : 0, vote, handles_))) return;
    accepted_ = epoch;
    voted_for_ = vote;
  }

  void crash() {
    if (below(2) == 0)
      files_.kill();
    else
      files_.power_cut([&](std::uint64_t bound) { return below(bound); });
  }

  std::mt19937_64 random_;
  MemoryFiles files_;
  FileHandleSource handles_;
  std::optional<LogWriter> log_;
  std::optional<EpochKeeper> epochs_;
  std::uint32_t epoch_ = 0;
  std::uint32_t accepted_ = 0;
  ServerId voted_for_;  // in accepted_
  std::vector<Point> history_{Point{}};
  std::map<Hash, Zxid> may_be_{{0, Zxid{}}};
  bool is_crashed_ = false;
};

TEST(MemberDisk, ACrashAnywhereLeavesAStateThatMayBe) {
  std::map<std::string, int> done;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    Member member(seed);
    for (int life = 0; life < 8; ++life) {
      const std::string wrong = member.live_and_crash();
      ASSERT_EQ(wrong, "") << "seed " << seed << ", life " << life;
    }
    for (const auto& [what, count] : member.done) done[what] += count;
  }
  for (const char* what : {"append", "write", "publish", "cut", "install", "epochs"}) {
    EXPECT_GT(done[what], 1000) << what;
    EXPECT_GT(done[std::string(what) + ", interrupted"], 100) << what;
  }
}

}  // namespace
}  // namespace synod::storage
