// Compiler features that the kernels require. CMake includes this header to check them.
#pragma once

#if defined(__clang_analyzer__)
// Reached only by clang-tidy, which may be older.
#elif !defined(__has_builtin)
#define HEED_COMPILER_IS_TOO_OLD
#elif !__has_builtin(__builtin_shufflevector) || !defined(__FLT16_MAX__)
#define HEED_COMPILER_IS_TOO_OLD
#endif

#if defined(HEED_COMPILER_IS_TOO_OLD)
#error "heed needs GCC 12 or later, or Clang 15 or later"
#endif

namespace heed::cpu {

// A float16 as the compiler converts it. GCC 12 has _Float16 in C++ for x86-64 only.
#if defined(__aarch64__)
typedef __fp16 HalfFloat;
#else
typedef _Float16 HalfFloat;
#endif

}  // namespace heed::cpu
