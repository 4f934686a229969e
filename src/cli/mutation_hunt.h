// `synod sim --mutation NAME`, in builds with mutants only: puts a bug back and lets random seeds
// look for it. What tests/mutations asks for.
#pragma once

#include <synod_mutants.h>

#ifdef SYNOD_MUTANTS

#include <cstddef>
#include <cstdint>
#include <string>

namespace synod::cli {

struct HuntOptions {
  std::string mutation;  // of kMutationNames; "none": the code as it is
  std::string engine;    // of "none"; the others know theirs
  std::size_t servers = 5;
  std::uint64_t first_seed = 1;
  double cpu_seconds = 600;  // then it gives up
};

// One seed after another, all faults, until something is violated. On the output a line before each
// run, `seed N`, and one at the end: `found …` (status 1), `not found …` (status 0). A seed that
// breaks an invariant of the code ends the process: the last line then says which it was.
[[nodiscard]] int hunt(const HuntOptions& options);

}  // namespace synod::cli

#endif
