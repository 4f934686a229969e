// Bytes of anybody on a server's election port, in any pieces, while links come, go and break and
// time passes. The server survives, what it sends is well formed, and what it holds is bounded.
#include <set>

#include "consensus/zab/election.h"
#include "fuzz_input.h"
#include "jute/codec.h"

namespace {

using synod::Bytes;
using synod::BytesView;
using synod::fuzz::require;
using namespace synod::consensus;
using namespace synod::consensus::zab;

Membership membership_of_five() {
  Membership membership;
  for (int i = 1; i <= 5; ++i) {
    membership.members[{i}] = {
        .quorum = {{"h", 1}}, .election = {{"h", 2}}, .is_observer = i == 5, .client = {}};
  }
  return membership;
}

// Frames with notifications, behind an initial message on links that we dialled.
void check_sent(BytesView bytes) {
  if (bytes.starts_with('\xff')) {
    const auto initial = find_initial_message(bytes);
    require(initial && initial->message.server == synod::ServerId{3});
    bytes.remove_prefix(initial->size);
  }
  while (!bytes.empty()) {
    require(bytes.size() > 4);
    const auto length = synod::jute::load_big_endian<std::int32_t>(bytes.data());
    require(length > 0 && static_cast<std::size_t>(length) <= bytes.size() - 4);
    require(decode_notification(bytes.substr(4, static_cast<std::size_t>(length))).has_value());
    bytes.remove_prefix(4 + static_cast<std::size_t>(length));
  }
}

class Host {
 public:
  Host() { election_.tick({now_}); }

  void step(synod::fuzz::Input& input) {
    const std::uint8_t what = input.byte();
    const auto chosen = links_.empty() ? LinkId{} : pick(what >> 4);
    switch (what & 7) {
      case 0:
        return accept();
      case 1:
        if (!dials_.empty()) answer(pick_dial(what >> 4), (what & 8) != 0);
        return;
      case 2:
        if (!links_.empty()) breaks(chosen);
        return;
      case 3:
        now_ += input.byte() * 20;
        return election_.tick({now_});
      case 4:
        return election_.look({input.byte()}, what >> 4, (what & 8) != 0);
      case 5:
        if (!election_.is_looking()) election_.establish(input.byte());
        return;
      case 6:  // a notification with its length right
        if (!links_.empty()) election_.received(chosen, framed(input.piece()));
        return;
      default:
        if (!links_.empty()) election_.received(chosen, input.take(1U + (what >> 3)));
    }
  }

  void take() {
    for (const Effect& effect : outbox_.take()) {
      if (const auto* dial = std::get_if<effect::Dial>(&effect)) {
        require(!dial->endpoints.empty() && dials_.insert(dial->link).second);
      } else if (const auto* send = std::get_if<effect::Send>(&effect)) {
        require(links_.contains(send->link));
        check_sent(send->bytes);
      } else {
        const LinkId link = std::get<effect::Close>(effect).link;
        require(links_.erase(link) + dials_.erase(link) == 1);
      }
    }
    (void)election_.take_all_are_new();
    const auto decision = election_.take_decision();
    require(!decision || decision->leader.value < 5);
    // Members, strangers, and those that have not said who they are.
    require(links_.size() + dials_.size() <= 4 + 64 + 256 + 4);
    for (const LinkId link : links_) require(election_.owns(link));
    const auto due = election_.next_deadline();
    require(!due || due->value < now_ + 200000);
  }

 private:
  void accept() {
    links_.insert({accepted_ += 2});
    election_.accepted({accepted_});
  }
  LinkId pick(unsigned index) {
    return *std::next(links_.begin(), static_cast<std::ptrdiff_t>(index % links_.size()));
  }
  LinkId pick_dial(unsigned index) {
    return *std::next(dials_.begin(), static_cast<std::ptrdiff_t>(index % dials_.size()));
  }
  void answer(LinkId link, bool well) {
    dials_.erase(link);
    if (!well) return election_.unlinked(link);
    links_.insert(link);
    election_.linked(link);
  }
  void breaks(LinkId link) {
    links_.erase(link);
    election_.unlinked(link);
  }

  std::int64_t now_ = 1000;
  std::uint64_t accepted_ = 0;
  Membership membership_ = membership_of_five();
  Outbox outbox_;
  Election election_{{.self = {3}}, membership_, outbox_};
  std::set<LinkId> links_;
  std::set<LinkId> dials_;
};

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  synod::fuzz::Input input(data, size);
  Host host;
  while (!input.empty()) {
    host.step(input);
    host.take();
  }
  return 0;
}
