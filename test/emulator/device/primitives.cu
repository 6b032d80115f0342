#include "device/primitives.h"

#include "cuda/device/async_copy.cuh"
#include "cuda/device/atomic.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/float8.cuh"
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

// in: 32 rows of 4 words
template <bool transposed>
__global__ void load(const uint32_t* in, uint32_t* out) {
  uint32_t* rows = block::shared_memory<uint32_t>();
  for (uint32_t i = thread::lane(); i < 128; i += 32) rows[i] = in[i];
  warp::sync();
  uint32_t fragments[4];
  const uint32_t* row = rows + thread::lane() * 4;
  if constexpr (transposed) {
    warp::load_matrices_transposed(fragments, row);
  } else {
    warp::load_matrices(fragments, row);
  }
  for (int m = 0; m < 4; ++m) out[thread::lane() * 4 + m] = fragments[m];
}

// in: for each lane a value and a lane
__global__ void shuffle(const uint32_t* in, uint32_t* out) {
  const uint32_t l = thread::lane();
  out[l] = warp::shuffle(in[2 * l], in[2 * l + 1] % 32);
}
template <uint32_t bits>
__global__ void shuffle_xor(const uint32_t* in, uint32_t* out) {
  const uint32_t l = thread::lane();
  out[l] = as_word(warp::shuffle_xor(as_float(in[l]), bits));
}

// in: for each lane a word, whose lowest bits are predicates
__global__ void votes(const uint32_t* in, uint32_t* out) {
  const uint32_t l = thread::lane(), word = in[l];
  out[2 * l] = warp::ballot((word & 1) != 0);
  out[2 * l + 1] = warp::any((word & 31) == 31) ? 1 : 0;
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

// in: four numbers of int8 for each lane
__global__ void widen_int8(const uint32_t* in, uint32_t* out) {
  const uint32_t l = thread::lane();
  float four[4];
  thread::to_floats(in[l], four);
  for (uint32_t i = 0; i < 4; ++i) out[4 * l + i] = as_word(four[i]);
}

// in: four numbers of float8 for each lane
__global__ void widen_float8(const uint32_t* in, uint32_t* out) {
  const uint32_t l = thread::lane();
  float four[4];
  thread::float8_times(in[l], 0.75f, four);
  for (uint32_t i = 0; i < 4; ++i) out[4 * l + i] = as_word(four[i]);
}

// The same as two pairs.
template <class T>
__global__ void widen_float8_to_pairs(const uint32_t* in, uint32_t* out) {
  const uint32_t l = thread::lane(), four = in[l];
  constexpr float unit = thread::Float8Unit<T>::value;
  const uint32_t units = thread::pack<T>(unit, unit);
  const uint32_t first = thread::multiply_pairs<T>(thread::float8_pair<T, 0>(four), units),
                 second = thread::multiply_pairs<T>(thread::float8_pair<T, 2>(four), units);
  out[2 * l] = first | thread::float8_nan_pair<0>(four);
  out[2 * l + 1] = second | thread::float8_nan_pair<2>(four);
}

__global__ void narrow_to_float8(const uint32_t* in, uint32_t* out) {
  out[thread::lane()] = static_cast<uint32_t>(thread::from_float<Float8>(as_float(in[thread::lane()])));
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

// in: 16 bytes for each lane, of which two of three lanes copy theirs; the others keep their number
__global__ void copy_if(const uint32_t* in, uint32_t* out) {
  uint32_t* tile = block::shared_memory<uint32_t>();
  const uint32_t l = thread::lane();
  thread::store_shared(tile + l * 4, Vector<uint32_t, 4>{l, l, l, l});
  thread::copy_async_if(l % 3 != 0, tile + l * 4, in + l * 4);
  thread::commit_copies();
  thread::wait_for_copies<0>();
  warp::sync();
  for (uint32_t i = l; i < 32 * 4; i += 32) out[i] = tile[i];
}

// in: a small number for each thread. One of them finds 7, and each leaves what another finds: nothing is
// lost, in shared memory as in global.
__global__ void exchanges(const uint32_t* in, uint32_t* out) {
  uint32_t* tile = block::shared_memory<uint32_t>();
  const uint32_t t = thread::index(), threads = block::threads();
  if (t == 0) tile[0] = out[2 * threads] = 7;
  block::sync();
  out[t] = thread::atomic_exchange(tile, in[t]);
  out[threads + t] = thread::atomic_exchange(out + 2 * threads, in[t]);
  block::sync();
  if (t == 0) out[2 * threads + 1] = tile[0];
}

// in: a number for each thread, which all of them add, in shared memory and in global. What each found, in
// whatever order, is the sum of some of the others: the test looks at the totals.
__global__ void additions(const uint32_t* in, uint32_t* out) {
  uint32_t* tile = block::shared_memory<uint32_t>();
  const uint32_t t = thread::index();
  if (t == 0) tile[0] = tile[1] = out[0] = 7;
  block::sync();
  thread::atomic_add(tile, in[t]);
  // The thread that wraps around finds it out by what was there before.
  const uint32_t before = thread::atomic_add(out, in[t]);
  if (before + in[t] < before) thread::atomic_add(tile + 1, 1);
  block::sync();
  if (t == 0) {
    out[1] = tile[0];
    out[2] = tile[1];
  }
}

// in: two words for each lane
template <uint32_t bits>
__global__ void shuffle_pairs(const uint32_t* in, uint32_t* out) {
  const uint32_t l = thread::lane();
  const uint64_t pair = in[2 * l] | uint64_t{in[2 * l + 1]} << 32;
  const uint64_t sum = warp::shuffle_xor(pair, bits) + warp::shuffle(pair, (l + bits) % 32);
  out[2 * l] = static_cast<uint32_t>(sum);
  out[2 * l + 1] = static_cast<uint32_t>(sum >> 32);
}

// in: 1 word; out: block, threads and thread, for each of 2 · 64
__global__ void places(const uint32_t* in, uint32_t* out) {
  const uint32_t at = block::index() * block::threads() + thread::index();
  out[3 * at] = block::index() + in[0];
  out[3 * at + 1] = block::threads() + warp::index();
  out[3 * at + 2] = thread::index() + thread::lane();
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
      {"load", 128, 128, &start<&load<false>>},
      {"load transposed", 128, 128, &start<&load<true>>},
      {"shuffle", 64, 32, &start<&shuffle>},
      {"shuffle xor 5", 32, 32, &start<&shuffle_xor<5>>},
      {"shuffle xor 16", 32, 32, &start<&shuffle_xor<16>>},
      {"votes", 32, 64, &start<&votes>},
      {"pack float16", 64, 64, &start<&pack<Float16>>},
      {"pack bfloat16", 64, 64, &start<&pack<BFloat16>>},
      {"widen int8", 32, 128, &start<&widen_int8>},
      {"widen float8", 32, 128, &start<&widen_float8>},
      {"widen float8 to float16", 32, 64, &start<&widen_float8_to_pairs<Float16>>},
      {"widen float8 to bfloat16", 32, 64, &start<&widen_float8_to_pairs<BFloat16>>},
      {"narrow to float8", 32, 32, &start<&narrow_to_float8>},
      {"exp2", 32, 32, &start<&exp2>},
      {"log2", 32, 32, &start<&log2>},
      {"reciprocal", 32, 32, &start<&reciprocal>},
      {"vectors of 1", 32, 32, &start<&vectors<1>>},
      {"vectors of 2", 64, 64, &start<&vectors<2>>},
      {"vectors of 4", 128, 128, &start<&vectors<4>>},
      {"copy 4", 32, 64, &start<&copy<4>>},
      {"copy 8", 64, 128, &start<&copy<8>>},
      {"copy 16", 128, 256, &start<&copy<16>>},
      {"copy if", 128, 128, &start<&copy_if>},
      {"exchanges", 128, 258, &start<&exchanges, 1, 128>},
      {"additions", 128, 3, &start<&additions, 1, 128>},
      {"shuffle pairs", 64, 64, &start<&shuffle_pairs<5>>},
      {"places", 1, 384, &start<&places, 2, 64>},
  };
  return all;
}

}  // namespace heed::cuda
