// Functions of the emulator in test/emulator for the wrappers of this folder. Only the wrappers call them,
// and only in builds without a GPU: each function does, for the calling thread, what an instruction does.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/stream.h"

namespace heed::cuda::emulator {

struct Shape {
  uint32_t blocks, threads;
  size_t shared_bytes;
};

// Runs `enter(parameters)` once for each thread of each block: immediately, or in the order of a given
// stream, from a copy of the parameters. `kernel` is its address, which identifies it.
void launch(Stream stream, const void* kernel, const Shape& shape, const void* parameters,
            size_t parameter_bytes, void (*enter)(const void* parameters));

uint32_t thread_index();
uint32_t thread_count();
uint32_t block_index();
void* shared_memory();

void warp_sync(uint32_t mask);
uint32_t ballot(uint32_t mask, bool predicate);
// Each lane names the lane whose value it reads.
uint32_t shuffle(uint32_t mask, uint32_t value, uint32_t source);

enum class MatrixType : uint8_t { float16, bfloat16 };
void multiply_accumulate(MatrixType type, float (&sums)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
void load_matrices(uint32_t (&fragments)[4], const void* row, bool transposed);

void block_sync();

void copy_async(void* shared, const void* global, uint32_t bytes, uint32_t valid_bytes);
void commit_copies();
void wait_for_copies(uint32_t pending_groups);

// Accesses as wide as the hardware makes them. A kernel's plain loads and stores reach the emulator through
// the calls that the compiler inserts for ThreadSanitizer.
enum class Space : uint8_t { global, shared };
void load(Space space, void* value, const void* from, uint32_t bytes);
void store(Space space, void* to, const void* value, uint32_t bytes);
void atomic_exchange(void* at, void* before, const void* value, uint32_t bytes);
uint32_t atomic_add(uint32_t* at, uint32_t value);

void count_exponential();

}  // namespace heed::cuda::emulator
