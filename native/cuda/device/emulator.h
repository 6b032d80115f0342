// What the emulator of test/emulator gives to the wrappers of this folder. Only they call it, and only where
// there is no GPU to do the work: each function does, for the calling thread, what an instruction does.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/stream.h"

namespace heed::cuda::emulator {

struct Shape {
  uint32_t blocks, threads;
  size_t shared_bytes;
};

// Runs `enter(parameters)` once for each thread of each block: now, or where a stream is given in its order,
// from a copy of the parameters. `kernel` is its address, to name it by.
void launch(Stream stream, const void* kernel, const Shape& shape, const void* parameters,
            size_t parameter_bytes, void (*enter)(const void* parameters));

uint32_t thread_index();
uint32_t thread_count();
uint32_t block_index();
uint32_t block_count();
void* shared_memory();

void warp_sync(uint32_t mask);
uint32_t ballot(uint32_t mask, bool predicate);
// Each lane names the lane that it wants the value of; outside its segment it gets its own.
enum class Shuffle : uint8_t { index, up, down, exclusive_or };
uint32_t shuffle(Shuffle kind, uint32_t mask, uint32_t value, uint32_t operand, uint32_t width);

enum class MatrixType : uint8_t { float16, bfloat16 };
void multiply_accumulate(MatrixType type, float (&sums)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
void load_matrices(uint32_t* fragments, const void* row, uint32_t count, bool transposed);
void store_matrices(void* row, const uint32_t* fragments, uint32_t count, bool transposed);

void block_sync();
void barrier_sync(uint32_t barrier, uint32_t threads);
void barrier_arrive(uint32_t barrier, uint32_t threads);

void copy_async(void* shared, const void* global, uint32_t bytes, uint32_t valid_bytes);
void commit_copies();
void wait_for_copies(uint32_t pending_groups);

// Accesses as wide as the hardware makes them. What is not named here, a kernel's plain loads and stores,
// reaches the emulator by the calls that the compiler adds for ThreadSanitizer.
enum class Space : uint8_t { global, shared };
void load(Space space, void* value, const void* from, uint32_t bytes);
void store(Space space, void* to, const void* value, uint32_t bytes);
void atomic_load(void* value, const void* from, uint32_t bytes);
void atomic_store(void* to, const void* value, uint32_t bytes);
void fence(bool whole_device);

void count_exponential();

}  // namespace heed::cuda::emulator
