# Every build checks that no #include goes up a floor; the stamp keeps it to builds that changed one.

file(GLOB_RECURSE headers_and_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.h
                                                        ${PROJECT_SOURCE_DIR}/src/*.cc)
set(layers_stamp ${PROJECT_BINARY_DIR}/layers.stamp)
set(check_layers ${PROJECT_SOURCE_DIR}/tools/check_layers.py)
add_custom_command(
  OUTPUT ${layers_stamp}
  COMMAND ${check_layers} ${PROJECT_SOURCE_DIR}
  COMMAND ${CMAKE_COMMAND} -E touch ${layers_stamp}
  DEPENDS ${headers_and_sources} ${check_layers} ${CMAKE_CURRENT_LIST_DIR}/floors.cmake
  COMMENT "Checking the layers")
add_custom_target(synod_layers ALL DEPENDS ${layers_stamp})

if(SYNOD_TESTS)
  add_test(NAME check_layers_test COMMAND ${PROJECT_SOURCE_DIR}/tools/check_layers_test.py)
  set_tests_properties(check_layers_test PROPERTIES LABELS tools TIMEOUT 300)
endif()
