// The structs that Python's ctypes fills in and reads, and what launchers take in place of the problems among
// them.
#pragma once

#include <cstdint>

#include "core/problem.h"

extern "C" {

// Types are numbers of DType: 0 float32, 1 float16, 2 bfloat16. Pointers are device memory.

// Queries are [batch, query_heads, query_steps, width]. Keys and values are [batch, key_heads, key_capacity,
// width], of which the first key_steps are attended. The last query is at the last key's position.
// With page_steps, key_capacity is a multiple of it, and keys and values are [batch · key_capacity /
// page_steps, key_heads, page_steps, width] instead: page i of entry b is number i · batch + b, so that
// consecutive pages of an entry are not neighbours in memory, as in a cache that serves many sequences.
struct HeedAttention {
  const void* query;
  const void* key;
  const void* value;
  void* output;  // like the queries, or [batch, query_steps, query_heads, width]
  int64_t batch, query_heads, key_heads, query_steps, key_steps, key_capacity, width;
  int64_t page_steps;  // 0: contiguous
  int32_t type;
  int32_t causal;
  int32_t steps_before_heads;  // for the output
};

// y = x Wᵀ + b. The columns are `parts` equal, consecutive outputs: each is [batch · steps, columns], or,
// with heads, [batch, heads, steps, width].
struct HeedProjection {
  const void* input;
  const void* weight;
  const float* bias;  // in host memory, one per column; or null
  void* output;
  int64_t batch, steps, inner, columns, parts;
  int64_t heads;  // per part; 0: rows are not divided into heads
  int32_t type;
};

// Appends one new step per batch entry, [batch, heads, 1, width], at `position` in [batch, heads, capacity,
// width].
struct HeedAppend {
  const void* key;
  const void* value;
  void* cached_key;
  void* cached_value;
  int64_t batch, heads, capacity, position, width;
  int32_t type;
};

// output = rounds · left rightᵀ, of each of 16 warps of a block: [64, 16] and [32, 16] give [blocks, 16, 64,
// 32].
struct HeedMatrixLoop {
  const void* left;
  const void* right;
  float* output;
  int64_t blocks, rounds;
  int32_t type;
};

// The GPU, in bytes where it is memory, and the versions of CUDA's run time and driver.
struct HeedDevice {
  char name[256];
  int64_t memory, l2_bytes, multiprocessors;
  int32_t major, minor, runtime, driver;
};
}

namespace heed::bench {

AttentionProblem problem_of(const HeedAttention& asked);
ProjectionProblem problem_of(const HeedProjection& asked);
AppendProblem problem_of(const HeedAppend& asked);

}  // namespace heed::bench
