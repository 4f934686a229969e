// An engine as it is, looked at from outside: everything that goes in and comes out passes by the
// ghost on its way. It changes nothing.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "consensus/engine.h"
#include "sim/ghost.h"

namespace synod::sim {

class WatchedEngine final : public consensus::Engine {
 public:
  struct Looks {
    std::function<void(consensus::LinkId, consensus::Port)> accepted;
    std::function<void(const consensus::Effect&)> effect;  // after the ghost has seen it
  };

  WatchedEngine(std::unique_ptr<consensus::Engine> engine, Ghost& ghost, std::size_t server,
                Looks looks)
      : engine_(std::move(engine)), ghost_(ghost), server_(server), looks_(std::move(looks)) {}

  void start(const consensus::Beginning& beginning) override {
    ghost_.started(server_, beginning);
    engine_->start(beginning);
  }
  void tick(SteadyTimeMs now) override { engine_->tick(now); }
  [[nodiscard]] std::optional<SteadyTimeMs> next_deadline() const override {
    return engine_->next_deadline();
  }
  void durable(Zxid up_to) override { engine_->durable(up_to); }
  void was_cut(std::optional<Zxid> last) override {
    ghost_.was_cut(server_, last);
    engine_->was_cut(last);
  }
  void epochs_saved() override {
    ghost_.epochs_saved(server_);
    engine_->epochs_saved();
  }
  void log_read(consensus::LinkId link, std::optional<std::vector<consensus::Entry>>&& entries,
                bool is_end) override {
    engine_->log_read(link, std::move(entries), is_end);
  }
  void snapshot_installed(consensus::LinkId link, Zxid zxid, BytesView rest,
                          std::string_view configuration) override {
    ghost_.installed(server_, zxid);
    engine_->snapshot_installed(link, zxid, rest, configuration);
  }
  void accepted(consensus::LinkId link, consensus::Port port) override {
    looks_.accepted(link, port);
    engine_->accepted(link, port);
  }
  void linked(consensus::LinkId link) override { engine_->linked(link); }
  void unlinked(consensus::LinkId link) override { engine_->unlinked(link); }
  void received(consensus::LinkId link, BytesView bytes) override {
    engine_->received(link, bytes);
  }
  void propose(consensus::Entry entry) override {
    ghost_.proposed(server_, entry);
    engine_->propose(std::move(entry));
  }
  [[nodiscard]] Zxid next_zxid() const override { return engine_->next_zxid(); }
  void read_index(std::uint64_t token) override { engine_->read_index(token); }
  void send_to_leader(const consensus::ServiceMessage& message) override {
    engine_->send_to_leader(message);
  }
  void send_to_learner(consensus::LinkId link, const consensus::ServiceMessage& message) override {
    engine_->send_to_learner(link, message);
  }
  [[nodiscard]] const consensus::Membership* membership() const override {
    return engine_->membership();
  }
  [[nodiscard]] bool is_reconfiguring() const override { return engine_->is_reconfiguring(); }
  [[nodiscard]] std::optional<std::string> why_not(
      const consensus::Membership& next) const override {
    return engine_->why_not(next);
  }
  [[nodiscard]] const consensus::Status& status() const override { return engine_->status(); }
  [[nodiscard]] consensus::Effects drain() override {
    consensus::Effects effects = engine_->drain();
    for (const consensus::Effect& effect : effects) {
      ghost_.effect(server_, effect);
      looks_.effect(effect);
    }
    return effects;
  }

 private:
  std::unique_ptr<consensus::Engine> engine_;
  Ghost& ghost_;
  std::size_t server_;
  Looks looks_;
};

}  // namespace synod::sim
