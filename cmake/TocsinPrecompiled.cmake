# Precompiled headers: the standard library and fmt, read once instead of once for each source file.
# They take a third to a half of the time of a file. Sources still include all that they use: the
# presets tidy and fuzz build without.
#
#   tocsin_precompile(TARGET)       for programs and libraries
#   tocsin_precompile_test(TARGET)  the same and doctest

# One library of each kind compiles the header; REUSE_FROM hands it on. The libraries linked here are
# those whose definitions every target has: the compiler refuses a header made with other ones.
foreach(kind precompiled precompiled_test)
  file(WRITE "${CMAKE_BINARY_DIR}/${kind}.cc" "// Holds the precompiled header.\n")
  add_library(tocsin_${kind} OBJECT "${CMAKE_BINARY_DIR}/${kind}.cc")
  target_link_libraries(tocsin_${kind} PRIVATE tocsin_options Boost::headers fmt::fmt)
  target_precompile_headers(tocsin_${kind} PRIVATE
    <algorithm> <array> <atomic> <chrono> <cstdint> <functional> <map> <memory> <optional> <set>
    <span> <string> <string_view> <unordered_map> <utility> <variant> <vector>
    <fmt/format.h> <boost/system/result.hpp>)
endforeach()
target_link_libraries(tocsin_precompiled_test PRIVATE doctest::doctest)
target_precompile_headers(tocsin_precompiled_test PRIVATE <doctest/doctest.h>)

function(tocsin_precompile target)
  if(NOT CMAKE_CXX_CLANG_TIDY AND NOT TOCSIN_FUZZ)
    target_precompile_headers(${target} REUSE_FROM tocsin_precompiled)
  endif()
endfunction()

function(tocsin_precompile_test target)
  if(NOT CMAKE_CXX_CLANG_TIDY AND NOT TOCSIN_FUZZ)
    target_precompile_headers(${target} REUSE_FROM tocsin_precompiled_test)
  endif()
endfunction()
