#include "net/peer_links.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/write.hpp>
#include <deque>
#include <thread>

#include "net/test_peers.h"

namespace synod::net {
namespace {

using boost::asio::ip::tcp;
using consensus::LinkId;
using consensus::Port;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PeerLinksTest : public PeerTest {
 protected:
  void open(const std::vector<TestPeer*>& peers) {
    until([&] { return std::ranges::all_of(peers, &TestPeer::is_open); });
  }
  // A link from one to the other; the number it has at the other's end.
  LinkId link(TestPeer& from, TestPeer& to, LinkId number, Port port) {
    const std::size_t before = to.accepted_links.size();
    from.dial(number, port, to.endpoints(port));
    until([&] {
      return to.accepted_links.size() > before && !from.linked_links.empty() &&
             from.linked_links.back() == number;
    });
    EXPECT_EQ(to.accepted_links.back().second, port);
    return to.accepted_links.back().first;
  }
};

std::string pattern(std::size_t size, char first) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(first + i % 251);
  return bytes;
}

TEST_F(PeerLinksTest, BytesArriveInOrderBothWaysOnBothPorts) {
  TestPeer one(io_);
  TestPeer other(io_);
  open({&one, &other});
  const LinkId election = link(one, other, kFirst, Port::kElection);
  const LinkId quorum = link(one, other, kSecond, Port::kQuorum);
  EXPECT_EQ(election, LinkId{2});
  EXPECT_EQ(quorum, LinkId{4});

  std::string sent;
  for (int i = 0; i < 1000; ++i) {
    const std::string part =
        pattern(static_cast<std::size_t>(i * 37 % 50'000), static_cast<char>(i));
    sent += part;
    one.links.send(kFirst, part);
  }
  one.links.flush();
  other.send(quorum, "an answer");
  until([&] {
    return other.bytes[election].size() == sent.size() && one.bytes[kSecond].size() == 9;
  });
  EXPECT_TRUE(other.bytes[election] == sent);
  EXPECT_EQ(one.bytes[kSecond], "an answer");
  EXPECT_EQ(one.links.unsent(kFirst), 0);
  EXPECT_THAT(one.unlinked_links, IsEmpty());
}

TEST_F(PeerLinksTest, WhatIsAskedBeforeTheStartIsDoneThen) {
  TestPeer other(io_);
  open({&other});
  TestPeer one(io_);
  // A peer starts its links at once; these were noted while nothing ran.
  one.links.dial(kFirst, kOther, Port::kQuorum, other.endpoints(Port::kQuorum));
  EXPECT_EQ(one.links.link_count(), 1);
  one.links.send(kFirst, "early");
  one.links.flush();
  until([&] { return !other.accepted_links.empty() && one.linked_links.size() == 1; });
  one.links.flush();
  one.send(kFirst, " late");
  until([&] { return other.bytes[LinkId{2}] == "early late"; });
}

TEST_F(PeerLinksTest, WhatWasSentBeforeTheEndArrivesAndTheEndIsSeenOnce) {
  TestPeer one(io_);
  TestPeer other(io_);
  open({&one, &other});
  const LinkId there = link(one, other, kFirst, Port::kQuorum);
  const std::string sent = pattern(3'000'000, 'x');
  one.links.send(kFirst, sent);
  one.close(kFirst);
  until([&] { return !other.unlinked_links.empty(); });
  EXPECT_TRUE(other.bytes[there] == sent);
  EXPECT_THAT(other.unlinked_links, ElementsAre(there));
  EXPECT_THAT(one.unlinked_links, IsEmpty());  // who closes is told nothing
  EXPECT_EQ(one.links.link_count(), 0);
  EXPECT_EQ(other.links.link_count(), 0);
}

TEST_F(PeerLinksTest, NothingIsHeardOfALinkThatWasClosed) {
  TestPeer one(io_);
  TestPeer other(io_);
  open({&one, &other});
  const LinkId there = link(one, other, kFirst, Port::kElection);
  other.send(there, "too late");
  one.links.close(kFirst);  // in the same moment, and not flushed yet
  other.close(there);
  run_for(std::chrono::milliseconds(50));
  one.links.flush();
  run_for(std::chrono::milliseconds(50));
  EXPECT_THAT(one.bytes, IsEmpty());
  EXPECT_THAT(one.unlinked_links, IsEmpty());
}

TEST_F(PeerLinksTest, ADialThatIsGivenUpIsNotHeardOf) {
  TestPeer one(io_);
  TestPeer other(io_);
  open({&one, &other});
  one.dial(kFirst, Port::kQuorum, other.endpoints(Port::kQuorum));
  one.links.close(kFirst);
  run_for(std::chrono::milliseconds(50));  // it connects, and only then is the wish carried out
  one.links.flush();
  until([&] { return other.unlinked_links.size() == other.accepted_links.size(); });
  EXPECT_THAT(one.linked_links, IsEmpty());
  EXPECT_THAT(one.unlinked_links, IsEmpty());
}

TEST_F(PeerLinksTest, AServerThatIsDownIsComplainedOfOnce) {
  TestPeer one(io_);
  const consensus::Endpoint nowhere = closed_port();
  for (const std::uint64_t number : {1, 3, 5}) {
    one.dial(LinkId{number}, Port::kElection, {nowhere});
    until([&] { return one.unlinked_links.size() == (number + 1) / 2; });
  }
  EXPECT_THAT(one.complaints, ElementsAre("cannot reach the election port of server 2: 127.0.0.1:" +
                                          std::to_string(nowhere.port) + ": Connection refused"));
}

TEST_F(PeerLinksTest, TheFirstEndpointThatAnswersWins) {
  TestPeer one(io_);
  TestPeer other(io_);
  open({&one, &other});
  // One that refuses, one that never answers (its queue of connections is full), one that does.
  tcp::acceptor stuck(io_);
  stuck.open(tcp::v4());
  stuck.bind({boost::asio::ip::make_address("127.0.0.1"), 0});
  stuck.listen(0);
  std::deque<tcp::socket> queue;
  for (int i = 0; i < 4; ++i) {
    queue.emplace_back(io_).async_connect(stuck.local_endpoint(),
                                          [](const boost::system::error_code&) {});
  }
  const consensus::Endpoint silent{"127.0.0.1", stuck.local_endpoint().port()};
  one.dial(kFirst, Port::kQuorum, {closed_port(), silent, other.endpoints(Port::kQuorum).front()});
  until([&] { return !one.linked_links.empty(); });
  until([&] { return other.accepted_links.size() == 1; });
}

TEST_F(PeerLinksTest, ADialEndsInTime) {
  PeerOptions options;
  options.dial_timeout = std::chrono::milliseconds(100);
  std::atomic<bool> may_answer = false;
  options.lookup = [&](const std::string&) -> Result<std::vector<std::string>> {
    while (!may_answer) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return std::vector<std::string>{"127.0.0.1"};
  };
  TestPeer one(io_, options);
  one.dial(kFirst, Port::kQuorum, {{"slow.example", 1}});
  until([&] { return !one.unlinked_links.empty(); });
  EXPECT_THAT(one.complaints, ElementsAre(HasSubstr("no answer in time")));
  may_answer = true;
  run_for(std::chrono::milliseconds(20));  // the answer finds nobody
  EXPECT_EQ(one.unlinked_links.size(), 1);
}

TEST_F(PeerLinksTest, NamesAreLookedUpAtEveryDial) {
  TestPeer other(io_);
  open({&other});
  std::atomic<int> lookups = 0;
  PeerOptions options;
  options.lookup = [&](const std::string& host) -> Result<std::vector<std::string>> {
    EXPECT_EQ(host, "zk-2.zk.example");
    switch (++lookups) {
      case 1:
        return fail(ErrorKind::kIo, host + " does not resolve: not yet");
      case 2:
        return std::vector<std::string>{"127.0.0.2"};  // where it was before; nobody listens
      default:
        return std::vector<std::string>{"127.0.0.2", "127.0.0.1"};
    }
  };
  TestPeer one(io_, options);
  const consensus::Endpoint named{"zk-2.zk.example", other.endpoints(Port::kQuorum).front().port};
  one.dial(LinkId{1}, Port::kQuorum, {named});
  until([&] { return one.unlinked_links.size() == 1; });
  one.dial(LinkId{3}, Port::kQuorum, {named});
  until([&] { return one.unlinked_links.size() == 2; });
  one.dial(LinkId{5}, Port::kQuorum, {named});
  until([&] { return one.linked_links.size() == 1; });
  EXPECT_EQ(lookups, 3);
  EXPECT_THAT(one.complaints, ElementsAre(HasSubstr("not yet"), HasSubstr("refused")));
}

TEST_F(PeerLinksTest, AServerThatDoesNotReadLosesItsLinkAndNobodyElseDoes) {
  PeerOptions options;
  options.max_unsent = 1 << 20;
  TestPeer one(io_, options);
  TestPeer other(io_);
  tcp::acceptor deaf(io_, {boost::asio::ip::make_address("127.0.0.1"), 0});
  open({&one, &other});
  link(one, other, kSecond, Port::kQuorum);
  one.dial(kFirst, Port::kQuorum, {{"127.0.0.1", deaf.local_endpoint().port()}});
  until([&] { return one.linked_links.size() == 2; });
  std::size_t sent = 0;
  until([&] {
    if (one.unlinked_links.empty()) {
      one.links.send(kFirst, std::string(100'000, 'x'));
      one.links.send(kSecond, "ping");
      one.links.flush();
      sent += 4;
    }
    return !one.unlinked_links.empty();
  });
  EXPECT_THAT(one.unlinked_links, ElementsAre(kFirst));
  EXPECT_THAT(one.complaints, ElementsAre(HasSubstr("does not take what is sent")));
  until([&] { return other.bytes[LinkId{2}].size() == sent; });
}

TEST_F(PeerLinksTest, TheCoreHearsWhenMuchHasBecomeLittle) {
  TestPeer one(io_);
  TestPeer other(io_);
  open({&one, &other});
  const LinkId there = link(one, other, kFirst, Port::kQuorum);
  one.links.send(kFirst, std::string(8 << 20, 'x'));
  EXPECT_EQ(one.links.unsent(kFirst), 8 << 20);
  one.links.flush();
  EXPECT_THAT(one.drained_links, IsEmpty());  // never from within a call
  until([&] { return !one.drained_links.empty(); });
  EXPECT_LT(one.links.unsent(kFirst), replica::Links::kManyBytes / 2);
  until([&] { return other.bytes[there].size() == 8 << 20; });
  EXPECT_THAT(one.drained_links, ElementsAre(kFirst));
  one.send(kFirst, "little");
  until([&] { return other.bytes[there].size() == (8 << 20) + 6; });
  EXPECT_EQ(one.drained_links.size(), 1);
}

TEST_F(PeerLinksTest, StrangersAreCounted) {
  PeerOptions options;
  options.max_strangers_per_address = 3;
  TestPeer one(io_, options);
  open({&one});
  std::vector<tcp::socket> sockets;
  sockets.reserve(5);
  for (int i = 0; i < 4; ++i) sockets.push_back(connect(one.endpoints(Port::kElection).front()));
  until([&] { return one.accepted_links.size() == 3 && one.complaints.size() == 1; });
  EXPECT_THAT(one.complaints, ElementsAre(HasSubstr("refused a connection to the election port")));

  one.send(LinkId{2}, "hello");  // the engine knows that one now
  sockets.push_back(connect(one.endpoints(Port::kQuorum).front()));
  until([&] { return one.accepted_links.size() == 4; });
  sockets.front().close();
  until([&] { return one.unlinked_links.size() == 1; });
  EXPECT_THAT(one.unlinked_links, ElementsAre(LinkId{2}));
}

TEST_F(PeerLinksTest, AResetIsABreak) {
  TestPeer one(io_);
  open({&one});
  tcp::socket socket = connect(one.endpoints(Port::kQuorum).front());
  boost::asio::write(socket, boost::asio::buffer("garbage", 7));
  until([&] { return one.bytes[LinkId{2}] == "garbage"; });
  socket.set_option(boost::asio::socket_base::linger(true, 0));
  socket.close();
  until([&] { return !one.unlinked_links.empty(); });
  EXPECT_EQ(one.links.link_count(), 0);
}

TEST_F(PeerLinksTest, APortThatIsTakenIsTriedAgain) {
  auto holder = std::make_unique<tcp::acceptor>(
      io_, tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0));
  PeerOptions options;
  options.quorum = {{"127.0.0.1", holder->local_endpoint().port()}};
  options.bind_retries = 0;
  options.bind_retry_delay = std::chrono::milliseconds(5);
  TestPeer one(io_, options);
  until([&] { return one.warnings.size() > 5; });
  EXPECT_THAT(one.warnings.front(), HasSubstr("Address already in use"));
  EXPECT_FALSE(one.is_open());
  holder.reset();
  until([&] { return one.is_open(); });
  EXPECT_THAT(one.failures, IsEmpty());
}

TEST_F(PeerLinksTest, APortThatStaysTakenIsAFailure) {
  const tcp::acceptor holder(io_, {boost::asio::ip::make_address("127.0.0.1"), 0});
  PeerOptions options;
  options.election = {{"127.0.0.1", holder.local_endpoint().port()}};
  options.bind_retry_delay = std::chrono::milliseconds(5);
  TestPeer one(io_, options);
  until([&] { return !one.failures.empty(); });
  EXPECT_THAT(one.failures, ElementsAre(HasSubstr("cannot listen on the election port")));
  EXPECT_EQ(one.warnings.size(), 2);
}

TEST_F(PeerLinksTest, ObserversHaveAPortOfTheirOwn) {
  PeerOptions options;
  options.observer_master = {{"127.0.0.1", 0}};
  TestPeer one(io_, options);
  until([&] { return one.links.bound_port(Port::kObserverMaster) != 0; });
  const tcp::socket socket = connect(one.endpoints(Port::kObserverMaster).front());
  until([&] { return one.accepted_links.size() == 1; });
  EXPECT_EQ(one.accepted_links.front().second, Port::kObserverMaster);
}

// The server goes on without it, and has it as soon as it can be had.
TEST_F(PeerLinksTest, WithoutThePortForObserversAServerGoesOn) {
  auto holder = std::make_unique<tcp::acceptor>(
      io_, tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0));
  PeerOptions options;
  options.observer_master = {{"127.0.0.1", holder->local_endpoint().port()}};
  options.bind_retries = 1;
  options.bind_retry_delay = std::chrono::milliseconds(5);
  TestPeer one(io_, options);
  until([&] { return one.warnings.size() > 2; });
  EXPECT_THAT(one.failures, IsEmpty());
  holder.reset();
  until([&] { return one.links.bound_port(Port::kObserverMaster) != 0; });
}

TEST_F(PeerLinksTest, AllAddressesOnRequest) {
  PeerOptions options;
  options.quorum = {{"192.0.2.1", 0}};  // not this machine's
  options.is_listening_on_all = true;
  TestPeer one(io_, options);
  open({&one});
  const tcp::socket socket = connect({"127.0.0.3", one.endpoints(Port::kQuorum).front().port});
  until([&] { return one.accepted_links.size() == 1; });
}

TEST_F(PeerLinksTest, AStopClosesEverything) {
  TestPeer other(io_);
  auto one = std::make_unique<TestPeer>(io_);
  open({one.get(), &other});
  link(*one, other, kFirst, Port::kElection);
  link(other, *one, kFirst, Port::kQuorum);
  one->links.dial(kSecond, kOther, Port::kQuorum, other.endpoints(Port::kQuorum));
  one->links.send(kFirst, "last words");
  one->links.stop();
  EXPECT_THAT(one->unlinked_links, IsEmpty());
  one.reset();
  until([&] { return other.unlinked_links.size() >= 2; });
  EXPECT_EQ(other.bytes[LinkId{2}], "last words");
}

}  // namespace
}  // namespace synod::net
