// The client port, and the loop that gives the core its turns: for clients, for other servers, and
// for time.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "net/client_loop.h"
#include "net/peer_links.h"
#include "replica/replica.h"

namespace synod::net {

struct ServiceOptions {
  std::string address;        // empty: all interfaces
  std::uint16_t port = 2181;  // 0: any free one
  int backlog = -1;           // -1: the system's
  bool is_keep_alive = false;
  std::size_t max_per_address = 60;  // 0: any number
  std::size_t max_total = 0;         // 0: any number
  std::int64_t sessionless_timeout_ms = 10'000;
  std::size_t loops = 1;
  std::int64_t tick_ms = 2000;
  std::chrono::microseconds flush_hold{80};  // see replica/flush_pacer.h
};

struct ServiceEvents {
  // From any loop's thread, without a lock.
  std::function<void(const std::string& text)> warn;
  std::function<void(const std::string& text)> complain;  // of a connection: anyone can cause it
  std::function<std::string(const std::string& word)> answer_word;
  // From the core's thread: the log is gone, stop now.
  std::function<void(const Error& error)> failed;
  // From the core's thread, after each of its turns, before what it said goes out.
  std::function<void()> turned;
};

// The threads' locks, which the core takes while it changes what they read.
class ReaderLocks final : public replica::Host {
 public:
  void pause_readers() override;
  void resume_readers() override;
  void add(ClientLoop& loop) { loops_.push_back(&loop); }

 private:
  std::vector<ClientLoop*> loops_;
};

class ClientService : private LinkEvents {
 public:
  ClientService(replica::Replica& replica, ReaderLocks& locks, const replica::ServingRules& rules,
                ServiceOptions options, ServiceEvents events);
  ~ClientService();

  // The links that the replica was opened with: opens their ports and runs them here. Before run(),
  // once; they must live as long as this.
  void serve_peers(PeerLinks& links);
  // Opens the port. The port really used is port().
  [[nodiscard]] Result<void> listen();
  [[nodiscard]] std::uint16_t port() const { return port_; }

  // Runs the core and the first loop on this thread until stop().
  void run();
  // From any thread. Closes the port and all sockets; run() returns when the log is at rest.
  void stop();

  // A file batch is done. From any thread.
  void io_done(storage::IoToken token, Result<void> result);

  [[nodiscard]] std::size_t connection_count() const {
    return connections_.load(std::memory_order_relaxed);
  }

 private:
  void accept();
  void admit(boost::asio::ip::tcp::socket socket);
  [[nodiscard]] bool may_admit(const std::string& address);
  void closed(const std::string& address);
  void accepted(consensus::LinkId link, consensus::Port port) override;
  void linked(consensus::LinkId link) override;
  void unlinked(consensus::LinkId link) override;
  void received(consensus::LinkId link, BytesView bytes) override;
  void drained(consensus::LinkId link) override;
  void call_core();
  void after_core();
  void wait_for_tick();
  void wait_for_hold();
  void wait_for_deadline();
  void finish_if_idle();
  [[nodiscard]] boost::asio::io_context& core_io() { return loops_.front()->io(); }

  replica::Replica& replica_;
  ServiceOptions options_;
  ServiceEvents events_;
  std::vector<std::unique_ptr<ClientLoop>> loops_;
  std::vector<std::thread> threads_;
  std::unique_ptr<boost::asio::ip::tcp::acceptor> acceptor_;
  std::unique_ptr<boost::asio::steady_timer> tick_timer_;
  std::unique_ptr<boost::asio::steady_timer> hold_timer_;
  bool is_hold_timed_ = false;
  std::unique_ptr<boost::asio::steady_timer> deadline_timer_;
  std::optional<SteadyTimeMs> timed_deadline_;  // what deadline_timer_ waits for
  PeerLinks* peers_ = nullptr;                  // null: it has none
  std::unique_ptr<boost::asio::steady_timer> accept_timer_;
  std::uint16_t port_ = 0;
  std::size_t next_loop_ = 0;
  std::atomic<bool> is_core_called_ = false;
  std::atomic<bool> is_stopping_ = false;
  bool has_failed_ = false;
  std::mutex counts_mutex_;
  boost::unordered_flat_map<std::string, std::size_t> per_address_;
  std::atomic<std::size_t> connections_ = 0;
};

}  // namespace synod::net
