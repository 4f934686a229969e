#include "net/send_queue.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>

namespace synod::net {
namespace {

std::string gathered(SendQueue& queue, std::span<iovec> into) {
  std::string bytes;
  for (const iovec& part : into.first(queue.gather(into)))
    bytes.append(static_cast<const char*>(part.iov_base), part.iov_len);
  return bytes;
}

TEST(SendQueue, JoinsWhatIsSmallAndMovesWhatIsLarge) {
  SendQueue queue;
  const Bytes large(100'000, 'x');
  const char* const where = large.data();
  queue.push("a");
  queue.push("b");
  Bytes moved = large;
  const char* const before = moved.data();
  queue.push(std::move(moved));
  std::array<iovec, 4> parts{};
  ASSERT_EQ(queue.gather(parts), 2);
  EXPECT_EQ(parts[0].iov_len, 2);
  EXPECT_EQ(parts[1].iov_base, before);
  EXPECT_NE(parts[1].iov_base, where);
}

// Whatever the kernel takes at a time, what went in comes out.
RC_GTEST_PROP(SendQueue, IsAStream, (const std::vector<std::string>& parts, std::uint32_t seed)) {
  SendQueue queue;
  std::string in;
  std::string out;
  std::array<iovec, 3> into{};
  for (const std::string& part : parts) {
    for (std::size_t times = seed % 7 == 0 ? 20'000 : 1; times-- > 0;) {
      queue.push(part);
      in += part;
    }
    seed = seed * 1'664'525 + 1'013'904'223;
    const std::string next = gathered(queue, into);
    const std::size_t taken = next.empty() ? 0 : seed % (next.size() + 1);
    out += next.substr(0, taken);
    queue.consume(taken);
    RC_ASSERT(queue.size() == in.size() - out.size());
  }
  while (!queue.is_empty()) out += queue.pop();
  RC_ASSERT(out == in);
}

}  // namespace
}  // namespace synod::net
