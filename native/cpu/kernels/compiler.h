// What the kernels ask of a compiler. CMake includes this to find out.
#pragma once

#if defined(__clang_analyzer__)
// Only looked at, by a clang-tidy that may be older.
#elif !defined(__has_builtin)
#define HEED_COMPILER_IS_TOO_OLD
#elif !__has_builtin(__builtin_shufflevector) || !defined(__FLT16_MAX__)
#define HEED_COMPILER_IS_TOO_OLD
#endif

#if defined(HEED_COMPILER_IS_TOO_OLD)
#error "heed needs GCC 12 or later, or Clang 15 or later"
#endif
