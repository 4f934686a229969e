#include "net/resolver.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/post.hpp>
#include <mutex>
#include <thread>
#include <utility>

namespace synod::net {

using boost::asio::ip::address;

namespace {

struct AddrInfoDeleter {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

// IPv4 first, as Java does by default: a name such as localhost then means the same to both.
Result<std::vector<std::string>> system_lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list); error != 0)
    return fail(ErrorKind::kIo, host + " does not resolve: " + ::gai_strerror(error));
  const std::unique_ptr<addrinfo, AddrInfoDeleter> owner(list);
  std::vector<std::string> found;
  for (const int family : {AF_INET, AF_INET6}) {
    for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
      if (entry->ai_family != family) continue;
      std::array<char, NI_MAXHOST> text{};
      if (::getnameinfo(entry->ai_addr, entry->ai_addrlen, text.data(), text.size(), nullptr, 0,
                        NI_NUMERICHOST) == 0)
        found.emplace_back(text.data());
    }
  }
  return found;
}

Result<Addresses> parse(const std::string& host, const Result<std::vector<std::string>>& texts) {
  if (!texts) return std::unexpected(texts.error());
  Addresses found;
  for (const std::string& text : *texts) {
    boost::system::error_code error;
    const address parsed = boost::asio::ip::make_address(text, error);
    if (!error && std::ranges::find(found, parsed) == found.end()) found.push_back(parsed);
  }
  if (found.empty()) return fail(ErrorKind::kIo, host + " has no address");
  return found;
}

}  // namespace

// Outlives the resolver for as long as a lookup runs.
struct Resolver::Mailbox {
  std::mutex mutex;
  boost::asio::io_context* io;  // null: nobody is there any more
  // Who waits for a name; the loop's only.
  std::map<std::string, std::vector<Answer>> waiting;
};

Resolver::Resolver(boost::asio::io_context& io, Lookup lookup)
    : mailbox_(std::make_shared<Mailbox>()), lookup_(std::move(lookup)) {
  mailbox_->io = &io;
  if (!lookup_) lookup_ = system_lookup;
}

Resolver::~Resolver() {
  const std::scoped_lock lock(mailbox_->mutex);
  mailbox_->io = nullptr;
  mailbox_->waiting.clear();
}

void Resolver::resolve(const std::string& host, Answer answer) {
  boost::system::error_code error;
  const address literal = boost::asio::ip::make_address(host, error);
  if (!error) {
    boost::asio::post(*mailbox_->io,
                      [literal, answer = std::move(answer)] { answer(Addresses{literal}); });
    return;
  }
  std::vector<Answer>& waiting = mailbox_->waiting[host];
  waiting.push_back(std::move(answer));
  if (waiting.size() == 1) look_up(host);
}

void Resolver::look_up(const std::string& host) {
  std::thread([mailbox = mailbox_, lookup = lookup_, host] {
    Result<Addresses> found = parse(host, lookup(host));
    const std::scoped_lock lock(mailbox->mutex);
    if (mailbox->io == nullptr) return;
    boost::asio::post(*mailbox->io, [mailbox, host, found = std::move(found)] {
      const auto entry = mailbox->waiting.extract(host);
      if (entry.empty()) return;
      for (const Answer& answer : entry.mapped()) answer(found);
    });
  }).detach();  // it waits for a name server, and nobody waits for it
}

bool is_wildcard(const std::string& host) {
  return host.empty() || host == "0.0.0.0" || host == "::" || host == "*";
}

std::string to_text(const address& given) {
  if (given.is_v6() && given.to_v6().is_v4_mapped())
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, given.to_v6()).to_string();
  return given.to_string();
}

}  // namespace synod::net
