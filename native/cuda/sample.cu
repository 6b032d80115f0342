// A token for each row of logits: the largest, or one drawn by its probability; see
// lib/backends/reference/sample.ts. A block has a row.
//
// Which tokens top_k and top_p keep does not depend on the order in which threads add: weights are multiples
// of a unit, so that their sums are exact. What is compared in the end is computed in float64, as the
// reference computes it, for the few tokens whose noise can make them the best.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/problem.h"
#include "cuda/common/draws.cuh"
#include "cuda/common/element_type.h"
#include "cuda/common/entry_at.cuh"
#include "cuda/common/row_chunks.cuh"
#include "cuda/common/row_reductions.cuh"
#include "cuda/device/atomic.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/warp.cuh"
#include "cuda/launchers.h"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

// ── penalties ──

struct PenalisedRow {
  double penalty;
  int64_t first, count;  // of its previous tokens, each once
};

struct PenaliseParameters {
  Entries<PenalisedRow> rows;
  const int32_t* previous;  // of all rows, in device memory
  const void* logits;
  float* penalised;  // [rows, vocabulary]
  int64_t vocabulary;
  int64_t parts;  // of a row, each a block's
};

// Copies all logits, as float32, and changes those of previous tokens.
template <class T>
__global__ void __launch_bounds__(penalise_threads)
    penalise_kernel(const __grid_constant__ PenaliseParameters p) {
  const int64_t row = block::index() / p.parts, part = block::index() - row * p.parts;
  const T* logits = static_cast<const T*>(p.logits) + row * p.vocabulary;
  float* penalised = p.penalised + row * p.vocabulary;
  const int64_t begin = part * penalised_logits_per_block, limit = begin + penalised_logits_per_block;
  const int64_t end = limit < p.vocabulary ? limit : p.vocabulary;
  for (int64_t i = begin + thread::index(); i < end; i += penalise_threads)
    penalised[i] = thread::to_float(logits[i]);
  block::sync();
  const PenalisedRow& entry = p.rows[row];
  for (int64_t i = thread::index(); i < entry.count; i += penalise_threads) {
    const int64_t token = p.previous[entry.first + i];
    if (token < begin || token >= end) continue;
    const double logit = thread::to_float(logits[token]);
    penalised[token] = static_cast<float>(logit < 0 ? logit * entry.penalty : logit / entry.penalty);
  }
}

// ── the choice ──

struct SampledRow {
  double temperature, top_p;
  double least;  // ln min_p
  int64_t top_k;
  uint64_t seed;
};

struct SampleParameters {
  Entries<SampledRow> rows;
  const void* logits;  // [rows, vocabulary]
  int32_t* tokens;
  int64_t vocabulary;
  uint32_t weight_bits;  // the weights of a row, in units of 2^−weight_bits, have a sum below 2^63
};

namespace {

// The order in which tokens are kept, as numbers: larger logits are larger, and of equal ones the first. NaN
// is larger than all others.
__device__ __forceinline__ uint64_t rank_of(float logit, int32_t token) {
  const uint32_t bits = logit == 0 ? 0 : thread::to_bits(logit);
  const uint32_t key = logit != logit ? 0xffffffffu : (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return uint64_t{key} << 32 | ~static_cast<uint32_t>(token);
}
__device__ __forceinline__ int32_t token_of(uint64_t rank) {
  return static_cast<int32_t>(~static_cast<uint32_t>(rank));
}
__device__ __forceinline__ float logit_of(uint64_t rank) {
  const auto key = static_cast<uint32_t>(rank >> 32);
  return thread::from_bits((key & 0x80000000u) != 0 ? key & 0x7fffffffu : ~key);
}

// The logits of a row, fewer than 2^31, which the threads of the block share. Chunks begin at multiples of 16
// bytes, wherever the row does.
template <class T>
class LogitRow {
 public:
  __device__ __forceinline__ LogitRow(const T* data, int32_t count)
      : data_(data),
        count_(count),
        before_(static_cast<uint32_t>(reinterpret_cast<uintptr_t>(data) % 16 / sizeof(T))) {}

  __device__ __forceinline__ int32_t chunks() const {
    return static_cast<int32_t>((static_cast<uint32_t>(count_ - 1) + before_) / chunk_elements<T>) + 1;
  }

  // Calls f(logit, token) for the thread's share of the chunks [first, last).
  template <class F>
  __device__ __forceinline__ void each(int32_t first, int32_t last, F f) const {
    for (int32_t c = first + static_cast<int32_t>(thread::index()); c < last; c += int32_t{sample_threads}) {
      const auto begin = static_cast<int32_t>(static_cast<uint32_t>(c) * chunk_elements<T> - before_);
      const int32_t left = count_ - begin;
      const bool whole = begin >= 0 && left >= chunk_elements<T>;
      Chunk<T> chunk{};
      if (whole) {
        chunk = thread::load_global<chunk_elements<T>>(data_ + begin);
      } else {
#pragma unroll
        for (int32_t e = 0; e < chunk.size; ++e) {
          if (begin + e >= 0 && e < left) chunk[e] = data_[begin + e];
        }
      }
#pragma unroll
      for (int32_t e = 0; e < chunk.size; ++e) {
        if (whole || (begin + e >= 0 && e < left)) f(thread::to_float(chunk[e]), begin + e);
      }
    }
  }
  template <class F>
  __device__ __forceinline__ void each(F f) const {
    each(0, chunks(), f);
  }

 private:
  const T* data_;
  int32_t count_;
  uint32_t before_;  // elements of the first chunk that belong to the row before
};

// Amounts of tokens by a digit of their ranks, in shared memory: 64 bits in two halves, so that the native
// additions of 32 bits serve. The largest digit has the first bin.
struct RankBins {
  static constexpr uint32_t count = 1u << sample_digit_bits, of_thread = count / sample_threads;
  uint32_t *low, *high;

  __device__ __forceinline__ void clear() const {
    for (uint32_t i = thread::index(); i < count; i += sample_threads) low[i] = high[i] = 0;
  }
  __device__ __forceinline__ void add(uint32_t bin, uint64_t amount) const {
    const auto added = static_cast<uint32_t>(amount);
    auto carried = static_cast<uint32_t>(amount >> 32);
    const uint32_t before = thread::atomic_add(low + bin, added);
    if (before + added < before) ++carried;
    if (carried != 0) thread::atomic_add(high + bin, carried);
  }
  __device__ __forceinline__ uint64_t at(uint32_t bin) const { return low[bin] | uint64_t{high[bin]} << 32; }
};

// The bin in which a sum over the bins reaches what is wanted.
struct RankDigit {
  uint64_t wanted;  // of this bin
  uint64_t amount;  // in it
  uint32_t bin;
};

struct SampleMemory {
  uint32_t bins[2 * RankBins::count];
  unsigned char reductions[RowReductions::shared_bytes];
  RankDigit digit;
};

__device__ __forceinline__ uint64_t shift_right(uint64_t x, uint32_t bits) {
  return bits == 64 ? 0 : x >> bits;
}

// The least rank of as few tokens, the largest first, as together have the amount wanted(all), which is from
// 1 to that of all tokens. Every pass finds a digit of that rank; it is the last one if all tokens are kept
// that have the digits so far.
template <class Row, class Amount, class Wanted>
__device__ __forceinline__ uint64_t least_rank(const Row& row, SampleMemory& memory,
                                               RowReductions& reductions, Amount amount, Wanted wanted_of) {
  const RankBins bins{memory.bins, memory.bins + RankBins::count};
  uint64_t found = 0, wanted = 0;  // the digits above bit `top`
  for (uint32_t top = 64;;) {
    const uint32_t bottom = top > sample_digit_bits ? top - sample_digit_bits : 0;
    const uint32_t last = (1u << (top - bottom)) - 1;
    bins.clear();
    block::sync();
    row.each([&](float logit, int32_t token) {
      const uint64_t rank = rank_of(logit, token);
      if (shift_right(rank, top) != found) return;
      const uint64_t added = amount(logit, rank);
      if (added != 0) bins.add(last - (static_cast<uint32_t>(rank >> bottom) & last), added);
    });
    block::sync();
    const uint32_t first = thread::index() * RankBins::of_thread;
    uint64_t own = 0;
#pragma unroll
    for (uint32_t i = 0; i < RankBins::of_thread; ++i) own += bins.at(first + i);
    // What comes before in the warp, and in the warps before.
    uint64_t before = own;
#pragma unroll
    for (uint32_t lanes = 1; lanes < warp::size; lanes *= 2) {
      const uint32_t lane = thread::lane();
      const uint64_t other = warp::shuffle(before, lane >= lanes ? lane - lanes : lane);
      if (lane >= lanes) before += other;
    }
    const uint64_t* of_warps = reductions.exchange(warp::shuffle(before, warp::size - 1));
    before -= own;
    uint64_t all = 0;
    for (uint32_t w = 0; w < sample_threads / warp::size; ++w) {
      if (w == warp::index()) before += all;
      all += of_warps[w];
    }
    if (top == 64) wanted = wanted_of(all);
    if (before < wanted && wanted <= before + own) {
      uint32_t bin = first;
      for (; wanted > before + bins.at(bin); ++bin) before += bins.at(bin);
      memory.digit = {wanted - before, bins.at(bin), bin};
    }
    block::sync();
    const RankDigit digit = memory.digit;
    found = found << (top - bottom) | (last - digit.bin);
    if (bottom == 0 || digit.wanted == digit.amount) return found << bottom;
    wanted = digit.wanted;
    top = bottom;
  }
}

// A token that may be drawn: its score and noise, added.
struct Drawn {
  double sum;
  int64_t token;
};

__device__ __forceinline__ Drawn better(const Drawn& a, const Drawn& b) {
  return b.sum > a.sum || (b.sum == a.sum && b.token < a.token) ? b : a;
}

// Draws one of the tokens of at least a rank.
template <class Row>
__device__ __forceinline__ int32_t draw(const Row& row, const SampledRow& sampled, RowReductions& reductions,
                                        uint64_t largest, uint64_t least) {
  const float highest = logit_of(largest);
  const auto scale = static_cast<float>(1 / sampled.temperature);
  constexpr float rounding = 1e-3f;           // far more than that of the bound, for scores that can win
  const Draws draws(sampled.seed, 0, -1, 0);  // no head of an attention has this number
  // The largest logit is kept, whatever is not.
  Drawn best{Draws::exact_noise(draws.bits(static_cast<uint32_t>(token_of(largest)))), token_of(largest)};
  const auto consider = [&](float logit, int32_t token) {
    if (rank_of(logit, token) < least || logit == negative_infinity) return;
    const uint32_t bits = draws.bits(static_cast<uint32_t>(token));
    const float most = fmaf(logit - highest, scale, Draws::most_noise(bits)) + rounding;
    if (double{most} < best.sum) return;
    const double score = (double{logit} - double{highest}) / sampled.temperature;
    if (!(score >= sampled.least)) return;
    best = better(best, {score + Draws::exact_noise(bits), token});
  };
  // The best of some thousand tokens spares most others the noise of all digits.
  const int32_t chunks = row.chunks();
  const int32_t first = chunks < int32_t{sample_threads} ? chunks : int32_t{sample_threads};
  row.each(0, first, consider);
  best = reductions.reduce(best, &better);
  row.each(first, chunks, consider);
  return static_cast<int32_t>(reductions.reduce(best, &better).token);
}

template <class Row>
__device__ __forceinline__ int32_t choose(const Row& row, const SampleParameters& p,
                                          const SampledRow& sampled, SampleMemory& memory) {
  RowReductions reductions(sample_threads / warp::size, memory.reductions);
  uint64_t largest = 0;
  row.each([&](float logit, int32_t token) {
    const uint64_t rank = rank_of(logit, token);
    if (rank > largest) largest = rank;
  });
  largest = reductions.reduce(largest, [](uint64_t a, uint64_t b) { return a > b ? a : b; });
  const float highest = logit_of(largest);
  if (!(highest > negative_infinity)) return -1;
  // Where a logit is infinite, it has all the probability.
  if (sampled.temperature == 0 || highest == INFINITY) return token_of(largest);
  uint64_t least = 0;
  if (sampled.top_k < p.vocabulary) {
    least = least_rank(
        row, memory, reductions, [](float, uint64_t) -> uint64_t { return 1; },
        [&](uint64_t) { return static_cast<uint64_t>(sampled.top_k); });
  }
  if (sampled.top_p < 1) {
    const double per_unit = 1 / sampled.temperature,
                 units = static_cast<double>(uint64_t{1} << p.weight_bits);
    least = least_rank(
        row, memory, reductions,
        [&](float logit, uint64_t rank) -> uint64_t {
          if (rank < least) return 0;
          const double weight = exp((double{logit} - double{highest}) * per_unit);
          return static_cast<uint64_t>(weight * units + 0.5);
        },
        [&](uint64_t all) {
          const auto share = static_cast<uint64_t>(ceil(sampled.top_p * static_cast<double>(all)));
          return share < 1 ? 1 : share > all ? all : share;
        });
  }
  return draw(row, sampled, reductions, largest, least);
}

}  // namespace

template <class T>
__global__ void __launch_bounds__(sample_threads) sample_kernel(const __grid_constant__ SampleParameters p) {
  const int64_t index = block::index();
  const LogitRow<T> row(static_cast<const T*>(p.logits) + index * p.vocabulary,
                        static_cast<int32_t>(p.vocabulary));
  const int32_t token = choose(row, p, p.rows[index], *block::shared_memory<SampleMemory>());
  if (thread::index() == 0) p.tokens[index] = token;
}

namespace {

// The logits with penalties, as float32; null where there are none.
const float* penalised(const SampleProblem& problem, Workspace& workspace) {
  std::vector<PenalisedRow> rows;
  std::vector<int32_t> previous;
  for (const Sampling& row : problem.rows) {
    const auto first = static_cast<std::ptrdiff_t>(previous.size());
    if (row.repetition_penalty != 1) {
      previous.insert(previous.end(), row.previous.begin(), row.previous.end());
      std::sort(previous.begin() + first, previous.end());
      previous.erase(std::unique(previous.begin() + first, previous.end()), previous.end());
    }
    rows.push_back({row.repetition_penalty, first, static_cast<int64_t>(previous.size()) - first});
  }
  if (previous.empty()) return nullptr;
  const size_t logits = problem.rows.size() * static_cast<size_t>(problem.vocabulary);
  const PenaliseParameters p{entries_of(rows, workspace),
                             workspace.upload(previous),
                             problem.logits,
                             workspace.allocate_array<float>(logits),
                             problem.vocabulary,
                             tiles_of(problem.vocabulary, penalised_logits_per_block)};
  const LaunchShape shape{static_cast<int64_t>(rows.size()) * p.parts, penalise_threads, 0};
  with_element_type(problem.type, [&](auto element) {
    launch(&penalise_kernel<typename decltype(element)::type>, shape, workspace, p);
  });
  return p.penalised;
}

}  // namespace

void sample(const SampleProblem& problem, Workspace& workspace) {
  if (problem.rows.empty()) return;
  std::vector<SampledRow> rows;
  for (const Sampling& row : problem.rows)
    rows.push_back({row.temperature, row.top_p, std::log(row.min_p), row.top_k, row.seed});
  const float* changed = penalised(problem, workspace);
  const auto vocabulary_bits =
      static_cast<uint32_t>(std::bit_width(static_cast<uint64_t>(problem.vocabulary)));
  // No more bits than a float64 has behind its point.
  const SampleParameters p{entries_of(rows, workspace), changed == nullptr ? problem.logits : changed,
                           problem.tokens, problem.vocabulary, std::min<uint32_t>(52, 62 - vocabulary_bits)};
  const LaunchShape shape{static_cast<int64_t>(rows.size()), sample_threads, sizeof(SampleMemory)};
  with_element_type(changed == nullptr ? problem.type : DType::float32, [&](auto element) {
    launch(&sample_kernel<typename decltype(element)::type>, shape, workspace, p);
  });
}

}  // namespace heed::cuda
