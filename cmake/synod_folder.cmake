# synod_folder(NAME <folder> [SANS_IO] [DEPS <folder>...] [TEST_DEPS <folder>...] [LIBS <target>...]
#              [PCH std|asio])
#
# src/<folder>/*.cc becomes the static library synod_<folder> (an INTERFACE library while it holds
# headers only); *_test.cc, with test_*.cc to help them, the test tests/<folder>_test, with the folder
# as its label. main.cc stays out: it is the executable's. A folder that does not exist yet is passed over.

# "consensus/solo" -> "consensus_solo"
function(synod_target_name folder out)
  string(REPLACE "/" "_" name ${folder})
  set(${out} ${name} PARENT_SCOPE)
endfunction()

function(synod_folder)
  cmake_parse_arguments(arg "SANS_IO" "NAME;PCH" "DEPS;TEST_DEPS;LIBS" ${ARGN})
  set(dir ${PROJECT_SOURCE_DIR}/src/${arg_NAME})
  if(NOT IS_DIRECTORY ${dir})
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "(_test|/test_[^/]*|/main)\\.cc$")
  list(FILTER tests INCLUDE REGEX "(_test|/test_[^/]*)\\.cc$")

  synod_target_name(${arg_NAME} name)
  set(library synod_${name})
  if(sources)
    add_library(${library} STATIC ${sources})
    target_link_libraries(${library} PRIVATE synod_flags)
    if(NOT arg_PCH)
      set(arg_PCH std)
    endif()
    synod_precompile(${library} ${arg_PCH})
    set(reach PUBLIC)
  else()
    add_library(${library} INTERFACE)
    set(reach INTERFACE)
  endif()
  target_include_directories(${library} ${reach} ${PROJECT_SOURCE_DIR}/src)
  synod_link_folders(${library} ${reach} ${arg_DEPS})
  target_link_libraries(${library} ${reach} ${arg_LIBS})
  set_property(GLOBAL APPEND PROPERTY SYNOD_LIBRARIES ${library})

  if(tests AND SYNOD_TESTS)
    synod_folder_test(${name} "${tests}" "${arg_TEST_DEPS}" ${arg_SANS_IO})
  endif()
endfunction()

function(synod_link_folders target reach)
  foreach(folder ${ARGN})
    synod_target_name(${folder} name)
    if(TARGET synod_${name})
      target_link_libraries(${target} ${reach} synod_${name})
    endif()
  endforeach()
endfunction()

# Tests run in the source folder, find real bytes under $SYNOD_FIXTURES, and carry the label `core`
# when their folder is part of the sans-IO core (what runs under the sanitizers every time).
function(synod_folder_test name sources test_deps sans_io)
  set(test ${name}_test)
  add_executable(${test} ${sources})
  set_target_properties(${test} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  target_link_libraries(${test} PRIVATE synod_flags synod_${name} GTest::gmock GTest::gtest_main
                                        rapidcheck)
  synod_link_folders(${test} PRIVATE ${test_deps})
  synod_precompile(${test} test)
  add_test(NAME ${test} COMMAND ${test} --gtest_brief=1 WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set(labels ${name})
  if(sans_io)
    list(APPEND labels core)
    add_dependencies(synod_core_tests ${test})
  endif()
  set_tests_properties(${test} PROPERTIES LABELS "${labels}" TIMEOUT 900
                       ENVIRONMENT "SYNOD_FIXTURES=${SYNOD_FIXTURES}")
endfunction()
