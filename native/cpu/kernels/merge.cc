// Merges attention over disjoint sets of keys: the weight of each part is its share of the joint log-sum-exp.
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/math.h"
#include "cpu/kernels/scratch_cursor.h"
#include "cpu/kernels/storage.h"
#include "cpu/kernels/table.h"

namespace heed::cpu::HEED_ISA {

size_t merge_scratch(int64_t width) {
  ScratchCursor cursor{nullptr};
  cursor.take<float>(2 * width);
  return cursor.used();
}

void merge(const void* const* outputs, const float* const* log_sum_exps, int64_t parts, float sink,
           int64_t row, int64_t width, DType type, void* output, float* log_sum_exp, void* scratch) {
  ScratchCursor cursor{scratch};
  float* joined = cursor.take<float>(2 * width);
  float* part = joined + width;
  float highest = sink;
  for (int64_t i = 0; i < parts; ++i) {
    if (log_sum_exps[i][row] > highest) highest = log_sum_exps[i][row];
  }
  float sum = sink == -infinity ? 0 : __builtin_expf(sink - highest);
  for (int64_t d = 0; d < width; ++d) joined[d] = 0;
  with_type(type, [&](auto tag) {
    using Type = decltype(tag);
    for (int64_t i = 0; i < parts; ++i) {
      if (log_sum_exps[i][row] == -infinity) continue;  // that part attended nothing
      const float share = __builtin_expf(log_sum_exps[i][row] - highest);
      sum += share;
      widen<Type>(static_cast<const typename Type::Element*>(outputs[i]) + row * width, width, part);
      for (int64_t d = 0; d < width; ++d) joined[d] = multiply_add(share, part[d], joined[d]);
    }
    narrow<Type>(joined, width, sum == 0 ? 0.0f : 1 / sum,
                 static_cast<typename Type::Element*>(output) + row * width);
  });
  log_sum_exp[row] = sum == 0 ? -infinity : highest + __builtin_logf(sum);
}

}  // namespace heed::cpu::HEED_ISA
