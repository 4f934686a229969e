// Bytes of anybody on a server's port for its peers, in any pieces, while links come, go and break,
// peers change and time passes. The server survives, what it sends is well formed, what it reports
// is in order, and what it holds is bounded.
#include <map>
#include <set>
#include <variant>

#include "consensus/native/peer_links.h"
#include "fuzz_input.h"

namespace {

using synod::Bytes;
using synod::BytesView;
using synod::ServerId;
using synod::fuzz::require;
using namespace synod::consensus;
using namespace synod::consensus::native;

constexpr ServerId kSelf{3};

std::map<ServerId, Member> peers_of(std::uint8_t bits) {
  std::map<ServerId, Member> peers;
  for (int i = 1; i <= 6; ++i)
    if (ServerId{i} != kSelf && (bits >> i & 1) != 0) peers[{i}] = {.quorum = {{"h", 1}}};
  return peers;
}

class Host {
 public:
  Host() {
    links_.tick({now_});
    links_.set_peers(peers_of(0x3e));
  }

  void step(synod::fuzz::Input& input) {
    const std::uint8_t what = input.byte();
    switch (what & 7) {
      case 0:
        return accept();
      case 1:
        if (!dials_.empty()) answer(pick(dials_, what >> 4), (what & 8) != 0);
        return;
      case 2:
        if (!open_.empty()) breaks(pick(open_, what >> 4));
        return;
      case 3:
        now_ += input.byte() * 20;
        return links_.tick({now_});
      case 4:
        return speak(input, what);
      case 5:  // a greeting that is one, but for what it says
        return receive(what >> 4, greeting_of(input));
      case 6:  // a frame with its length and checksum right
        return receive(what >> 4, encode_frame(input.piece()));
      default:
        return receive(what >> 4, input.take(1U + (what >> 3)));
    }
  }

  void take() {
    carry_out();
    for (const PeerEvent& event : links_.take_events()) std::visit(*this, event);
    carry_out();
    for (const ServerId peer : up_) require(links_.is_up(peer) && links_.link_of(peer));
    const auto due = links_.next_deadline();
    require(!due || due->value <= now_ + 10'000);
  }

  void operator()(const event::Up& it) { require(it.peer != kSelf && up_.insert(it.peer).second); }
  void operator()(const event::Down& it) { require(up_.erase(it.peer) == 1); }
  void operator()(const event::Message& it) { require(it.peer != kSelf); }
  void operator()(const event::Service& it) {
    require(it.message.kind <= ServiceMessage::Kind::kTouchesWanted);
  }
  // The engine closes it; a replica would read a tree from it.
  void operator()(const event::Snapshot& it) {
    require(open_.contains(it.link) && it.peer != kSelf);
    links_.close(it.link);
  }
  void operator()(const event::SnapshotLinked& it) { require(open_.contains(it.link)); }
  void operator()(const event::SnapshotLost&) {}

 private:
  void carry_out() {
    for (const Effect& effect : outbox_.take()) {
      if (const auto* dial = std::get_if<effect::Dial>(&effect)) {
        require(!dial->endpoints.empty() && dials_.insert(dial->link).second);
      } else if (const auto* send = std::get_if<effect::Send>(&effect)) {
        require(open_.contains(send->link));
        check_sent(send->link, send->bytes);
      } else {
        const LinkId link = std::get<effect::Close>(effect).link;
        require(open_.erase(link) + dials_.erase(link) == 1);
        readers_.erase(link);
      }
    }
  }
  static LinkId pick(const std::set<LinkId>& links, unsigned index) {
    return *std::next(links.begin(), static_cast<std::ptrdiff_t>(index % links.size()));
  }
  void accept() {
    open_.insert({accepted_ += 2});
    links_.accepted({accepted_});
  }
  void answer(LinkId link, bool well) {
    dials_.erase(link);
    if (!well) return links_.unlinked(link);
    open_.insert(link);
    links_.linked(link);
  }
  void breaks(LinkId link) {
    open_.erase(link);
    readers_.erase(link);
    links_.unlinked(link);
  }
  void receive(unsigned index, BytesView bytes) {
    if (!open_.empty()) links_.received(pick(open_, index), bytes);
  }
  // What the engine may ask for.
  void speak(synod::fuzz::Input& input, std::uint8_t what) {
    const ServerId peer{1 + (what >> 5)};
    if ((what & 8) != 0) return links_.set_peers(peers_of(input.byte()));
    if ((what & 16) != 0) {
      links_.send(peer, input.piece());
      return links_.send(peer, {.data = "data", .identities = "ids"});
    }
    if (links_.is_up(peer) && peers_of(0x3e).contains(peer)) close_message_link(peer);
  }
  void close_message_link(ServerId peer) { links_.close(*links_.link_of(peer), "asked for"); }
  static Bytes greeting_of(synod::fuzz::Input& input) {
    const std::uint8_t who = input.byte();
    const std::uint8_t how = input.byte();
    return encode(
        Greeting{.engine = (how & 0xc0) == 0xc0 ? EngineTag::kOmniPaxos : EngineTag::kRaft,
                 .purpose = static_cast<Purpose>(how & 1),
                 .from = {who & 7},
                 .to = (how & 0x38) == 0x38 ? ServerId{who >> 5} : kSelf,
                 .is_new = (how & 2) != 0});
  }

  // A greeting first, by whoever spoke first; then frames.
  void check_sent(LinkId link, BytesView bytes) {
    auto [reader, is_first] = readers_.try_emplace(link);
    reader->second.feed(bytes);
    if (is_first) {
      const auto greeting = reader->second.greeting();
      require(greeting && *greeting && (*greeting)->from == kSelf);
      require((*greeting)->engine == EngineTag::kRaft);
    }
    auto body = reader->second.next();
    while (body && *body) body = reader->second.next();
    require(body && reader->second.take_rest().empty());
  }

  std::int64_t now_ = 1000;
  std::uint64_t accepted_ = 0;
  Outbox outbox_;
  PeerLinks links_{{.self = kSelf, .engine = EngineTag::kRaft}, outbox_};
  std::set<LinkId> open_;
  std::set<LinkId> dials_;
  std::map<LinkId, FrameReader> readers_;
  std::set<ServerId> up_;
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
