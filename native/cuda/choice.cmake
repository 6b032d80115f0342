# Whether the CUDA compiler that was found is of use, and which GPUs it is to compile for. Nothing here needs the language
# to be enabled, so that tests can ask for it alone.

# Empty, or what is wrong with it: an old one, as distributions have, is no reason for a build to fail that can do without.
function(cuda_complaint result compiler)
  execute_process(COMMAND ${compiler} --version OUTPUT_VARIABLE said RESULT_VARIABLE failed ERROR_QUIET)
  set(${result} "" PARENT_SCOPE)
  if(NOT failed STREQUAL "0" OR NOT said MATCHES "release ([0-9]+[.][0-9]+)")
    set(${result} "${compiler} does not say its version" PARENT_SCOPE)
  elseif(CMAKE_MATCH_1 VERSION_LESS 12.0)
    set(${result} "${compiler} is of CUDA ${CMAKE_MATCH_1}, and C++20 needs 12.0" PARENT_SCOPE)
  endif()
endfunction()

# The GPUs that are there, as far as kernels run on them and the compiler knows them. Without any, one architecture, which
# later GPUs can run as well: more take minutes.
function(cuda_architectures result compiler)
  execute_process(
    COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader
    OUTPUT_VARIABLE capabilities RESULT_VARIABLE failed ERROR_QUIET)
  if(NOT failed STREQUAL "0")
    set(capabilities "")
  endif()
  execute_process(COMMAND ${compiler} --list-gpu-arch OUTPUT_VARIABLE known ERROR_QUIET)
  string(REGEX MATCHALL "compute_[0-9]+" known "${known}")
  string(REGEX MATCHALL "[0-9]+[.][0-9]" capabilities "${capabilities}")
  set(found "")
  foreach(capability IN LISTS capabilities)
    string(REPLACE "." "" architecture ${capability})
    if(capability VERSION_GREATER_EQUAL 8.0 AND "compute_${architecture}" IN_LIST known)
      list(APPEND found ${architecture})
    elseif(capability VERSION_GREATER_EQUAL 8.0)
      list(APPEND found 80)
    endif()
  endforeach()
  list(REMOVE_DUPLICATES found)
  if(NOT found)
    set(found 80)
  endif()
  set(${result} "${found}" PARENT_SCOPE)
endfunction()
