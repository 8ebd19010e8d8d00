# Several source files of a folder compiled as one: a clean build takes a third of the time. Sources still
# stand for themselves and include what they use: the preset tidy compiles each alone.
#
#   tocsin_unity(TARGET SOURCE...)
#
# Groups are made when cmake runs. If an edit gives two files of a group one name in their anonymous
# namespaces ("redefinition of ..."), run cmake again.

option(TOCSIN_UNITY "Compile several source files as one" OFF)
if(TOCSIN_UNITY)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  execute_process(COMMAND "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_LIST_DIR}/unity_groups.py" "${CMAKE_SOURCE_DIR}"
                  OUTPUT_VARIABLE groups COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]+" groups "${groups}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_CURRENT_LIST_DIR}/unity_groups.py")
  foreach(line ${groups})
    string(REGEX MATCH "^([^\t]*)\t(.*)$" line "${line}")
    set_property(GLOBAL PROPERTY "unity_group:${CMAKE_SOURCE_DIR}/${CMAKE_MATCH_1}" ${CMAKE_MATCH_2})
  endforeach()
endif()

function(tocsin_unity target)
  if(NOT TOCSIN_UNITY)
    return()
  endif()
  foreach(source ${ARGN})
    get_property(group GLOBAL PROPERTY "unity_group:${source}")
    if(group)
      set_source_files_properties("${source}" PROPERTIES UNITY_GROUP ${group})
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # A class with a member from an anonymous namespace is fine in a source file, which g++ takes for a
    # header here.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()
