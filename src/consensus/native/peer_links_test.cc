#include "consensus/native/peer_links.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "consensus/cluster/cluster.h"

namespace synod::consensus::native {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

std::string text_of(const PeerEvent& event) {
  return std::visit(
      Overloaded{
          [](const event::Up& it) {
            return fmt::format("up {}{}", it.peer.value, it.is_new ? " new" : "");
          },
          [](const event::Down& it) { return fmt::format("down {}", it.peer.value); },
          [](const event::Message& it) { return fmt::format("{}: {}", it.peer.value, it.body); },
          [](const event::Service& it) {
            return fmt::format("{} service {}: {} {}", it.peer.value,
                               static_cast<int>(it.message.kind), it.message.data,
                               it.message.identities);
          },
          [](const event::Snapshot& it) {
            return fmt::format("snapshot of {}: {}|{}", it.peer.value, it.head, it.first_bytes);
          },
          [](const event::SnapshotLinked& it) { return fmt::format("linked {}", it.peer.value); },
          [](const event::SnapshotLost& it) { return fmt::format("lost {}", it.peer.value); }},
      event);
}

// ---- one server, call by call -----------------------------------------------------------------

// Server 2, whose peers are 1 and 3.
class OneEnd : public testing::Test {
 protected:
  OneEnd() {
    links_.tick({1000});
    links_.set_peers({{ServerId{1}, Member{.quorum = {{"one", 2888}}}},
                      {ServerId{3}, Member{.quorum = {{"three", 2888}}}}});
    tick(1000);
  }

  void tick(std::int64_t at) {
    links_.tick({at});
    take();
  }
  void take() {
    for (Effect& effect : outbox_.take()) {
      if (auto* dial = std::get_if<effect::Dial>(&effect)) {
        dialled_.push_back(dial->server.value);
        last_dialled_ = dial->link;
      } else if (auto* close = std::get_if<effect::Close>(&effect)) {
        closed_.push_back(close->link);
        reasons_.push_back(close->reason);
      } else if (auto* send = std::get_if<effect::Send>(&effect)) {
        sent_ += send->bytes;
        last_sent_on_ = send->link;
      }
    }
    for (const PeerEvent& event : links_.take_events()) events_.push_back(text_of(event));
  }
  void receive(LinkId link, BytesView bytes) {
    links_.received(link, bytes);
    take();
  }
  LinkId accept() {
    const LinkId link{next_accepted_};
    next_accepted_ += 2;
    links_.accepted(link);
    return link;
  }
  static Greeting from(std::int64_t server) {
    return {.engine = EngineTag::kRaft, .from = ServerId{server}, .to = ServerId{2}};
  }
  static Bytes message(const std::string& body) { return encode_frame(Bytes(1, '\0') + body); }
  static Bytes snapshot_head(const std::string& body) {
    return encode_frame(Bytes(1, '\2') + body);
  }

  Outbox outbox_;
  PeerLinks links_{{.self = ServerId{2}, .engine = EngineTag::kRaft}, outbox_};
  std::vector<std::int64_t> dialled_;
  LinkId last_dialled_;
  LinkId last_sent_on_;
  std::vector<LinkId> closed_;
  std::vector<std::string> reasons_;
  Bytes sent_;
  std::vector<std::string> events_;
  std::uint64_t next_accepted_ = 2;
};

TEST_F(OneEnd, DialsWhoHasASmallerNumberAndWaitsForTheOthers) {
  EXPECT_THAT(dialled_, ElementsAre(1));
  tick(2999);
  EXPECT_THAT(dialled_, Not(Contains(3)));
  tick(3000);
  EXPECT_THAT(dialled_, Contains(3)) << "it may not know of this server";
}

TEST_F(OneEnd, GreetsFirstWhereItDialledAndIsUpWhenGreeted) {
  links_.set_new(true);
  links_.linked(last_dialled_);
  take();
  const auto said = decode_greeting(sent_);
  ASSERT_TRUE(said);
  EXPECT_EQ(said->to, ServerId{1});
  EXPECT_TRUE(said->is_new);
  EXPECT_THAT(events_, IsEmpty()) << "who does not greet may be anybody";
  EXPECT_FALSE(links_.is_up(ServerId{1}));
  receive(last_dialled_, encode(from(1)) + message("hello"));
  EXPECT_THAT(events_, ElementsAre("up 1", "1: hello"));
  EXPECT_EQ(links_.link_of(ServerId{1}), last_dialled_);
  EXPECT_EQ(links_.peer_of(last_dialled_), ServerId{1});
}

TEST_F(OneEnd, AnswersAGreetingWithItsOwn) {
  const LinkId link = accept();
  take();
  EXPECT_EQ(sent_, "") << "nothing to who has not said who it is";
  Greeting greeting = from(3);
  greeting.is_new = true;
  receive(link, encode(greeting));
  EXPECT_THAT(events_, ElementsAre("up 3 new"));
  EXPECT_EQ(decode_greeting(sent_)->to, ServerId{3});
}

TEST_F(OneEnd, RefusesAnotherEngine) {
  const LinkId link = accept();
  Greeting greeting = from(3);
  greeting.engine = EngineTag::kOmniPaxos;
  receive(link, encode(greeting));
  EXPECT_THAT(closed_, ElementsAre(link));
  EXPECT_THAT(reasons_, ElementsAre(HasSubstr("another consensus engine")));
  EXPECT_EQ(decode_greeting(sent_)->engine, EngineTag::kRaft) << "so that it knows why";
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(OneEnd, RefusesWhoLooksForAnotherServer) {
  Greeting greeting = from(3);
  greeting.to = ServerId{5};
  receive(accept(), encode(greeting));
  greeting = from(2);
  receive(accept(), encode(greeting));
  EXPECT_THAT(reasons_, ElementsAre(HasSubstr("looks for server 5"), HasSubstr("it is server 2")));
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(OneEnd, RefusesWhoAnswersInAnothersPlaceAndDialsAgainLater) {
  links_.linked(last_dialled_);
  receive(last_dialled_, encode(from(3)));
  EXPECT_THAT(reasons_, ElementsAre(HasSubstr("server 3 answers where server 1 should")));
  EXPECT_THAT(events_, IsEmpty());
  dialled_.clear();
  tick(2999);
  EXPECT_THAT(dialled_, IsEmpty()) << "it would be refused again";
  tick(3000);
  EXPECT_THAT(dialled_, Contains(1));
}

TEST_F(OneEnd, ClosesWhatIsDamaged) {
  const LinkId link = accept();
  Bytes bad = message("x");
  bad.back() = 'y';
  receive(link, encode(from(3)) + message("good") + bad + message("never read"));
  EXPECT_THAT(events_, ElementsAre("up 3", "3: good", "down 3"));
  EXPECT_THAT(reasons_, ElementsAre(HasSubstr("checksum")));
  receive(link, message("late"));
  EXPECT_EQ(events_.size(), 3U) << "nothing comes of a link that was closed";
}

TEST_F(OneEnd, ClosesFramesThatMakeNoSense) {
  const std::vector<Bytes> senseless{
      encode_frame("\x07what"),                // no such kind
      encode_frame(Bytes(1, '\1') + "short"),  // a service message that is none
      encode_frame(Bytes(1, '\1') + Bytes("\x63\0\0\0\0\0\0\0\0", 9)),  // of a kind unknown
      snapshot_head("head")};  // a snapshot among the messages
  for (const Bytes& frame : senseless) receive(accept(), encode(from(3)) + frame);
  EXPECT_EQ(reasons_, std::vector<std::string>(senseless.size(), "a frame that makes no sense"));
}

TEST_F(OneEnd, AServiceMessageArrivesWhole) {
  receive(accept(), encode(from(3)));
  links_.send(ServerId{3}, ServiceMessage{.kind = ServiceMessage::Kind::kRequest,
                                          .data = Bytes("da\0ta", 5),
                                          .identities = "who"});
  sent_.clear();
  take();
  receive(accept(), encode(from(1)) + sent_);
  EXPECT_EQ(events_.back(), Bytes("1 service 0: da\0ta who", 22));
}

TEST_F(OneEnd, ALaterGreetingTakesOver) {
  const LinkId first = accept();
  receive(first, encode(from(3)));
  const LinkId second = accept();
  receive(second, encode(from(3)));
  EXPECT_THAT(events_, ElementsAre("up 3", "down 3", "up 3"));
  EXPECT_THAT(closed_, ElementsAre(first));
  EXPECT_EQ(links_.link_of(ServerId{3}), second);
  links_.unlinked(first);
  take();
  EXPECT_TRUE(links_.is_up(ServerId{3}));
}

// 2 dials 3 because it has heard nothing; 3's own dial greets first.
TEST_F(OneEnd, WithTheSmallerNumberItGivesUpItsDialForTheOthers) {
  tick(3000);
  const LinkId own = last_dialled_;
  ASSERT_EQ(dialled_.back(), 3);
  receive(accept(), encode(from(3)));
  EXPECT_THAT(closed_, Contains(own));
}

TEST_F(OneEnd, WithTheLargerNumberItKeepsItsDial) {
  const LinkId own = last_dialled_;
  receive(accept(), encode(from(1)));
  EXPECT_THAT(closed_, Not(Contains(own)));
  links_.linked(own);
  receive(own, encode(from(1)));
  EXPECT_EQ(links_.link_of(ServerId{1}), own);
}

TEST_F(OneEnd, WhoSaysNothingIsClosed) {
  const LinkId link = accept();
  tick(3000);
  EXPECT_THAT(closed_, Contains(link));
}

TEST_F(OneEnd, TooManyThatSayNothingAreNotTakenIn) {
  for (int i = 0; i < 300; ++i) accept();
  take();
  EXPECT_EQ(closed_.size(), 300U - 256U);
}

TEST_F(OneEnd, ASilentConnectionIsKeptAliveAndGivenUpInTheEnd) {
  const LinkId link = accept();
  receive(link, encode(from(3)));
  sent_.clear();
  tick(1999);
  EXPECT_EQ(sent_, "");
  tick(2000);
  EXPECT_EQ(sent_, encode_frame({}));
  tick(3999);
  EXPECT_TRUE(links_.is_up(ServerId{3}));
  tick(4000);
  EXPECT_THAT(events_, ElementsAre("up 3", "down 3"));
}

TEST_F(OneEnd, NothingIsSentToWhoIsDown) {
  links_.send(ServerId{1}, "lost");
  take();
  EXPECT_EQ(sent_, "");
}

// It may have to hear that it is none.
TEST_F(OneEnd, WhoIsNoPeerAnyMoreStaysUpAndIsNotDialled) {
  const LinkId link = accept();
  receive(link, encode(from(3)));
  links_.set_peers({{ServerId{1}, Member{.quorum = {{"one", 2888}}}}});
  receive(link, message("and I?"));
  EXPECT_THAT(events_, ElementsAre("up 3", "3: and I?"));
  dialled_.clear();
  tick(60'000);
  EXPECT_THAT(dialled_, Not(Contains(3)));
}

// Who is about to be added dials, and is heard.
TEST_F(OneEnd, AStrangerComesUp) {
  const LinkId link = accept();
  receive(link, encode(from(9)) + message("let me in"));
  EXPECT_THAT(events_, ElementsAre("up 9", "9: let me in"));
  links_.send(ServerId{9}, "wait");
  sent_.clear();
  take();
  EXPECT_EQ(sent_, message("wait"));
  EXPECT_EQ(last_sent_on_, link);
}

// A tree goes to where it said it is; afterwards to where the members know it to be.
TEST_F(OneEnd, AStrangerSaysWhereItIsToBeFound) {
  Bytes address(1, '\3');
  put_bytes(address, "nine");
  put_u32(address, 2999);
  receive(accept(), encode(from(9)) + encode_frame(address));
  EXPECT_THAT(events_, ElementsAre("up 9"));
  const LinkId tree = links_.begin_snapshot(ServerId{9}, "head");
  const Effects effects = outbox_.take();
  ASSERT_EQ(effects.size(), 1U);
  const auto& dial = std::get<effect::Dial>(effects.front());
  EXPECT_EQ(dial.link, tree);
  EXPECT_THAT(dial.endpoints, ElementsAre(Endpoint{"nine", 2999}));
}

TEST_F(OneEnd, WhoIsNoPeerAnyMoreIsStillWhereItWas) {
  receive(accept(), encode(from(3)));
  links_.set_peers({});
  take();
  static_cast<void>(links_.begin_snapshot(ServerId{3}, "head"));
  const Effects effects = outbox_.take();
  ASSERT_EQ(effects.size(), 1U);
  EXPECT_THAT(std::get<effect::Dial>(effects.front()).endpoints,
              ElementsAre(Endpoint{"three", 2888}));
}

TEST_F(OneEnd, AnAddressThatMakesNoSenseClosesTheConnection) {
  Bytes address(1, '\3');
  put_bytes(address, "nine");
  put_u32(address, 0x10000);
  receive(accept(), encode(from(9)) + encode_frame(address));
  EXPECT_THAT(events_, ElementsAre("up 9", "down 9"));
}

TEST_F(OneEnd, AConnectionThatIsClosedGoesDown) {
  const LinkId link = accept();
  receive(link, encode(from(3)));
  links_.close(link, "it talks nonsense");
  take();
  EXPECT_THAT(events_, ElementsAre("up 3", "down 3"));
  EXPECT_THAT(reasons_, ElementsAre("it talks nonsense"));
  links_.send(ServerId{3}, "nobody hears this");
}

// ---- snapshots --------------------------------------------------------------------------------

TEST_F(OneEnd, ASnapshotGoesOnALinkOfItsOwn) {
  const LinkId link = links_.begin_snapshot(ServerId{1}, "as of 7");
  links_.linked(link);
  take();
  EXPECT_THAT(events_, ElementsAre("linked 1"));
  EXPECT_EQ(decode_greeting(BytesView(sent_).substr(0, kGreetingBytes))->purpose,
            Purpose::kSnapshot);
  EXPECT_EQ(sent_.substr(kGreetingBytes), snapshot_head("as of 7"));
  EXPECT_FALSE(links_.is_up(ServerId{1})) << "that is another link's";
}

TEST_F(OneEnd, ASnapshotThatComesIsHandedOverWithItsFirstBytes) {
  const LinkId link = accept();
  Greeting greeting = from(3);
  greeting.purpose = Purpose::kSnapshot;
  receive(link, encode(greeting) + snapshot_head("as of 7") + "tree");
  EXPECT_THAT(events_, ElementsAre("snapshot of 3: as of 7|tree"));
  EXPECT_FALSE(links_.is_up(ServerId{3}));
  links_.close(link, "not now");
  take();
  EXPECT_THAT(events_, testing::SizeIs(1));
  EXPECT_THAT(closed_, ElementsAre(link));
}

TEST_F(OneEnd, ADialForASnapshotThatFailsIsReported) {
  links_.unlinked(links_.begin_snapshot(ServerId{1}, "head"));
  take();
  EXPECT_THAT(events_, ElementsAre("lost 1"));
  links_.begin_snapshot(ServerId{1}, "head");
  tick(3000);
  EXPECT_THAT(events_, ElementsAre("lost 1", "lost 1"));
}

// A tree takes its time, and its receiver answers nothing on that link: it lives while its
// messages come.
TEST_F(OneEnd, ASnapshotLinkLivesAsLongAsItsPeerIsHeardOf) {
  const LinkId messages = accept();
  receive(messages, encode(from(3)));
  const LinkId tree = links_.begin_snapshot(ServerId{3}, "head");
  links_.linked(tree);
  for (std::int64_t at = 2000; at <= 20'000; at += 1000) {
    tick(at);
    receive(messages, encode_frame({}));
  }
  EXPECT_THAT(closed_, Not(Contains(tree)));
  tick(23'000);
  EXPECT_THAT(closed_, Contains(tree));
  EXPECT_THAT(events_, Contains("lost 3"));
}

TEST_F(OneEnd, ASnapshotLinkWithoutAHeadIsGivenUp) {
  const LinkId link = accept();
  Greeting greeting = from(3);
  greeting.purpose = Purpose::kSnapshot;
  receive(link, encode(greeting));
  tick(4000);
  EXPECT_THAT(closed_, Contains(link));
}

TEST_F(OneEnd, DeadlinesAreNotMissed) {
  const LinkId link = accept();
  receive(link, encode(from(3)));
  EXPECT_EQ(links_.next_deadline(), SteadyTimeMs{2000}) << "a sign of life is due";
  tick(2000);
  EXPECT_EQ(links_.next_deadline(), SteadyTimeMs{3000}) << "the dial to 1 takes too long";
}

// ---- some servers -----------------------------------------------------------------------------

// Only links: each tells every peer numbers, one more each time.
class Talker final : public Engine {
 public:
  Talker(ServerId self, Membership membership)
      : self_(self),
        membership_(std::move(membership)),
        links_({.self = self, .engine = EngineTag::kRaft}, outbox_) {}

  void start(const Beginning& beginning) override {
    links_.tick(beginning.now);
    std::map<ServerId, Member> peers = membership_.members;
    peers.erase(self_);
    links_.set_peers(std::move(peers));
    links_.tick(beginning.now);
  }
  void tick(SteadyTimeMs now) override {
    links_.tick(now);
    for (const auto& [peer, member] : membership_.members)
      if (now >= talk_at_ && links_.is_up(peer)) say(peer);
    if (now >= talk_at_) talk_at_ = {now.value + 50};
    hear();
  }
  [[nodiscard]] std::optional<SteadyTimeMs> next_deadline() const override {
    const auto of_links = links_.next_deadline();
    return of_links ? std::min(*of_links, talk_at_) : talk_at_;
  }
  void durable(Zxid /*up_to*/) override {}
  void propose(Entry /*entry*/) override {}
  [[nodiscard]] Zxid next_zxid() const override { return {}; }
  void read_index(std::uint64_t /*token*/) override {}
  [[nodiscard]] const Status& status() const override { return status_; }
  [[nodiscard]] Effects drain() override { return outbox_.take(); }

  void accepted(LinkId link, Port /*port*/) override { links_.accepted(link), hear(); }
  void linked(LinkId link) override { links_.linked(link), hear(); }
  void unlinked(LinkId link) override { links_.unlinked(link), hear(); }
  void received(LinkId link, BytesView bytes) override { links_.received(link, bytes), hear(); }

  [[nodiscard]] const std::vector<std::string>& heard(ServerId peer) { return heard_[peer]; }
  [[nodiscard]] bool are_in_order() const { return are_in_order_; }
  [[nodiscard]] int ups() const { return ups_; }
  [[nodiscard]] bool is_up(ServerId peer) const { return links_.is_up(peer); }

 private:
  void say(ServerId peer) { links_.send(peer, std::to_string(++said_[peer])); }
  void hear() {
    for (const PeerEvent& event : links_.take_events()) {
      if (const auto* up = std::get_if<event::Up>(&event)) {
        ++ups_;
        said_[up->peer] = 0;
        last_[up->peer] = 0;
      } else if (const auto* message = std::get_if<event::Message>(&event)) {
        const int number = std::stoi(message->body);
        are_in_order_ = are_in_order_ && number == ++last_[message->peer];
        heard_[message->peer].push_back(message->body);
      }
    }
  }

  ServerId self_;
  Membership membership_;
  Outbox outbox_;
  PeerLinks links_;
  Status status_;
  SteadyTimeMs talk_at_;
  std::map<ServerId, int> said_, last_;
  std::map<ServerId, std::vector<std::string>> heard_;
  bool are_in_order_ = true;
  int ups_ = 0;
};

class Talkers : public testing::Test {
 protected:
  void begin(cluster::Options options) {
    cluster_.emplace(options, [this](ServerId self, const Membership& membership) {
      auto talker = std::make_unique<Talker>(self, membership);
      talkers_[self.value] = talker.get();
      return talker;
    });
    cluster_->start_all();
  }
  [[nodiscard]] bool are_connected(std::int64_t a, std::int64_t b) {
    return talkers_.at(a)->is_up(ServerId{b}) && talkers_.at(b)->is_up(ServerId{a});
  }
  bool hear_each_other(std::int64_t a, std::int64_t b, std::int64_t within_ms = 10'000) {
    const auto heard = [&](std::int64_t at, std::int64_t of) {
      return talkers_.at(at)->heard(ServerId{of}).size();
    };
    const std::size_t before_a = heard(a, b);
    const std::size_t before_b = heard(b, a);
    return the().run_until([&] { return heard(a, b) > before_a + 2 && heard(b, a) > before_b + 2; },
                           within_ms);
  }
  void TearDown() override {
    for (const auto& [id, talker] : talkers_) {
      if (the().is_up(id)) {
        EXPECT_TRUE(talker->are_in_order()) << id;
      }
    }
  }
  cluster::Cluster& the() { return *cluster_; }

  std::optional<cluster::Cluster> cluster_;
  std::map<std::int64_t, Talker*> talkers_;
};

TEST_F(Talkers, AllPairsConnectOnce) {
  begin({.voters = 5});
  the().run_for(10'000);
  for (std::int64_t a = 1; a <= 5; ++a)
    for (std::int64_t b = a + 1; b <= 5; ++b) EXPECT_TRUE(hear_each_other(a, b)) << a << " " << b;
  for (const auto& [id, talker] : talkers_) EXPECT_EQ(talker->ups(), 4) << id;
}

TEST_F(Talkers, ARestartedServerIsFoundAgainAtOnce) {
  begin({});
  the().run_for(1000);
  for (const std::int64_t node : {1, 3}) {
    the().crash(node);
    the().run_for(5000);
    the().start(node);
    EXPECT_TRUE(hear_each_other(node, 2, 500)) << node;
  }
}

TEST_F(Talkers, ABrokenNetworkIsLeftBehind) {
  begin({});
  the().run_for(1000);
  the().cut_off(1, 3);
  the().run_for(5000);
  EXPECT_FALSE(are_connected(1, 3));
  EXPECT_TRUE(hear_each_other(1, 2) && hear_each_other(2, 3));
  the().heal(1, 3);
  EXPECT_TRUE(hear_each_other(1, 3, 500));
}

// Both ends give up in silence and dial when it ends: dials that cross.
TEST_F(Talkers, AfterASilenceBothDialAndKeepTheSame) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    begin({.voters = 2, .seed = seed, .max_delay_ms = 200});
    the().run_for(1000);
    the().silence(1, 2);
    if (seed % 2 == 0) the().silence(2, 1);
    the().run_for(4000 + static_cast<std::int64_t>(seed % 7) * 100);
    EXPECT_FALSE(are_connected(1, 2));
    the().heal_all();
    ASSERT_TRUE(hear_each_other(1, 2, 5000));
    the().run_for(3000);  // what crossed is sorted out
    const int ups = talkers_.at(1)->ups() + talkers_.at(2)->ups();
    the().run_for(20'000);
    ASSERT_EQ(talkers_.at(1)->ups() + talkers_.at(2)->ups(), ups) << "they go on taking over";
    ASSERT_TRUE(talkers_.at(1)->are_in_order() && talkers_.at(2)->are_in_order());
  }
}

// Bytes that waited in the network for longer than a connection lived are of no harm to the next.
TEST_F(Talkers, AnOldConnectionDoesNotTakeOver) {
  begin({.voters = 2});
  the().run_for(1000);
  the().silence(1, 2);
  the().crash(1);
  the().run_for(500);
  the().start(1);
  the().run_for(10'000);
  the().heal_all();
  EXPECT_TRUE(hear_each_other(1, 2, 3000));
  const int ups = talkers_.at(2)->ups();
  the().run_for(20'000);
  EXPECT_EQ(talkers_.at(2)->ups(), ups);
}

}  // namespace
}  // namespace synod::consensus::native
