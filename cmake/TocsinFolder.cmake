# One static library a folder.
#
#   tocsin_folder(NAME [LINKS lib...] [TEST_LINKS lib...] [LABEL label])
#     every *.cc of the current folder except *_test.cc, *_bench.cc and main.cc becomes the static
#     library NAME, which links LINKS (its row of the design's table; tests/tidy checks the includes);
#     every *_test.cc becomes the one test program NAME_test, run by ctest under LABEL, or else "unit";
#     each X_bench.cc becomes the Google Benchmark program NAME_X_bench.
#   tocsin_program(NAME LINKS lib...)  main.cc becomes the program NAME.

function(tocsin_folder name)
  cmake_parse_arguments(ARG "" "LABEL" "LINKS;TEST_LINKS" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS "*.cc")
  file(GLOB tests CONFIGURE_DEPENDS "*_test.cc")
  file(GLOB benches CONFIGURE_DEPENDS "*_bench.cc")
  list(REMOVE_ITEM sources ${tests} ${benches} "${CMAKE_CURRENT_SOURCE_DIR}/main.cc" "")
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC tocsin_options ${ARG_LINKS})
    tocsin_precompile(${name})
    tocsin_unity(${name} ${sources})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE tocsin_options ${ARG_LINKS})
  endif()

  file(RELATIVE_PATH folder "${CMAKE_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}/")
  set(kind INNER)
  if("${folder}/" MATCHES "${TOCSIN_OUTER_FOLDERS}")
    set(kind OUTER)
  endif()
  if(ARG_LABEL STREQUAL unit AND NOT TOCSIN_UNIT_TESTS STREQUAL ON AND NOT TOCSIN_UNIT_TESTS STREQUAL kind)
    set(tests "")
  endif()
  if(TOCSIN_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${name} doctest_main ${ARG_TEST_LINKS})
    target_compile_definitions(${name}_test PRIVATE TOCSIN_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    tocsin_precompile_test(${name}_test)
    tocsin_unity(${name}_test ${tests})
    if(ARG_LABEL STREQUAL unit)
      add_dependencies(unit_tests ${name}_test)
    endif()
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT 300)
  endif()

  if(TOCSIN_TESTS)
    foreach(bench ${benches})
      get_filename_component(bench_name ${bench} NAME_WE)
      set(bench_name ${name}_${bench_name})
      add_executable(${bench_name} ${bench})
      target_link_libraries(${bench_name} PRIVATE ${name} benchmark::benchmark ${ARG_TEST_LINKS})
    endforeach()
  endif()
endfunction()

function(tocsin_program name)
  cmake_parse_arguments(ARG "" "" "LINKS" ${ARGN})
  add_executable(${name} main.cc)
  target_link_libraries(${name} PRIVATE ${ARG_LINKS})
  tocsin_precompile(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
  install(TARGETS ${name} RUNTIME DESTINATION bin COMPONENT ${name})
endfunction()

# `ninja unit_tests` builds the test programs only: what the sanitizer runs need.
if(TOCSIN_TESTS)
  add_custom_target(unit_tests)
endif()

# doctest's main takes five seconds to compile: once for all test programs.
if(TOCSIN_TESTS)
  file(WRITE "${CMAKE_BINARY_DIR}/doctest_main.cc"
    "#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN\n#include <doctest/doctest.h>\n"
    # libpqxx 6.4 forgets the results that it reads while a connection breaks.
    "extern \"C\" const char* __lsan_default_suppressions();\n"
    "extern \"C\" const char* __lsan_default_suppressions() { return \"leak:libpqxx\"; }\n")
  add_library(doctest_main STATIC "${CMAKE_BINARY_DIR}/doctest_main.cc")
  target_link_libraries(doctest_main PUBLIC doctest::doctest)
endif()
