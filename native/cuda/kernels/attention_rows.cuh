// Scores and weights of chosen rows, recomputed from their log-sum-exps: what a fused kernel never keeps.
#pragma once

#include <cstdint>

#include "cuda/device/block.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/device/warp.cuh"
#include "cuda/kernels/operand_tile.cuh"
#include "cuda/kernels/score_row.cuh"
#include "cuda/kernels/stored_rows.cuh"

namespace heed::cuda {

struct RowsParameters {
  DeviceAttention attention;
  const int32_t *heads, *queries;  // on the device
  int32_t head_count, query_count;
  int64_t keys, key_blocks;
  bool aligned;  // rows of keys begin at multiples of 16 bytes
  float *scores, *capped_scores, *biased_scores, *weights;
};

constexpr uint32_t rows_threads = 128;
constexpr int32_t rows_keys_per_block = 512;

namespace detail {

// What is asked of a row: one (batch entry, head, query).
struct AskedRow {
  Sequence sequence;
  int64_t batch, step, first_output;
  int32_t head;
  __device__ __forceinline__ AskedRow(const RowsParameters& p, int64_t index) {
    batch = index / p.query_count / p.head_count;
    head = p.heads[index / p.query_count % p.head_count];
    step = p.queries[index % p.query_count];
    sequence = p.attention.sequences[batch];
    first_output = index * p.keys;
  }
};

// The query as float32, for everyone.
template <class T>
__device__ __forceinline__ void copy_query(float* to, const DeviceAttention& p, const AskedRow& row) {
  const T* from = static_cast<const T*>(p.query.data) + row.batch * p.query.batch_stride +
                  row.head * p.query.head_stride +
                  (row.sequence.query_start + row.step) * p.query.step_stride;
  for (auto d = static_cast<int32_t>(thread::index()); d < p.width; d += rows_threads)
    to[d] = thread::to_float(from[d]);
}

// A lane's share of q·k: every eighth chunk of 16 bytes.
template <class T>
__device__ __forceinline__ float dot_share(const float* query, const T* key, int32_t width, bool aligned) {
  constexpr int32_t per_chunk = 16 / sizeof(T);
  float sum = 0;
  for (int32_t d = static_cast<int32_t>(thread::lane() % 8) * per_chunk; d < width; d += 8 * per_chunk) {
    const int32_t left = width - d;
    Vector<T, per_chunk> chunk;
    if (aligned && left >= per_chunk) {
      chunk = thread::load_global<per_chunk>(key + d);
    } else {
      chunk = thread::load_some<per_chunk>(key + d, left < per_chunk ? left : per_chunk);
    }
#pragma unroll
    for (int32_t e = 0; e < per_chunk; ++e) {
      if (e < left) sum += query[d + e] * thread::to_float(chunk[e]);
    }
  }
  return sum;
}

__device__ __forceinline__ void store_score(float* to, int64_t at, float value) {
  if (to != nullptr) to[at] = value;
}

// Everything that is asked of one score.
__device__ __forceinline__ void write_score(const RowsParameters& p, const AskedRow& asked,
                                            const ScoreRow& row, float log_sum_exp, int64_t key,
                                            float product) {
  const DeviceAttention& a = p.attention;
  const int64_t at = asked.first_output + key;
  const bool exists = key < asked.sequence.key_steps;
  const float capped = exists ? ScoreRow::capped(a, product) : negative_infinity;
  const float biased = exists ? row.biased(a, capped, static_cast<int32_t>(key)) : negative_infinity;
  store_score(p.scores, at, exists ? product * a.scoring.scale : negative_infinity);
  store_score(p.capped_scores, at, capped);
  store_score(p.biased_scores, at, biased);
  // A key that is not attended has no weight even where the others make NaN, or where there are none.
  const bool attended = biased != negative_infinity;
  store_score(p.weights, at, attended ? thread::exp2((biased - log_sum_exp) * log2_e) : 0);
}

}  // namespace detail

// Eight lanes share a key, so a warp has 32 keys after eight rounds; lane l keeps the product of round l % 8.
template <class T>
__global__ void __launch_bounds__(rows_threads)
    attention_rows_kernel(const __grid_constant__ RowsParameters p) {
  const DeviceAttention& a = p.attention;
  const detail::AskedRow asked(p, block::index() / p.key_blocks);
  auto* query = block::shared_memory<float>();
  detail::copy_query<T>(query, a, asked);
  block::sync();

  const ScoreRow row(a, asked.sequence, asked.batch, asked.head, asked.step,
                     static_cast<int32_t>(asked.sequence.key_steps));
  float log_sum_exp = 0;
  if (p.weights != nullptr) {
    const MutableView& sums = a.log_sum_exp;
    log_sum_exp =
        static_cast<const float*>(sums.data)[asked.batch * sums.batch_stride + asked.head * sums.head_stride +
                                             (asked.sequence.query_start + asked.step) * sums.step_stride];
  }
  const int32_t key_head = asked.head / (a.query_heads / a.key_heads);
  const StoredRows keys(a.key, a.pages.key, asked.batch, key_head, asked.sequence.key_start);
  const int64_t first = block::index() % p.key_blocks * rows_keys_per_block;
  const auto lane = static_cast<int32_t>(thread::lane());
  for (int64_t base = first + warp::index() * 32; base < first + rows_keys_per_block && base < p.keys;
       base += rows_threads) {
    float product = 0;
#pragma unroll 1
    for (int32_t round = 0; round < 8; ++round) {
      const int64_t key = base + round * 4 + lane / 8;
      float sum = 0;
      if (key < asked.sequence.key_steps) {
        sum = detail::dot_share(query, keys.row<T>(static_cast<int32_t>(key)), a.width, p.aligned);
      }
#pragma unroll
      for (uint32_t bits = 4; bits > 0; bits /= 2) sum += warp::shuffle_xor(sum, bits);
      if (lane % 8 == round) product = sum;
    }
    const int64_t key = base + lane % 8 * 4 + lane / 8;
    if (key < p.keys) detail::write_score(p, asked, row, log_sum_exp, key, product);
  }
}

}  // namespace heed::cuda
