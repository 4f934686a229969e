# What Synod stands on: Debian 12 packages, nothing vendored (./dev setup installs them).

set(Boost_USE_STATIC_LIBS ON)
find_package(Boost 1.81 CONFIG REQUIRED COMPONENTS json)
find_package(CLI11 REQUIRED)
find_package(fmt REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(Snappy REQUIRED)
find_package(spdlog REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_library(SYNOD_LIBDEFLATE deflate REQUIRED)  # checksums; it has no CMake package

# The parts of Asio and Beast that are not templates, compiled once instead of in every file.
add_library(synod_asio STATIC ${CMAKE_CURRENT_LIST_DIR}/asio.cc)
target_compile_definitions(synod_asio PUBLIC BOOST_ASIO_SEPARATE_COMPILATION
                                             BOOST_BEAST_SEPARATE_COMPILATION
                                             BOOST_ASIO_NO_DEPRECATED)
target_link_libraries(synod_asio PUBLIC Boost::headers OpenSSL::SSL Threads::Threads)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND SYNOD_SANITIZE MATCHES "thread")
  target_compile_options(synod_asio PUBLIC -Wno-tsan)  # GCC warns of the fences it does not model
endif()

synod_pch(std)
synod_pch(asio synod_asio)

# Tests and benchmarks need more than the server does, so that ./dev run need not wait for it.
find_package(GTest QUIET)
option(SYNOD_TESTS "Build the unit tests" ${GTest_FOUND})
if(SYNOD_TESTS)
  find_package(GTest REQUIRED)
  find_package(rapidcheck REQUIRED)
  synod_pch(test GTest::gmock)
  enable_testing()
endif()
