#include "device/primitives.h"

#include "cuda/device/async_copy.cuh"
#include "cuda/device/atomic.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/device/matrix.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/device/warp.cuh"

namespace heed::cuda {

namespace {

__device__ __forceinline__ float as_float(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}
__device__ __forceinline__ uint32_t as_word(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

// in: for each lane a0 a1 a2 a3 b0 b1 c0 c1 c2 c3
template <class T>
__global__ void multiply(const uint32_t* in, uint32_t* out) {
  const uint32_t* mine = in + thread::lane() * 10;
  float sums[4];
  uint32_t a[4], b[2];
  for (int i = 0; i < 4; ++i) a[i] = mine[i];
  for (int i = 0; i < 2; ++i) b[i] = mine[4 + i];
  for (int i = 0; i < 4; ++i) sums[i] = as_float(mine[6 + i]);
  warp::multiply_accumulate<T>(sums, a, b);
  for (int i = 0; i < 4; ++i) out[thread::lane() * 4 + i] = as_word(sums[i]);
}

// in: 8 · count rows of 4 words
template <int count, bool transposed>
__global__ void load(const uint32_t* in, uint32_t* out) {
  uint32_t* rows = block::shared_memory<uint32_t>();
  for (uint32_t i = thread::lane(); i < count * 32; i += 32) rows[i] = in[i];
  warp::sync();
  uint32_t fragments[count];
  const uint32_t* row = rows + thread::lane() % (8 * count) * 4;
  if constexpr (transposed) {
    warp::load_matrices_transposed<count>(fragments, row);
  } else {
    warp::load_matrices<count>(fragments, row);
  }
  for (int m = 0; m < count; ++m) out[thread::lane() * count + m] = fragments[m];
}

template <int count, bool transposed>
__global__ void store(const uint32_t* in, uint32_t* out) {
  uint32_t* rows = block::shared_memory<uint32_t>();
  uint32_t fragments[count];
  for (int m = 0; m < count; ++m) fragments[m] = in[thread::lane() * count + m];
  uint32_t* row = rows + thread::lane() % (8 * count) * 4;
  if constexpr (transposed) {
    warp::store_matrices_transposed<count>(row, fragments);
  } else {
    warp::store_matrices<count>(row, fragments);
  }
  warp::sync();
  for (uint32_t i = thread::lane(); i < count * 32; i += 32) out[i] = rows[i];
}

// in: for each lane a value and a lane, or a distance
template <uint32_t width>
__global__ void shuffle(const uint32_t* in, uint32_t* out) {
  const uint32_t l = thread::lane();
  out[l] = warp::shuffle(in[2 * l], in[2 * l + 1] % 32, width);
}
template <uint32_t width, uint32_t bits>
__global__ void shuffle_xor(const uint32_t* in, uint32_t* out) {
  const uint32_t l = thread::lane();
  out[l] = as_word(warp::shuffle_xor(as_float(in[l]), bits, width));
}
template <uint32_t width, uint32_t delta>
__global__ void shuffle_up(const uint32_t* in, uint32_t* out) {
  out[thread::lane()] = warp::shuffle_up(in[thread::lane()], delta, width);
}
template <uint32_t width, uint32_t delta>
__global__ void shuffle_down(const uint32_t* in, uint32_t* out) {
  out[thread::lane()] = warp::shuffle_down(in[thread::lane()], delta, width);
}

// in: for each lane a word, whose lowest bits are predicates
__global__ void votes(const uint32_t* in, uint32_t* out) {
  const uint32_t l = thread::lane(), word = in[l];
  out[3 * l] = warp::ballot((word & 1) != 0);
  out[3 * l + 1] = warp::any((word & 31) == 31) ? 1 : 0;
  out[3 * l + 2] = warp::all((word & 31) != 30) ? 1 : 0;
}

// in: two floats for each lane
template <class T>
__global__ void pack(const uint32_t* in, uint32_t* out) {
  const uint32_t l = thread::lane();
  const float low = as_float(in[2 * l]), high = as_float(in[2 * l + 1]);
  out[2 * l] = thread::pack<T>(low, high);
  out[2 * l + 1] = thread::from_float<T>(low).bits | static_cast<uint32_t>(thread::from_float<T>(high).bits)
                                                         << 16;
}
template <class T>
__global__ void unpack(const uint32_t* in, uint32_t* out) {
  const uint32_t l = thread::lane();
  out[2 * l] = as_word(thread::low_of<T>(in[l]));
  out[2 * l + 1] = as_word(thread::high_of<T>(in[l]));
}

__global__ void exp2(const uint32_t* in, uint32_t* out) {
  out[thread::lane()] = as_word(thread::exp2(as_float(in[thread::lane()])));
}
__global__ void log2(const uint32_t* in, uint32_t* out) {
  out[thread::lane()] = as_word(thread::log2(as_float(in[thread::lane()])));
}
__global__ void reciprocal(const uint32_t* in, uint32_t* out) {
  out[thread::lane()] = as_word(thread::reciprocal(as_float(in[thread::lane()])));
}

// Through shared memory, mirrored; vectors of `count` words
template <int count>
__global__ void vectors(const uint32_t* in, uint32_t* out) {
  uint32_t* tile = block::shared_memory<uint32_t>();
  const uint32_t l = thread::lane();
  thread::store_shared(tile + l * count, thread::load_global<count>(in + l * count));
  warp::sync();
  thread::store_global(out + l * count, thread::load_shared<count>(tile + (31 - l) * count));
}

// in: for each lane `bytes`, of which only some are copied, different for each lane
template <int bytes>
__global__ void copy(const uint32_t* in, uint32_t* out) {
  constexpr uint32_t words = bytes / 4;
  uint32_t* tile = block::shared_memory<uint32_t>();
  const uint32_t l = thread::lane();
  thread::copy_async<bytes>(tile + l * words, in + l * words, l % (bytes + 1));
  thread::commit_copies();
  thread::copy_async<bytes>(tile + (32 + l) * words, in + l * words);
  thread::commit_copies();
  thread::wait_for_copies<1>();
  warp::sync();
  for (uint32_t i = l; i < 32 * words; i += 32) out[i] = tile[i];
  thread::wait_for_copies<0>();
  warp::sync();
  for (uint32_t i = l; i < 32 * words; i += 32) out[32 * words + i] = tile[32 * words + i];
}

// in: a small number for each thread
__global__ void atomics(const uint32_t* in, uint32_t* out) {
  uint32_t* tile = block::shared_memory<uint32_t>();
  const uint32_t t = thread::index();
  if (t == 0) {
    for (int i = 0; i < 8; ++i) out[i] = tile[i] = 0;
    tile[4] = 7;
  }
  block::sync();
  thread::atomic_add(out + 0, in[t]);
  thread::atomic_add(reinterpret_cast<float*>(out) + 1, static_cast<float>(in[t]));
  thread::atomic_max(out + 2, in[t]);
  thread::atomic_add(tile + 3, in[t]);
  // One of them finds 7, and each leaves what another finds: nothing is lost.
  const uint32_t found = thread::atomic_exchange(tile + 4, in[t]);
  thread::atomic_add(out + 4, found);
  if (thread::atomic_compare_exchange(tile + 5, 0u, t + 1) == 0) thread::atomic_add(out + 5, 1u);
  block::sync();
  if (t == 0) {
    out[3] = tile[3];
    thread::atomic_add(out + 4, tile[4]);
  }
}

// Warp 0 gives to warp 1, which gives it to warp 2, by barriers of their own; in: 32 words
__global__ void relay(const uint32_t* in, uint32_t* out) {
  uint32_t* tile = block::shared_memory<uint32_t>();
  const uint32_t l = thread::lane();
  if (warp::index() == 0) {
    tile[l] = in[l];
    block::arrive(1, 64);
  } else if (warp::index() == 1) {
    block::sync(1, 64);
    tile[32 + l] = tile[31 - l] + 1;
    block::sync(2, 64);
  } else {
    block::sync(2, 64);
    out[l] = tile[32 + (l ^ 3)] * 2;
  }
}

// in: 1 word; out: block, blocks, threads and thread, for each of 2 · 64
__global__ void places(const uint32_t* in, uint32_t* out) {
  const uint32_t at = block::index() * block::threads() + thread::index();
  out[4 * at] = block::index() + in[0];
  out[4 * at + 1] = grid::blocks();
  out[4 * at + 2] = block::threads() + warp::index();
  out[4 * at + 3] = thread::index() + thread::lane();
}

template <auto kernel, uint32_t blocks = 1, uint32_t threads = 32>
void start(const uint32_t* in, uint32_t* out) {
  launch(kernel, {blocks, threads, 2048}, nullptr, in, out);
}

}  // namespace

const std::vector<Primitive>& primitives() {
  static const std::vector<Primitive> all = {
      {"multiply float16", 320, 128, &start<&multiply<Float16>>},
      {"multiply bfloat16", 320, 128, &start<&multiply<BFloat16>>},
      {"load 1", 32, 32, &start<&load<1, false>>},
      {"load 2", 64, 64, &start<&load<2, false>>},
      {"load 4", 128, 128, &start<&load<4, false>>},
      {"load transposed 1", 32, 32, &start<&load<1, true>>},
      {"load transposed 2", 64, 64, &start<&load<2, true>>},
      {"load transposed 4", 128, 128, &start<&load<4, true>>},
      {"store 1", 32, 32, &start<&store<1, false>>},
      {"store 2", 64, 64, &start<&store<2, false>>},
      {"store 4", 128, 128, &start<&store<4, false>>},
      {"store transposed 1", 32, 32, &start<&store<1, true>>},
      {"store transposed 2", 64, 64, &start<&store<2, true>>},
      {"store transposed 4", 128, 128, &start<&store<4, true>>},
      {"shuffle", 64, 32, &start<&shuffle<32>>},
      {"shuffle in eights", 64, 32, &start<&shuffle<8>>},
      {"shuffle xor 5", 32, 32, &start<&shuffle_xor<32, 5>>},
      {"shuffle xor 3 in fours", 32, 32, &start<&shuffle_xor<4, 3>>},
      {"shuffle up 3", 32, 32, &start<&shuffle_up<32, 3>>},
      {"shuffle up 3 in eights", 32, 32, &start<&shuffle_up<8, 3>>},
      {"shuffle down 5", 32, 32, &start<&shuffle_down<32, 5>>},
      {"shuffle down 5 in sixteens", 32, 32, &start<&shuffle_down<16, 5>>},
      {"votes", 32, 96, &start<&votes>},
      {"pack float16", 64, 64, &start<&pack<Float16>>},
      {"pack bfloat16", 64, 64, &start<&pack<BFloat16>>},
      {"unpack float16", 32, 64, &start<&unpack<Float16>>},
      {"unpack bfloat16", 32, 64, &start<&unpack<BFloat16>>},
      {"exp2", 32, 32, &start<&exp2>},
      {"log2", 32, 32, &start<&log2>},
      {"reciprocal", 32, 32, &start<&reciprocal>},
      {"vectors of 1", 32, 32, &start<&vectors<1>>},
      {"vectors of 2", 64, 64, &start<&vectors<2>>},
      {"vectors of 4", 128, 128, &start<&vectors<4>>},
      {"copy 4", 32, 64, &start<&copy<4>>},
      {"copy 8", 64, 128, &start<&copy<8>>},
      {"copy 16", 128, 256, &start<&copy<16>>},
      {"atomics", 128, 8, &start<&atomics, 1, 128>},
      {"relay", 32, 32, &start<&relay, 1, 96>},
      {"places", 1, 512, &start<&places, 2, 64>},
  };
  return all;
}

}  // namespace heed::cuda
