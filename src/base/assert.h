// Invariants, checked in release builds too: the process stops rather than spread doubt.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace synod {

[[noreturn]] inline void assertion_failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: invariant broken: %s\n", file, line, what);
  std::abort();
}

}  // namespace synod

#define SYNOD_ASSERT(condition)          \
  (static_cast<bool>(condition) ? void() \
                                : ::synod::assertion_failed(#condition, __FILE__, __LINE__))
