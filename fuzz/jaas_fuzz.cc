// Any text as a JAAS file: no crash, an error has its line, and so has every option a name.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "fuzz_input.h"
#include "net/jaas.h"

using synod::fuzz::require;

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = synod::net::parse_jaas({reinterpret_cast<const char*>(data), size});
  if (!parsed) {
    require(parsed.error().text.starts_with("line "));
    return 0;
  }
  for (const auto& [name, modules] : *parsed) {
    for (const auto& module : modules) require(module.options.size() <= size);
  }
  return 0;
}
