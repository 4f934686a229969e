#include "consensus/outbox.h"

#include <utility>

namespace synod::consensus {

void Outbox::send(LinkId link, BytesView bytes) {
  if (!effects_.empty()) {
    auto* last = std::get_if<effect::Send>(&effects_.back());
    if (last != nullptr && last->link == link) {
      last->bytes.append(bytes);
      return;
    }
  }
  effects_.emplace_back(effect::Send{link, Bytes(bytes)});
}

LinkId Outbox::dial(ServerId server, Port port, std::vector<Endpoint> endpoints) {
  const LinkId link = next_link_;
  next_link_.value += 2;
  effects_.emplace_back(effect::Dial{link, server, port, std::move(endpoints)});
  return link;
}

void Outbox::close(LinkId link, std::string reason) {
  effects_.emplace_back(effect::Close{link, std::move(reason)});
}

void Outbox::warn(std::string text) { effects_.emplace_back(effect::Warn{std::move(text)}); }

void Outbox::add(Effect effect) { effects_.push_back(std::move(effect)); }

Effects Outbox::take() { return std::exchange(effects_, {}); }

}  // namespace synod::consensus
