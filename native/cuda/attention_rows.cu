// Scores and weights of chosen rows, recomputed from their log-sum-exps, because fused kernels do not store
// them.
#include <cstdint>
#include <string>
#include <type_traits>

#include "cuda/common/aligned_rows.h"
#include "cuda/common/element_type.h"
#include "cuda/common/head_rows.cuh"
#include "cuda/common/operand_tile.cuh"
#include "cuda/common/row_scales.cuh"
#include "cuda/common/score.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/device/warp.cuh"
#include "cuda/launchers.h"
#include "cuda/tile_sizes.h"
#include "cuda/unsupported.h"

namespace heed::cuda {

struct RowsParameters {
  DeviceAttention attention;
  const Sequence* sequences;       // in device memory, one per batch entry
  const int32_t *heads, *queries;  // in device memory
  int32_t head_count, query_count;
  int64_t keys, key_blocks;
  bool aligned;  // rows of keys begin at multiples of 16 bytes
  float *scores, *capped_scores, *biased_scores, *weights;
};

namespace {

// A requested row: one (batch entry, head, query). Past the end of its sequence it has no keys.
struct AskedRow {
  Sequence sequence;
  int64_t batch, step, first_output;
  bool is_hard;
  int64_t choice = -1;  // the key of a hard selection
  int32_t head;
  bool is_padding;
  __device__ __forceinline__ AskedRow(const RowsParameters& p, int64_t index) {
    batch = index / p.query_count / p.head_count;
    head = p.heads[index / p.query_count % p.head_count];
    step = p.queries[index % p.query_count];
    sequence = p.sequences[batch];
    is_padding = step >= sequence.query_steps;
    if (is_padding) sequence.key_steps = 0;
    first_output = index * p.keys;
    const Selection& selection = p.attention.scoring.selection;
    is_hard = selection.kind == SelectionKind::hard || selection.kind == SelectionKind::drawn;
    const Choices& choices = selection.choices;
    if (choices.data != nullptr && !is_padding) {
      choice = static_cast<int64_t>(
          choices.data[batch * choices.batch_stride + head * choices.head_stride + step]);
    }
  }
};

// Loads the query as float32, for the whole block.
template <class T>
__device__ __forceinline__ void copy_query_of(float* to, const DeviceAttention& p, const AskedRow& row) {
  const T* from = static_cast<const T*>(p.query.data) + row.batch * p.query.batch_stride +
                  row.head * p.query.head_stride +
                  (row.sequence.query_start + row.step) * p.query.step_stride;
  for (auto d = static_cast<int32_t>(thread::index()); d < p.key_width; d += rows_threads)
    to[d] = thread::to_float(from[d]);
}
__device__ __forceinline__ void copy_query(float* to, const DeviceAttention& p, const AskedRow& row) {
  switch (p.query.type) {
    case DType::float16:
      return copy_query_of<Float16>(to, p, row);
    case DType::bfloat16:
      return copy_query_of<BFloat16>(to, p, row);
    default:
      return copy_query_of<float>(to, p, row);
  }
}

// A lane's share of q·k: every eighth chunk of 16 bytes.
template <class T>
__device__ __forceinline__ float dot_share(const float* query, const T* key, int32_t key_width, bool aligned,
                                           const RowOutliers& outliers) {
  constexpr int32_t per_chunk = 16 / sizeof(T);
  float sum = 0;
  for (int32_t d = static_cast<int32_t>(thread::lane() % 8) * per_chunk; d < key_width; d += 8 * per_chunk) {
    const int32_t left = key_width - d;
    Vector<T, per_chunk> chunk;
    if (aligned && left >= per_chunk) {
      chunk = thread::load_global<per_chunk>(key + d);
    } else {
      chunk = thread::load_some<per_chunk>(key + d, left < per_chunk ? left : per_chunk);
    }
    float factors[4] = {1, 1, 1, 1};
#pragma unroll
    for (int32_t e = 0; e < per_chunk; ++e) {
      if constexpr (sizeof(T) == 1) {
        if (e % 4 == 0 && !outliers.factors(d + e, factors))
          factors[0] = factors[1] = factors[2] = factors[3] = 1;
      }
      if (e < left) sum += query[d + e] * (thread::to_float(chunk[e]) * factors[e % 4]);
    }
  }
  return sum;
}

__device__ __forceinline__ void store_score(float* to, int64_t at, float value) {
  if (to != nullptr) to[at] = value;
}

// Writes everything requested of one score.
__device__ __forceinline__ void write_score(const RowsParameters& p, const AskedRow& asked,
                                            const ScoreRow& row, float log_sum_exp, int64_t key,
                                            float product) {
  const DeviceAttention& a = p.attention;
  const int64_t at = asked.first_output + key;
  const bool exists = key < asked.sequence.key_steps;
  const float capped = exists ? capped_score(a, product) : negative_infinity;
  const float biased = exists ? row.biased(a, capped, static_cast<int32_t>(key)) : negative_infinity;
  store_score(p.scores, at, exists ? product * a.scoring.scale : negative_infinity);
  store_score(p.capped_scores, at, capped);
  store_score(p.biased_scores, at, biased);
  if (asked.is_hard) return store_score(p.weights, at, key == asked.choice ? 1 : 0);
  // A key that is not attended has weight 0, even if the other keys give NaN or do not exist.
  const bool attended = biased != negative_infinity;
  store_score(p.weights, at, attended ? thread::exp2((biased - log_sum_exp) * log2_e) : 0);
}

}  // namespace

// Eight lanes share a key, so a warp processes 32 keys in eight rounds; lane l keeps the product of round l %
// 8.
template <class T>
__global__ void __launch_bounds__(rows_threads)
    attention_rows_kernel(const __grid_constant__ RowsParameters p) {
  const DeviceAttention& a = p.attention;
  const AskedRow asked(p, block::index() / p.key_blocks);
  auto* query = block::shared_memory<float>();
  if (!asked.is_padding) copy_query(query, a, asked);
  block::sync();

  const ScoreRow row(a, asked.sequence, asked.batch, asked.head, asked.step,
                     static_cast<int32_t>(asked.sequence.key_steps));
  float log_sum_exp = 0;
  if (p.weights != nullptr && a.log_sum_exp.data != nullptr && !asked.is_padding) {
    const MutableView& sums = a.log_sum_exp;
    log_sum_exp =
        static_cast<const float*>(sums.data)[asked.batch * sums.batch_stride + asked.head * sums.head_stride +
                                             (asked.sequence.query_start + asked.step) * sums.step_stride];
  }
  const int32_t key_head = asked.head / (a.query_heads / a.key_heads);
  const std::conditional_t<sizeof(T) == 1, NoKeyFactors, KeyFactors> factors(a, asked.sequence, asked.batch,
                                                                             key_head);
  const HeadRows keys(a.key, a.pages.key, asked.batch, key_head, asked.sequence.key_start);
  const RowScales scales(a.pages.key, asked.batch, key_head, asked.sequence.key_start);
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
        const auto number = static_cast<int32_t>(key);
        constexpr bool scaled = sizeof(T) == 1;
        sum = dot_share(query, keys.row<T>(number), a.key_width, p.aligned,
                        scaled ? scales.outliers(number) : RowOutliers{});
        if constexpr (scaled) sum *= *scales.of(number);
      }
#pragma unroll
      for (uint32_t bits = 4; bits > 0; bits /= 2) sum += warp::shuffle_xor(sum, bits);
      if (lane % 8 == round) product = sum;
    }
    const int64_t key = base + lane % 8 * 4 + lane / 8;
    if (factors.exist()) product *= row.factor() * factors.of(static_cast<int32_t>(key));
    if (key < p.keys) write_score(p, asked, row, log_sum_exp, key, product);
  }
}

namespace {

void check(const RowsProblem& problem) {
  const AttentionProblem& attention = problem.attention;
  if (attention.key_width > widest_rows_query)
    throw Unsupported("rows of heads wider than " + std::to_string(widest_rows_query));
  if (problem.keys > INT32_MAX) throw Unsupported("rows of 2^31 keys or more");
}

}  // namespace

void attention_rows(const RowsProblem& problem, Workspace& workspace) {
  check(problem);
  const auto heads = static_cast<int64_t>(problem.heads.size()),
             queries = static_cast<int64_t>(problem.queries.size());
  const int64_t rows = static_cast<int64_t>(problem.attention.sequences.size()) * heads * queries;
  if (rows == 0 || problem.keys == 0) return;
  RowsParameters p{};
  p.attention = parameters_of(problem.attention, workspace);
  p.sequences = workspace.upload(problem.attention.sequences);
  p.heads = workspace.upload(problem.heads);
  p.queries = workspace.upload(problem.queries);
  p.head_count = static_cast<int32_t>(heads);
  p.query_count = static_cast<int32_t>(queries);
  p.keys = problem.keys;
  p.key_blocks = tiles_of(problem.keys, rows_keys_per_block);
  p.aligned = has_aligned_keys(problem.attention);
  p.scores = problem.scores;
  p.capped_scores = problem.capped_scores;
  p.biased_scores = problem.biased_scores;
  p.weights = problem.weights;
  const LaunchShape shape{rows * p.key_blocks, rows_threads,
                          static_cast<size_t>(problem.attention.key_width) * sizeof(float)};
  with_stored_type(problem.attention.key.type, [&](auto element) {
    launch(&attention_rows_kernel<typename decltype(element)::type>, shape, workspace, p);
  });
}

}  // namespace heed::cuda
