#include "net/client_service.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "net/acceptor.h"
#include "net/clock.h"
#include "net/resolver.h"

namespace synod::net {

using boost::asio::ip::tcp;

// Always in the same order; connection threads take only their own.
void ReaderLocks::pause_readers() {
  for (ClientLoop* loop : loops_) loop->mutex().lock();
}

void ReaderLocks::resume_readers() {
  for (ClientLoop* loop : loops_) loop->mutex().unlock();
}

ClientService::ClientService(replica::Replica& replica, ReaderLocks& locks,
                             const replica::ServingRules& rules, ServiceOptions options,
                             ServiceEvents events)
    : replica_(replica), options_(std::move(options)), events_(std::move(events)) {
  const ClientLoop::Hooks hooks{
      .submitted = [this] { call_core(); },
      .closed = [this](const std::string& address) { closed(address); },
      .complained =
          [this](const std::string& address, const std::string& complaint) {
            events_.complain("closed the connection from " + address + ": " + complaint);
          },
      .answer_word = [this](const std::string& word) { return events_.answer_word(word); }};
  for (std::size_t i = 0; i < options_.loops; ++i) {
    loops_.push_back(std::make_unique<ClientLoop>(replica_.add_lane(), rules,
                                                  options_.sessionless_timeout_ms, hooks));
    locks.add(*loops_.back());
  }
  tick_timer_ = std::make_unique<boost::asio::steady_timer>(core_io());
  hold_timer_ = std::make_unique<boost::asio::steady_timer>(core_io());
  deadline_timer_ = std::make_unique<boost::asio::steady_timer>(core_io());
  accept_timer_ = std::make_unique<boost::asio::steady_timer>(core_io());
}

// Sockets go before their loops.
ClientService::~ClientService() {
  if (peers_ != nullptr) peers_->stop();
}

Result<void> ClientService::listen() {
  std::optional<boost::asio::ip::address> address;
  if (!options_.address.empty()) {
    boost::system::error_code error;
    tcp::resolver resolver(core_io());
    const auto found = resolver.resolve(options_.address, std::to_string(options_.port), error);
    if (error || found.empty()) {
      return fail(ErrorKind::kIo, "clientPortAddress " + options_.address +
                                      " does not resolve: " + error.message());
    }
    address = found.begin()->endpoint().address();
  }
  Acceptor opened = open_acceptor(core_io(), address, options_.port, options_.backlog);
  if (opened.error) {
    return fail(ErrorKind::kIo, "cannot listen on port " + std::to_string(options_.port) + ": " +
                                    opened.error.message() +
                                    ". Is another server running? Choose a port with clientPort.");
  }
  acceptor_ = std::move(opened.socket);
  port_ = acceptor_->local_endpoint().port();
  return {};
}

void ClientService::run() {
  for (std::size_t i = 1; i < loops_.size(); ++i) {
    threads_.emplace_back([this, i] {
      const auto keep_running = boost::asio::make_work_guard(loops_[i]->io());
      loops_[i]->io().run();
    });
  }
  accept();
  wait_for_tick();
  const auto keep_running = boost::asio::make_work_guard(core_io());
  core_io().run();
  for (std::size_t i = 1; i < loops_.size(); ++i) loops_[i]->io().stop();
  for (std::thread& thread : threads_) thread.join();
}

void ClientService::stop() {
  boost::asio::post(core_io(), [this] {
    if (is_stopping_.exchange(true)) return;
    boost::system::error_code ignored;
    if (acceptor_) acceptor_->close(ignored);
    tick_timer_->cancel();
    deadline_timer_->cancel();
    if (peers_ != nullptr) peers_->stop();
    for (const auto& loop : loops_) {
      boost::asio::post(loop->io(), [&loop = *loop] { loop.close_all(); });
    }
    boost::asio::post(core_io(), [this] { finish_if_idle(); });
  });
}

void ClientService::finish_if_idle() {
  if (!is_stopping_ || connection_count() != 0) return;
  const bool is_idle = peers_ != nullptr ? replica_.is_log_idle() : replica_.is_idle();
  if (is_idle || has_failed_) core_io().stop();
}

// ---- accepting --------------------------------------------------------------------------------

void ClientService::accept() {
  if (!acceptor_ || !acceptor_->is_open()) return;
  ClientLoop& loop = *loops_[next_loop_++ % loops_.size()];
  acceptor_->async_accept(
      loop.io(), [this, &loop](const boost::system::error_code& error, tcp::socket socket) {
        if (error == boost::asio::error::operation_aborted || is_stopping_) return;
        if (error) {  // out of descriptors, most likely: try again when some may be free
          events_.warn("cannot accept a connection: " + error.message());
          accept_timer_->expires_after(std::chrono::milliseconds(100));
          return accept_timer_->async_wait([this](const boost::system::error_code& stopped) {
            if (!stopped) accept();
          });
        }
        boost::system::error_code ignored;
        const auto peer = socket.remote_endpoint(ignored).address();
        std::string address = to_text(peer);
        socket.set_option(tcp::no_delay(true), ignored);
        if (options_.is_keep_alive)
          socket.set_option(boost::asio::socket_base::keep_alive(true), ignored);
        if (may_admit(address)) {
          boost::asio::dispatch(loop.io(), [&loop, socket = std::move(socket),
                                            address = std::move(address)]() mutable {
            loop.adopt(std::move(socket), std::move(address));
          });
        } else {
          events_.complain("refused a connection from " + address +
                           ": there are too many (maxClientCnxns, maxCnxns)");
          refuse(socket);
        }
        accept();
      });
}

bool ClientService::may_admit(const std::string& address) {
  const std::scoped_lock lock(counts_mutex_);
  if (options_.max_total != 0 && connections_ >= options_.max_total) return false;
  std::size_t& here = per_address_[address];
  if (options_.max_per_address != 0 && here >= options_.max_per_address) return false;
  ++here;
  ++connections_;
  return true;
}

void ClientService::closed(const std::string& address) {
  {
    const std::scoped_lock lock(counts_mutex_);
    const auto found = per_address_.find(address);
    if (--found->second == 0) per_address_.erase(found);
    --connections_;
  }
  if (is_stopping_) boost::asio::post(core_io(), [this] { finish_if_idle(); });
}

// ---- other servers ----------------------------------------------------------------------------

void ClientService::serve_peers(PeerLinks& links) {
  peers_ = &links;
  peers_->start(core_io(), *this);
  call_core();  // times the first deadline
}

// Each is told at once, and shares the turn that follows with whatever else is ready: clients'
// requests, other servers' messages.
void ClientService::accepted(consensus::LinkId link, consensus::Port port) {
  replica_.accepted(link, port, now());
  call_core();
}

void ClientService::linked(consensus::LinkId link) {
  replica_.linked(link, now());
  call_core();
}

void ClientService::unlinked(consensus::LinkId link) {
  replica_.unlinked(link, now());
  call_core();
}

void ClientService::received(consensus::LinkId link, BytesView bytes) {
  replica_.received(link, bytes, now());
  call_core();
}

void ClientService::drained(consensus::LinkId link) {
  replica_.drained(link, now());
  call_core();
}

// ---- the core's turn --------------------------------------------------------------------------

// Posted, not called: sockets that became ready together share one turn, and so one log batch.
void ClientService::call_core() {
  if (is_core_called_.exchange(true)) return;
  boost::asio::post(core_io(), [this] {
    is_core_called_ = false;
    replica_.advance(now());
    after_core();
  });
}

void ClientService::io_done(storage::IoToken token, Result<void> result) {
  boost::asio::post(core_io(), [this, token, result = std::move(result)] {
    replica_.io_done(token, result, now());
    after_core();
  });
}

void ClientService::wait_for_tick() {
  tick_timer_->expires_after(
      std::chrono::milliseconds(std::clamp<std::int64_t>(options_.tick_ms / 4, 1, 250)));
  tick_timer_->async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    replica_.tick(now());
    after_core();
    wait_for_tick();
  });
}

// The engine's deadlines mostly move away while it is talked to: a timer that has become too early
// is left to fire, and is set again then.
void ClientService::wait_for_deadline() {
  const std::optional<SteadyTimeMs> deadline = replica_.next_deadline();
  if (!deadline || is_stopping_ || (timed_deadline_ && *timed_deadline_ <= *deadline)) return;
  timed_deadline_ = deadline;
  deadline_timer_->expires_at(
      std::chrono::steady_clock::time_point(std::chrono::milliseconds(deadline->value)));
  deadline_timer_->async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    timed_deadline_.reset();
    const replica::Time time = now();
    if (const auto due = replica_.next_deadline(); due && *due <= time.steady) replica_.tick(time);
    after_core();
  });
}

void ClientService::after_core() {
  for (const std::string& warning : replica_.take_warnings()) events_.warn(warning);
  if (replica_.failure() && !std::exchange(has_failed_, true)) events_.failed(*replica_.failure());
  if (events_.turned) events_.turned();
  if (peers_ != nullptr) peers_->flush();
  loops_.front()->flush_stirred();
  for (std::size_t i = 1; i < loops_.size(); ++i) {
    bool has_stirred = false;
    {
      const std::scoped_lock lock(loops_[i]->mutex());
      has_stirred = !loops_[i]->lane().stirred.empty();
    }
    if (has_stirred)
      boost::asio::post(loops_[i]->io(), [&loop = *loops_[i]] { loop.flush_stirred(); });
  }
  if (replica_.is_holding()) wait_for_hold();
  wait_for_deadline();
  finish_if_idle();
}

void ClientService::wait_for_hold() {
  if (std::exchange(is_hold_timed_, true)) return;
  hold_timer_->expires_after(options_.flush_hold);
  hold_timer_->async_wait([this](const boost::system::error_code& error) {
    is_hold_timed_ = false;
    if (error || !replica_.is_holding()) return;
    replica_.hold_over(now());
    after_core();
  });
}

}  // namespace synod::net
