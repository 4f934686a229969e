// What a change of the membership means to the process: files to start from the next time, sizes
// of quorums for whoever asks, and a word in the log.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "consensus/membership.h"
#include "replica/replica.h"
#include "server/config.h"
#include "server/four_letter_words.h"
#include "storage/file_port.h"

namespace synod::server {

class MembershipHost final : public replica::Host {
 public:
  // `config_file` is absolute; empty where there is none. `readers` and `files`, a port that
  // nobody else uses, outlive this.
  MembershipHost(replica::Host& readers, storage::FilePort& files, const Config& config,
                 std::string config_file);

  void pause_readers() override { readers_.pause_readers(); }
  void resume_readers() override { readers_.resume_readers(); }
  [[nodiscard]] Result<void> configured(std::string_view text) override;

  // From any thread.
  void fill(QuorumFacts& facts) const;

 private:
  void say(const consensus::Membership& next) const;
  [[nodiscard]] Result<void> save(const consensus::Membership& next);

  replica::Host& readers_;
  storage::FilePort& files_;
  const Config& config_;
  const std::string config_file_;
  mutable std::mutex mutex_;
  consensus::Membership current_;  // written under the mutex, by the core's thread alone
  std::int64_t saved_version_ = 0;
};

}  // namespace synod::server
