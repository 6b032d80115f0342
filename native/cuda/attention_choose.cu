// Attention of hard selections: the value of the best key of each row, or of a drawn one. The first of
// several best keys is chosen, and NaN counts as best, so that it does not go unnoticed.
//
// attention_choose_kernel finds the best key of each row in each chunk of the keys, by the split of
// attention_decode, and write_choices_kernel the best of all chunks. Whatever the split, the same key is the
// best. Neither reads a value that is not chosen.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "cuda/attention_decode/parameters.cuh"
#include "cuda/attention_decode/result.cuh"
#include "cuda/common/aligned_rows.h"
#include "cuda/common/draws.cuh"
#include "cuda/common/element_type.h"
#include "cuda/common/head_rows.cuh"
#include "cuda/common/row_share.cuh"
#include "cuda/common/score.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/device/warp.cuh"
#include "cuda/launchers.h"
#include "cuda/tile_sizes.h"
#include "cuda/unsupported.h"

namespace heed::cuda {

// What is known of a row after some of its keys: the best key, −1 for none, its score with the noise of a
// drawn key, and the state of the softmax, in log2 units.
struct alignas(16) Candidate {
  float score;
  int32_t key;
  float maximum, sum;
};

struct ChooseParameters {
  DecodeParameters decode;
  Candidate* candidates;  // [blocks, decode_rows]
};

namespace {

constexpr Candidate no_candidate{-INFINITY, -1, -INFINITY, 0};

// Whether a key is better than the best so far, which has a smaller number.
__device__ __forceinline__ bool is_better(float score, float best) {
  return !(score <= best) && best == best;
}

// The same in any order, and the sum of the weights of both.
__device__ __forceinline__ Candidate merged(const Candidate& a, const Candidate& b) {
  const bool b_better =
      a.key < b.key ? a.key < 0 || is_better(b.score, a.score) : b.key >= 0 && !is_better(a.score, b.score);
  Candidate best{b_better ? b.score : a.score, b_better ? b.key : a.key, Larger{}(a.maximum, b.maximum), 0};
  // A row without keys subtracts 0, which avoids −∞ − −∞.
  const float reference = best.maximum == negative_infinity ? 0 : best.maximum;
  best.sum = a.sum * thread::exp2(a.maximum - reference) + b.sum * thread::exp2(b.maximum - reference);
  return best;
}

__device__ __forceinline__ Candidate from_lane(const Candidate& own, uint32_t bits) {
  return {warp::shuffle_xor(own.score, bits), warp::shuffle_xor(own.key, bits),
          warp::shuffle_xor(own.maximum, bits), warp::shuffle_xor(own.sum, bits)};
}

// The queries of a block in shared memory, as float32. The eight lanes that share a key read neighbouring
// vectors of a row.
template <class T>
struct ChooseQueries {
  static constexpr int32_t per_chunk = 16 / sizeof(T);
  static constexpr int32_t vectors = per_chunk / 4;  // of a chunk
  float* data;
  int32_t chunks;  // of a row

  __device__ __forceinline__ float* at(int32_t row, int32_t chunk, int32_t vector) const {
    return data + ((row * vectors + vector) * chunks + chunk) * 4;
  }
};

template <class T>
__device__ __forceinline__ void copy_queries(const ChooseQueries<T>& queries, const DecodeParameters& p,
                                             const DecodeBlock& block, int32_t rows) {
  const DeviceAttention& a = p.attention;
  const int32_t width = queries.chunks * queries.per_chunk;
  for (auto i = static_cast<int32_t>(thread::index()); i < rows * width; i += choose_threads) {
    const int32_t row = i / width, d = i % width, within = d % queries.per_chunk;
    const DecodeQuery query(p, block, row);
    float element = 0;
    if (d < a.key_width) {
      element = thread::to_float(
          static_cast<const T*>(a.query.data)[row_offset(a.query, block.entry, query.head, query.step) + d]);
    }
    queries.at(row, d / queries.per_chunk, within / 4)[within % 4] = element;
  }
}

// Products of `rows` queries with a key: the lane's share of them.
template <class T>
__device__ __forceinline__ void add_products(float (&sums)[decode_rows], const ChooseQueries<T>& queries,
                                             int32_t rows, const T* key, int32_t width, bool aligned) {
  each_chunk_of_share(key, width, aligned, [&](int32_t d, const auto& chunk) {
#pragma unroll
    for (int32_t r = 0; r < decode_rows; ++r) {
#pragma unroll
      for (int32_t v = 0; v < queries.vectors; ++v) {
        if (r >= rows) continue;
        const auto query = thread::load_shared<4>(queries.at(r, d / queries.per_chunk, v));
#pragma unroll
        for (int32_t e = 0; e < 4; ++e) sums[r] += query[e] * thread::to_float(chunk[4 * v + e]);
      }
    }
  });
}

// Adds up the shares of the eight lanes of a key, for all rows, so that each lane gets the sums of the two
// rows from first_row_of_lane() on. Every sum adds the same lanes in the same order.
template <int32_t half = decode_rows / 2>
__device__ __forceinline__ void scatter_sums(float (&sums)[decode_rows]) {
  const bool upper = (thread::lane() & half / 2) != 0;
#pragma unroll
  for (int32_t r = 0; r < half; ++r) {
    const float given = upper ? sums[r] : sums[r + half], kept = upper ? sums[r + half] : sums[r];
    sums[r] = kept + warp::shuffle_xor(given, half / 2);
  }
  if constexpr (half > 2) scatter_sums<half / 2>(sums);
}
__device__ __forceinline__ int32_t first_row_of_lane() {
  return static_cast<int32_t>(thread::lane()) % lanes_of_row * 2;
}

}  // namespace

// Eight lanes share a key, so a warp has four keys at once.
template <class T>
__global__ void __launch_bounds__(choose_threads)
    attention_choose_kernel(const __grid_constant__ ChooseParameters p) {
  constexpr int32_t warp_keys = 32 / lanes_of_row, warps = choose_threads / 32;
  const DeviceAttention& a = p.decode.attention;
  const DecodeBlock block(p.decode);
  const Sequence& sequence = block.entry.sequence;
  const int64_t group_rows = sequence.query_steps * (a.query_heads / a.key_heads) - block.first_row;
  const int32_t rows = group_rows < decode_rows ? static_cast<int32_t>(group_rows) : decode_rows;

  auto* shared = block::shared_memory<Candidate>();  // [warps, decode_rows], then the queries
  constexpr int32_t per_chunk = ChooseQueries<T>::per_chunk;
  const ChooseQueries<T> queries{reinterpret_cast<float*>(shared + warps * decode_rows),
                                 (a.key_width + per_chunk - 1) / per_chunk};
  copy_queries(queries, p.decode, block, rows);
  block::sync();

  const auto lane = static_cast<int32_t>(thread::lane()), warp_index = static_cast<int32_t>(warp::index());
  const HeadRows keys(a.key, a.pages.key, block.entry.batch, block.key_head, sequence.key_start);
  const KeyFactors factors(a, sequence, block.entry.batch, block.key_head);
  const bool drawn = a.scoring.selection.kind == SelectionKind::drawn;
  ScoreRow score_rows[2];
  Draws draws[2];
  Candidate best[2] = {no_candidate, no_candidate};
#pragma unroll
  for (int32_t i = 0; i < 2; ++i) {
    const DecodeQuery query(p.decode, block, first_row_of_lane() + i);
    if (!query.exists) continue;
    score_rows[i] = ScoreRow(a, sequence, block.entry.batch, query.head, query.step, block.last_key);
    draws[i] =
        Draws(a.scoring.selection.seed, block.entry.batch, query.head, sequence.query_offset + query.step);
  }
#pragma unroll 1
  for (int32_t first = block.first_key + warp_index * warp_keys; first < block.last_key;
       first += warps * warp_keys) {
    const int32_t key = first + lane / lanes_of_row;
    float sums[decode_rows] = {};
    if (key < block.last_key)
      add_products(sums, queries, rows, keys.row<T>(key), a.key_width, p.decode.aligned);
    scatter_sums(sums);
#pragma unroll
    for (int32_t i = 0; i < 2; ++i) {
      float product = sums[i];
      if (factors.exist()) product *= score_rows[i].factor() * factors.of(key);
      const float score = score_rows[i].biased(a, capped_score(a, product), key);
      if (score == negative_infinity) continue;
      const float sum = drawn ? score + draws[i].noise(static_cast<uint32_t>(key)) : score;
      best[i] = merged(best[i], {sum, key, score * log2_e, 1});
    }
  }

#pragma unroll
  for (int32_t i = 0; i < 2; ++i) {
#pragma unroll
    for (uint32_t bits = lanes_of_row; bits < 32; bits *= 2)
      best[i] = merged(best[i], from_lane(best[i], bits));
    if (lane < lanes_of_row) shared[warp_index * decode_rows + first_row_of_lane() + i] = best[i];
  }
  block::sync();
  const auto row = static_cast<int32_t>(thread::index());
  if (row >= decode_rows) return;
  Candidate of_block = shared[row];
#pragma unroll
  for (int32_t w = 1; w < warps; ++w) of_block = merged(of_block, shared[w * decode_rows + row]);
  p.candidates[int64_t{block::index()} * decode_rows + row] = of_block;
}

namespace {

// −1 if a sink beats the best key; a tie goes to the key.
__device__ __forceinline__ int32_t chosen_key(const DeviceAttention& a, const DecodeBlock& block,
                                              const DecodeQuery& query, const Candidate& best) {
  if (best.key < 0 || a.scoring.sinks == nullptr) return best.key;
  float sink = sink_of(a, query.head);
  if (a.scoring.selection.kind == SelectionKind::drawn) {
    sink += Draws(a.scoring.selection.seed, block.entry.batch, query.head,
                  block.entry.sequence.query_offset + query.step)
                .noise(Draws::sink_key);
  }
  return sink > best.score ? -1 : best.key;
}

}  // namespace

// The first block of each tile of rows finds the best of all of their chunks; a warp has a row at once.
template <class T>
__global__ void __launch_bounds__(choose_threads)
    write_choices_kernel(const __grid_constant__ ChooseParameters p) {
  const DeviceAttention& a = p.decode.attention;
  const DecodeBlock block(p.decode);
  if (block.chunk != 0) return;
  const DecodeEntry& entry = block.entry;
  const auto lane = static_cast<int32_t>(thread::lane());
  for (auto row = static_cast<int32_t>(warp::index()); row < decode_rows;
       row += int32_t{choose_threads} / 32) {
    const DecodeQuery query(p.decode, block, row);
    if (!query.exists) continue;
    Candidate best = no_candidate;
    for (int32_t chunk = lane; chunk < entry.chunks; chunk += 32) {
      const int64_t other = int64_t{block::index()} + int64_t{chunk} * entry.row_tiles;
      best = merged(best, p.candidates[other * decode_rows + row]);
    }
#pragma unroll
    for (uint32_t bits = 1; bits < 32; bits *= 2) best = merged(best, from_lane(best, bits));

    const int32_t key = chosen_key(a, block, query, best);
    if (lane == 0) {
      const SoftmaxResult result = result_of(best.maximum, best.sum, sink_of(a, query.head));
      store_log_sum_exp(a, entry, query.head, query.step, result.log_sum_exp);
      const Choices& choices = a.scoring.selection.choices;
      if (choices.data != nullptr) {
        choices.data[entry.batch * choices.batch_stride + query.head * choices.head_stride + query.step] =
            key;
      }
    }
    const HeadRows values(a.value, a.pages.value, entry.batch, block.key_head, entry.sequence.key_start);
    const T* value = key < 0 ? nullptr : values.template row<T>(key);
    const int64_t output = row_offset(a.output, entry, query.head, query.step);
    for (int32_t d = lane; d < a.value_width; d += 32)
      store_output(a.output, output + d, key < 0 ? 0 : thread::to_float(value[d]));
  }
}

namespace {

size_t shared_bytes(const AttentionProblem& problem) {
  const int64_t chunk = 16 / static_cast<int64_t>(size_of(problem.query.type));
  const int64_t elements = decode_rows * tiles_of(problem.key_width, chunk) * chunk;
  return static_cast<size_t>(elements) * sizeof(float) +
         choose_threads / 32 * decode_rows * sizeof(Candidate);
}

void check(const AttentionProblem& problem) {
  if (problem.query.type != problem.key.type || problem.query.type != problem.value.type)
    throw Unsupported("queries, keys and values of different types");
  if (shared_bytes(problem) > most_shared_bytes_of_block)
    throw Unsupported("hard selections of keys of width " + std::to_string(problem.key_width));
  for (const Sequence& sequence : problem.sequences) {
    if (sequence.key_start + sequence.key_steps > INT32_MAX)
      throw Unsupported("sequences of 2^31 keys or more");
  }
}

}  // namespace

void attention_choose(const AttentionProblem& problem, Workspace& workspace) {
  check(problem);
  const DecodeSplit split =
      split_of(problem, int64_t{workspace.capacity().multiprocessors} * choose_blocks_at_once);
  if (split.blocks == 0) return;
  ChooseParameters p{};
  p.decode.attention = parameters_of(problem, workspace);
  p.decode.entries = entries_of(split.entries, workspace);
  p.decode.aligned = has_aligned_keys(problem);
  p.candidates = workspace.allocate_array<Candidate>(static_cast<size_t>(split.blocks) * decode_rows);
  with_element_type(problem.query.type, [&](auto element) {
    using T = typename decltype(element)::type;
    launch(&attention_choose_kernel<T>, {split.blocks, choose_threads, shared_bytes(problem)}, workspace, p);
    launch(&write_choices_kernel<T>, {split.blocks, choose_threads, 0}, workspace, p);
  });
}

}  // namespace heed::cuda
