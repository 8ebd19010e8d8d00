# Compiler settings shared by every target: C++20, strict warnings, sanitizers, ccache.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

set(TOCSIN_SANITIZE "" CACHE STRING "Comma separated sanitizers: address,undefined or thread")
option(TOCSIN_WERROR "Warnings are errors" ON)
option(TOCSIN_FUZZ "Build the libFuzzer targets (clang only)" OFF)
option(TOCSIN_TESTS "Build the tests and benchmarks" ON)
# OUTER folders read what comes from outside or own memory by hand; INNER ones work on what those made of it.
set(TOCSIN_UNIT_TESTS ON CACHE STRING "Which unit tests are built: ON, OFF, OUTER, INNER")
set(TOCSIN_OUTER_FOLDERS "^(common|proto|agent|alertd/(ingest|promql|tsdb|tasks))/" CACHE INTERNAL "")

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_CLANG_TIDY)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
endif()

# -g1: function names and lines for backtraces; full debug information doubles link time and memory.
set(CMAKE_CXX_FLAGS_DEBUG "-g1 -Og")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")

add_library(tocsin_options INTERFACE)
target_compile_options(tocsin_options INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor $<$<BOOL:${TOCSIN_WERROR}>:-Werror>
  -fno-omit-frame-pointer -pthread)
target_include_directories(tocsin_options INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_definitions(tocsin_options INTERFACE TOCSIN_VERSION="${PROJECT_VERSION}")

if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(tocsin_options INTERFACE -Wthread-safety)
else()
  # Boost.Asio's and RE2's inlined code trips these false positives of g++ 12.
  target_compile_options(tocsin_options INTERFACE -Wno-maybe-uninitialized)
endif()

if(TOCSIN_SANITIZE)
  # Global, because third-party headers compiled into our objects must agree.
  add_compile_options(-fsanitize=${TOCSIN_SANITIZE} -fno-sanitize-recover=all)
  # These check every access through a pointer and double the time of the compiler; what they find,
  # the processor or AddressSanitizer finds too.
  add_compile_options(-fno-sanitize=null,alignment,object-size)
  add_link_options(-fsanitize=${TOCSIN_SANITIZE})
  # g++ 12: false alarms on Asio's coroutine frames and on fences under TSan.
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(tocsin_options INTERFACE
      -Wno-mismatched-new-delete -Wno-tsan -Wno-restrict -Wno-stringop-overflow
      -Wno-null-dereference)
  endif()
endif()

find_program(LLD_PROGRAM ld.lld)
if(LLD_PROGRAM)
  add_link_options(-fuse-ld=lld)
endif()
