# How our own targets are compiled and linked: standard, warnings, sanitizers, cache, linker.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Asserts stay on in every build (no -DNDEBUG). Line tables are enough for a backtrace, and a third of
# the size of full debug information; the dev preset has all of it.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-Og -g")

option(SYNOD_COVERAGE "Count branches taken" OFF)
if(SYNOD_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()

set(SYNOD_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize takes them")
if(SYNOD_SANITIZE)
  # Compiling takes longer than running does, and with -O2 half as long again.
  string(REPLACE "-O2" "-O1" CMAKE_CXX_FLAGS_RELWITHDEBINFO "${CMAKE_CXX_FLAGS_RELWITHDEBINFO}")
  add_compile_options(-fsanitize=${SYNOD_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SYNOD_SANITIZE})
endif()

# Debug information, asserts and the cache speak of files relative to the clone: two clones share one
# cache, and a binary does not tell where it was built. So do two presets: to the cache all are built in `build`.
add_compile_options(-ffile-prefix-map=${PROJECT_BINARY_DIR}=build -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      env CCACHE_MAXSIZE=5G CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
endif()

find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# Puts bugs back, one at a time and only when asked for by name (src/base/mutation.h): what proves that the
# simulator finds them. Never in what is shipped. By a header, not a definition: to the cache, who does not
# read it is the same file in both builds.
option(SYNOD_MUTANTS "Build the switches of tests/mutations" OFF)
configure_file(${PROJECT_SOURCE_DIR}/cmake/synod_mutants.h.in ${PROJECT_BINARY_DIR}/generated/synod_mutants.h)
include_directories(${PROJECT_BINARY_DIR}/generated)

add_library(synod_flags INTERFACE)
target_compile_options(synod_flags INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
                       -Wno-missing-field-initializers)  # designated initialisers mean the rest
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Two of GCC 12's warnings misread its own std::string; one guesses under the sanitizers.
  target_compile_options(synod_flags INTERFACE -Werror -Wno-stringop-overflow -Wno-restrict)
  if(SYNOD_SANITIZE)
    target_compile_options(synod_flags INTERFACE -Wno-error=maybe-uninitialized)
  endif()
else()
  # The second compiler, for tidy and fuzzing: it keeps to the meaning of GCC's -Wconversion.
  target_compile_options(synod_flags INTERFACE -Wno-sign-conversion -Wthread-safety)
endif()

# Headers parsed once: the standard library's for every file, GoogleTest's and Asio's on top of them for
# the files that read those. Measured for a small file: 1.1 s becomes 0.6 (std), 1.6 becomes 0.7
# (test), 2.6 becomes 1.0 (asio). Clang builds without, which shows the includes a file forgot.
option(SYNOD_PCH "Precompile headers" ON)
if(SYNOD_PCH AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-fpch-preprocess)  # ccache needs it
endif()

# synod_pch(<std|test|asio> <library>...): precompiles cmake/pch/<name>.h as those libraries need it.
function(synod_pch name)
  if(SYNOD_PCH AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_library(synod_pch_${name} OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch/empty.cc)
    target_precompile_headers(synod_pch_${name} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/pch/${name}.h)
    target_link_libraries(synod_pch_${name} PRIVATE synod_flags ${ARGN})
  endif()
endfunction()

function(synod_precompile target name)
  if(TARGET synod_pch_${name})
    target_precompile_headers(${target} REUSE_FROM synod_pch_${name})
  endif()
endfunction()
