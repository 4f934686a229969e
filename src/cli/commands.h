// The commands of `synod`, their options and their help.
#pragma once

namespace synod::cli {

// The exit status of the process.
[[nodiscard]] int run(int argc, const char* const* argv);

}  // namespace synod::cli
