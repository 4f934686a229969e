// Names to addresses, without blocking the loop. Every call asks anew: under Kubernetes a server's
// address changes whenever it is restarted.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

namespace synod::net {

using Addresses = std::vector<boost::asio::ip::address>;

class Resolver {
 public:
  using Lookup = std::function<Result<std::vector<std::string>>(const std::string& host)>;
  using Answer = std::function<void(const Result<Addresses>&)>;

  // An empty lookup is the system's.
  Resolver(boost::asio::io_context& io, Lookup lookup);
  ~Resolver();  // nobody is answered any more

  // Answers on the loop, later. Who asks for a name that is being looked up shares the answer, so
  // a name server that is slow holds one thread a name, and nobody else.
  void resolve(const std::string& host, Answer answer);

 private:
  struct Mailbox;
  void look_up(const std::string& host);

  std::shared_ptr<Mailbox> mailbox_;
  Lookup lookup_;
};

// Whether a host stands for all addresses.
[[nodiscard]] bool is_wildcard(const std::string& host);

// As clients and operators write it: an IPv4 address on an IPv6 socket is one.
[[nodiscard]] std::string to_text(const boost::asio::ip::address& address);

}  // namespace synod::net
