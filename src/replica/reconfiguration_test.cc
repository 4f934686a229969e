#include "replica/reconfiguration.h"

#include <gtest/gtest.h>

#include "consensus/membership.h"

namespace synod::replica {
namespace {

using jute::ErrorCode;

// A leader of whom only the membership is asked.
class LeadingEngine final : public consensus::Engine {
 public:
  void start(const consensus::Beginning& /*beginning*/) override {}
  void tick(SteadyTimeMs /*now*/) override {}
  void durable(Zxid /*up_to*/) override {}
  void propose(consensus::Entry /*entry*/) override {}
  [[nodiscard]] Zxid next_zxid() const override { return {}; }
  void read_index(std::uint64_t /*token*/) override {}
  [[nodiscard]] const consensus::Membership* membership() const override { return &current; }
  [[nodiscard]] bool is_reconfiguring() const override { return is_busy; }
  [[nodiscard]] std::optional<std::string> why_not(
      const consensus::Membership& next) const override {
    if (next.members.contains(ServerId{9})) return "server.9 is not connected";
    return std::nullopt;
  }
  [[nodiscard]] const consensus::Status& status() const override { return status_; }
  [[nodiscard]] consensus::Effects drain() override { return {}; }

  consensus::Membership current = *consensus::Membership::parse(
      "server.1=a:1:2;3\nserver.2=b:1:2;3\nserver.3=c:1:2;3\nversion=100000004");
  bool is_busy = false;

 private:
  consensus::Status status_;
};

std::string planned(const jute::ReconfigRequest& request, const LeadingEngine& engine = {}) {
  const auto plan = plan_reconfiguration(request, engine, 2, Zxid{0x100000008});
  if (plan) return *plan;
  return std::to_string(static_cast<int>(plan.error().error)) + ": " + plan.error().reason;
}

TEST(Reconfiguration, ItsZxidIsItsVersion) {
  EXPECT_EQ(planned({.joining_servers = "server.4=d:1:2:observer;3",
                     .leaving_servers = "3",
                     .new_members = {},
                     .current_config_id = 0x100000004}),
            "server.1=a:1:2:participant;0.0.0.0:3\nserver.2=b:1:2:participant;0.0.0.0:3\n"
            "server.4=d:1:2:observer;0.0.0.0:3\nversion=100000008");
}

TEST(Reconfiguration, IsRefusedInZooKeepersOrder) {
  // Everything is wrong with it; one after the other is put right.
  jute::ReconfigRequest request{"server.9=a:1:2", {}, {}, 7};
  LeadingEngine engine;
  engine.is_busy = true;
  EXPECT_EQ(planned(request, engine), "-14: the change to version 100000004 is not finished");
  engine.is_busy = false;
  EXPECT_EQ(planned(request, engine),
            "-103: it was meant for version 7, the membership is at 100000004");
  request.current_config_id = -1;
  EXPECT_EQ(planned(request, engine),
            "-8: server.9 has no client port (host:port:port:role;clientPort)");
  request.joining_servers = "server.9=i:1:2;3";
  EXPECT_EQ(planned(request, engine), "-13: server.9 is not connected");
}

}  // namespace
}  // namespace synod::replica
