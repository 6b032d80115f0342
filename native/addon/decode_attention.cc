#include <algorithm>
#include <limits>

#include "addon/decode.h"

namespace heed {

namespace {

constexpr int64_t largest_axis = std::numeric_limits<int32_t>::max();

int64_t read_window(NumberReader& numbers) {
  const double steps = numbers.real();
  if (!(steps >= 0)) throw InvalidProblem("Expected a window of at least 0 keys");
  return steps > static_cast<double>(largest_integer) ? unbounded : static_cast<int64_t>(steps);
}

std::vector<Sequence> read_sequences(NumberReader& numbers) {
  std::vector<Sequence> sequences(static_cast<size_t>(numbers.count(5)));
  for (Sequence& sequence : sequences) {
    sequence.query_start = numbers.length();
    sequence.query_steps = numbers.length();
    sequence.key_start = numbers.length();
    sequence.key_steps = numbers.length();
    sequence.query_offset = numbers.integer(-largest_integer, largest_integer);
  }
  return sequences;
}

std::vector<float> read_per_head(NumberReader& numbers, int64_t heads) {
  auto values = numbers.list<float>();
  if (!values.empty() && static_cast<int64_t>(values.size()) != heads) {
    throw InvalidProblem("Expected one value for each query head");
  }
  return values;
}

struct Rows {
  int64_t start;
  int64_t steps;
};

// Every row of every entry has to lie in the view, and all rows together may not be more than the buffer has
// room for: no view of the facade's broadcasts, and so the work is bounded by the memory that came with it.
template <class RowsOf>
void require_rows(const EncodedView& view, const std::vector<Sequence>& sequences, int64_t heads,
                  int64_t width, RowsOf rows_of) {
  Wide rows = 0;
  for (size_t batch = 0; batch < sequences.size(); ++batch) {
    const Rows here = rows_of(sequences[batch]);
    const Wide offset =
        static_cast<Wide>(batch) * view.batch_stride + static_cast<Wide>(here.start) * view.step_stride;
    require_inside(*view.memory, view.type, offset,
                   {{heads, view.head_stride}, {here.steps, view.step_stride}}, width);
    rows += here.steps;
  }
  if (rows * heads > capacity(*view.memory, view.type) / width) {
    throw InvalidProblem("Expected a view not to touch an element twice");
  }
}

Rows queries_of(const Sequence& sequence) {
  return {sequence.query_start, sequence.query_steps};
}
Rows keys_of(const Sequence& sequence) {
  return {sequence.key_start, sequence.key_steps};
}

MaskView read_mask(NumberReader& numbers, const Memories& memories, const std::vector<Sequence>& sequences,
                   int64_t heads) {
  MaskView mask;
  const Memory* memory = memories.read_optional(numbers);
  if (memory == nullptr) return mask;
  mask.data = memory->data;
  mask.type = read_type(numbers);
  mask.batch_stride = numbers.length();
  mask.head_stride = numbers.length();
  mask.query_stride = numbers.length();
  mask.key_stride = numbers.length();
  for (size_t batch = 0; batch < sequences.size(); ++batch) {
    const Sequence& sequence = sequences[batch];
    require_inside(*memory, mask.type, static_cast<Wide>(batch) * mask.batch_stride,
                   {{heads, mask.head_stride},
                    {sequence.query_steps, mask.query_stride},
                    {sequence.key_steps, mask.key_stride}},
                   1);
  }
  return mask;
}

}  // namespace

AttentionProblem decode_attention(NumberReader& numbers, const Memories& memories) {
  AttentionProblem problem;
  problem.query_heads = numbers.integer(1, largest_axis);
  problem.key_heads = numbers.integer(1, problem.query_heads);
  if (problem.query_heads % problem.key_heads != 0) {
    throw InvalidProblem("Expected the key heads to divide the query heads");
  }
  problem.width = numbers.integer(1, largest_axis);
  problem.value_width = numbers.integer(1, largest_axis);
  problem.scale = static_cast<float>(numbers.real());
  problem.softcap = static_cast<float>(numbers.real());
  problem.causal = numbers.flag();
  problem.window_left = read_window(numbers);
  problem.window_right = read_window(numbers);

  const auto query = EncodedView::read(numbers, memories);
  const auto key = EncodedView::read(numbers, memories);
  const auto value = EncodedView::read(numbers, memories);
  const auto output = EncodedView::read(numbers, memories);
  const auto log_sum_exp = EncodedView::read_optional(numbers, memories);
  if (key.type != query.type || value.type != query.type || output.type != query.type) {
    throw InvalidProblem("Expected query, key, value and output to have one type");
  }

  problem.sequences = read_sequences(numbers);
  problem.mask = read_mask(numbers, memories, problem.sequences, problem.query_heads);
  problem.alibi_slopes = read_per_head(numbers, problem.query_heads);
  problem.sinks = read_per_head(numbers, problem.query_heads);

  require_rows(query, problem.sequences, problem.query_heads, problem.width, queries_of);
  require_rows(key, problem.sequences, problem.key_heads, problem.width, keys_of);
  require_rows(value, problem.sequences, problem.key_heads, problem.value_width, keys_of);
  require_rows(output, problem.sequences, problem.query_heads, problem.value_width, queries_of);
  problem.query = query.as<View>();
  problem.key = key.as<View>();
  problem.value = value.as<View>();
  problem.output = output.as<MutableView>();
  if (log_sum_exp.memory != nullptr) {
    if (log_sum_exp.type != DType::float32 || log_sum_exp.step_stride != 1) {
      throw InvalidProblem("Expected logSumExp to be contiguous float32");
    }
    require_rows(log_sum_exp, problem.sequences, problem.query_heads, 1, queries_of);
    problem.log_sum_exp = log_sum_exp.as<MutableView>();
  }
  // Nothing to compute. No memory bounds the heads then, and nobody should count through them.
  const auto empty = [](const Sequence& sequence) { return sequence.query_steps == 0; };
  if (std::all_of(problem.sequences.begin(), problem.sequences.end(), empty)) problem.sequences.clear();
  return problem;
}

}  // namespace heed
