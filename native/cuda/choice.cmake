# Decides whether the detected CUDA compiler is usable, and which GPUs it compiles for. Does not require the language to be
# enabled, so that tests can run this file alone.

# Empty, or the reason why the compiler is unusable: a build that can do without CUDA must not fail because a distribution
# has an old compiler.
function(cuda_complaint result compiler)
  execute_process(COMMAND ${compiler} --version OUTPUT_VARIABLE said RESULT_VARIABLE failed ERROR_QUIET)
  set(${result} "" PARENT_SCOPE)
  if(NOT failed STREQUAL "0" OR NOT said MATCHES "release ([0-9]+[.][0-9]+)")
    set(${result} "${compiler} does not say its version" PARENT_SCOPE)
  elseif(CMAKE_MATCH_1 VERSION_LESS 12.0)
    set(${result} "${compiler} is of CUDA ${CMAKE_MATCH_1}, and C++20 needs 12.0" PARENT_SCOPE)
  endif()
endfunction()

# The GPUs of this machine that kernels run on and that the compiler knows. Without any, a single architecture, which later
# GPUs can also run: more architectures take minutes to compile.
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
