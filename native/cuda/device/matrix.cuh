// Matrix instructions of a warp, and the loads that suit them. All 32 lanes must participate. Fragments are
// numbered as in the PTX ISA: lane l holds of
//   A (16 × 16)  rows l/4 and l/4 + 8, columns 2(l%4), +1, +8, +9: a[0] is (l/4, left half), a[1]
//                (l/4 + 8, left), a[2] (l/4, right), a[3] (l/4 + 8, right), two neighbours in each
//   B (16 × 8)   column l/4, rows 2(l%4), +1 in b[0] and the same + 8 in b[1]
//   C (16 × 8)   row l/4 in sums[0], sums[1] and row l/4 + 8 in sums[2], sums[3], columns 2(l%4), +1
#pragma once

#include <cstdint>

#include "cuda/device/shared_address.cuh"
#include "cuda/device/target.cuh"
#include "cuda/device/types.cuh"

#if HEED_EMULATED
#include "cuda/device/emulator.h"
#endif

namespace heed::cuda::warp {

// sums += A B: mma.sync.m16n8k16 with operands of type T, Float16 or BFloat16, and sums in float32.
template <class T>
__device__ __forceinline__ void multiply_accumulate(float (&sums)[4], const uint32_t (&a)[4],
                                                    const uint32_t (&b)[2]) {
  constexpr bool half = __is_same(T, Float16);
  static_assert(half || __is_same(T, BFloat16));
#if HEED_EMULATED
  float c[4] = {sums[0], sums[1], sums[2], sums[3]};
  const uint32_t left[4] = {a[0], a[1], a[2], a[3]}, right[2] = {b[0], b[1]};
  emulator::multiply_accumulate(half ? emulator::MatrixType::float16 : emulator::MatrixType::bfloat16, c,
                                left, right);
  for (int i = 0; i < 4; ++i) sums[i] = c[i];
#else
  if constexpr (half) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
#endif
}

// ldmatrix: loads four matrices of 8 × 8 elements of 16 bits. Lane 8m + r gives the address of row r of
// matrix m: 16 bytes of shared memory, aligned. Of matrix m, lane l receives columns 2(l%4), +1 of row l/4 in
// fragments[m]; transposed, rows 2(l%4), +1 of column l/4.
__device__ __forceinline__ void load_matrices(uint32_t (&fragments)[4], const void* row) {
#if HEED_EMULATED
  uint32_t loaded[4];
  emulator::load_matrices(loaded, row, false);
  for (int m = 0; m < 4; ++m) fragments[m] = loaded[m];
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]), "=r"(fragments[3])
               : "r"(cuda::detail::shared_address(row))
               : "memory");
#endif
}

__device__ __forceinline__ void load_matrices_transposed(uint32_t (&fragments)[4], const void* row) {
#if HEED_EMULATED
  uint32_t loaded[4];
  emulator::load_matrices(loaded, row, true);
  for (int m = 0; m < 4; ++m) fragments[m] = loaded[m];
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]), "=r"(fragments[3])
               : "r"(cuda::detail::shared_address(row))
               : "memory");
#endif
}

}  // namespace heed::cuda::warp
