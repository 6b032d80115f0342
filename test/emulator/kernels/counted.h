// Kernels whose requests to memory can be counted by hand.
#pragma once

#include <cstddef>
#include <cstdint>

namespace heed::emulator {

// Each of 32 lanes writes one word of shared memory, `stride` words after the lane before, and reads it
// again.
void strided(uint32_t stride, const float* in, float* out);
// Two warps copy 32 rows of 32 words into shared memory, 16 bytes at a time, and load them as matrices: rows
// follow each other, or their 16 bytes are exchanged so that those of 8 rows lie in different banks.
void matrix_rows(bool exchanged, const float* in, float* out);
// Lane l adds l + 1 numbers that lie next to each other.
void ragged(const float* in, float* out);
// Each lane of 2 warps takes 3 exponentials, and each warp 5 matrix instructions, 2 shuffles, 1 barrier.
void busy(const float* in, float* out);

}  // namespace heed::emulator
