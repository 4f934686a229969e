// G8: what a server sends claims nothing that a crash could take back. Its messages are read as
// they leave, and held against what the disk has flushed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "consensus/engine.h"
#include "sim/ghost.h"

namespace synod::sim {

class Claims {
 public:
  struct Evidence {
    const Ghost& ghost;
    // What a file of that name would hold after a power cut; empty: there is none.
    std::function<std::string(std::size_t server, const std::string& name)> durable_text;
    Ghost::Complain complain;
  };

  explicit Claims(Evidence evidence) : evidence_(std::move(evidence)) {}
  Claims(const Claims&) = delete;
  Claims& operator=(const Claims&) = delete;
  virtual ~Claims() = default;

  virtual void started(std::size_t server) = 0;  // its links are gone
  virtual void accepted(std::size_t server, consensus::LinkId link, consensus::Port port) = 0;
  virtual void effect(std::size_t server, const consensus::Effect& effect) = 0;

 protected:
  [[nodiscard]] const Ghost& ghost() const { return evidence_.ghost; }
  // The number that such a file begins with; -1: there is none.
  [[nodiscard]] std::int64_t durable_epoch(std::size_t server, const std::string& name) const;
  [[nodiscard]] std::string durable_text(std::size_t server, const std::string& name) const {
    return evidence_.durable_text(server, name);
  }
  void complain(std::size_t server, const std::string& text) const;

 private:
  Evidence evidence_;
};

// Of an engine by its name; null: what it says is not read.
[[nodiscard]] std::unique_ptr<Claims> make_claims(const std::string& engine,
                                                  Claims::Evidence evidence);

}  // namespace synod::sim
