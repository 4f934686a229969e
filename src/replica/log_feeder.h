// Reads the log back for learners that are far behind, beside everything else, in chunks as their
// links take them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "consensus/engine.h"
#include "replica/links.h"
#include "storage/data_directory.h"
#include "storage/file_port.h"
#include "storage/log_range.h"

namespace synod::replica {

class LogFeeder {
 public:
  // What the engine gets: see Engine::log_read().
  struct Part {
    consensus::LinkId link;
    std::optional<std::vector<consensus::Entry>> entries;
    bool is_end = false;
  };

  // `snapshot_size_factor`: see storage::LogRange::Options.
  LogFeeder(storage::FilePort& files, Links& links, storage::DataDirectory directory,
            double snapshot_size_factor)
      : files_(files),
        links_(links),
        directory_(std::move(directory)),
        snapshot_size_factor_(snapshot_size_factor) {}

  void start(consensus::LinkId link, Zxid after, Zxid up_to);
  void gone(consensus::LinkId link) { feeds_.erase(link); }  // a read under way is forgotten
  // Goes on where it can; `written`: how far the log's batches have completed.
  void advance(Zxid written);
  // True: the token was one of this object's.
  [[nodiscard]] bool io_done(storage::IoToken token, const Result<void>& result);
  [[nodiscard]] std::vector<Part> take_parts() { return std::exchange(parts_, {}); }

 private:
  struct Feed {
    Zxid after;
    Zxid up_to;
    std::optional<storage::LogRange> range;  // once everything up to up_to is written
    storage::IoToken token{};                // of the read under way; 0: none
    bool has_begun = false;                  // entries were handed over
  };

  [[nodiscard]] bool open(Feed& feed);
  [[nodiscard]] std::optional<storage::LogMark> mark_before(Zxid after) const;
  void note(storage::LogMark mark);

  storage::FilePort& files_;
  Links& links_;
  storage::DataDirectory directory_;
  double snapshot_size_factor_;
  std::map<consensus::LinkId, Feed> feeds_;
  // Where ranges that were read ended: what follows on them is not looked for from the beginning of
  // a file. Who is told of the log in pieces, from several servers, would have all of it read for
  // each.
  std::map<Zxid, storage::LogMark> marks_;
  std::uint64_t last_token_ = 0;
  std::vector<Part> parts_;
};

// Tokens of the feeder have this bit, the log's and the snapshotter's have not.
inline constexpr std::uint64_t kFeederTokenBit = std::uint64_t{1} << 62;

}  // namespace synod::replica
