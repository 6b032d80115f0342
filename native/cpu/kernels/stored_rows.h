// Rows of keys and values, contiguous or in the pages of a cache.
#pragma once

#include "cpu/kernels/rows_of_block.h"
#include "cpu/kernels/storage.h"

namespace heed::cpu::HEED_ISA {

// An element of a cache with a scale per row.
struct Int8 {
  using Element = int8_t;
  typedef int8_t Bits __attribute__((vector_size(lanes)));
  static float get(int8_t x) { return static_cast<float>(x); }
#if defined(HEED_USE_AVX512)
  static Vec widen(Bits bits) {
    return Vec(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(__m128i(bits))));
  }
#else
  static Vec widen(Bits bits) {
    return __builtin_convertvector(__builtin_convertvector(bits, IntVec), Vec);
  }
#endif
  static Vec load(const int8_t* from) {
    Bits bits;
    __builtin_memcpy(&bits, from, sizeof bits);
    return widen(bits);
  }
  template <int count>
  static Vec load_first(const int8_t* from) {
    Bits bits{};
    __builtin_memcpy(&bits, from, count);
    return widen(bits);
  }
};

// Calls f with the tag of a type that keys and values may have.
template <class F>
static inline auto with_stored_type(DType type, F f) {
  if (type == DType::int8) return f(Int8{});
  return with_type(type, f);
}

// Consecutive rows, a step stride apart.
struct Run {
  void* rows;
  float* scales;  // for int8: one per row, to dequantise it; otherwise null
  int64_t count;

  template <class Type>
  const typename Type::Element* as() const {
    return static_cast<const typename Type::Element*>(rows);
  }
};

// The rows of one batch entry and head from `step` on, at most `most`.
static inline Run run_of_pages(const Pages& pages, int64_t element_size, int64_t head_stride,
                               int64_t step_stride, int64_t batch, int64_t head, int64_t step, int64_t most) {
  const int64_t page = pages.first[batch] + step / pages.steps, within = step % pages.steps;
  const int64_t left = pages.steps - within;
  return {static_cast<char*>(pages.data[page]) + (head * head_stride + within * step_stride) * element_size,
          pages.scales ? pages.scales[page] + head * pages.steps + within : nullptr,
          left < most ? left : most};
}

static inline Run run_at(const View& view, const RowBlock& block, int64_t step, int64_t most) {
  const int64_t size = static_cast<int64_t>(size_of(view.type));
  if (view.pages) {
    return run_of_pages(*view.pages, size, view.head_stride, view.step_stride, block.batch, block.key_head,
                        step, most);
  }
  const int64_t offset = offset_of(view, block.batch, block.key_head, step);
  return {const_cast<char*>(static_cast<const char*>(view.data)) + offset * size, nullptr, most};
}

// Calls f(run, index of its first row) for `count` rows from `step` on.
template <class F>
static inline __attribute__((always_inline)) void for_runs(const View& view, const RowBlock& block,
                                                           int64_t step, int64_t count, F f) {
  for (int64_t first = 0; first < count;) {
    const Run run = run_at(view, block, step + first, count - first);
    f(run, first);
    first += run.count;
  }
}

}  // namespace heed::cpu::HEED_ISA
