#include <algorithm>

#include "addon/wire/pages.h"
#include "addon/wire/problems.h"

namespace heed {

namespace {

int64_t read_window(Reader& from) {
  const double steps = from.real();
  if (!(steps >= 0)) throw InvalidProblem("Expected a window of at least 0 keys");
  return steps > static_cast<double>(largest_integer) ? unbounded : static_cast<int64_t>(steps);
}

std::vector<Sequence> read_sequences(Reader& from) {
  std::vector<Sequence> sequences(static_cast<size_t>(from.count(5)));
  for (Sequence& sequence : sequences) {
    sequence.query_start = from.length();
    sequence.query_steps = from.length();
    sequence.key_start = from.length();
    sequence.key_steps = from.length();
    sequence.query_offset = from.integer(-largest_integer, largest_integer);
  }
  return sequences;
}

void read_head_numbers(Reader& from, AttentionProblem& problem) {
  const int64_t heads = problem.query_heads, entries = static_cast<int64_t>(problem.sequences.size());
  for (const HeadNumbers list : head_numbers) {
    auto values = from.list<float>();
    const auto count = static_cast<int64_t>(values.size());
    // Without entries, nobody reads the numbers of any.
    const bool per_entry =
        list == &Scoring::alibi_slopes && (entries == 0 || static_cast<Wide>(count) == Wide{heads} * entries);
    if (count != 0 && count != heads && !per_entry)
      throw InvalidProblem("Expected one value for each query head");
    if (entries > 0 && per_entry && count != heads) problem.scoring.alibi_batch_stride = heads;
    problem.scoring.*list = problem.keep(std::move(values));
  }
  problem.scoring.alibi_absolute = from.flag();
}

struct Rows {
  int64_t start;
  int64_t steps;
};

// Every row of every entry must lie in the view, and all rows together must fit into the buffer: the facade's
// views do not broadcast, so the size of the memory bounds the work.
template <class RowsOf>
void require_rows(const EncodedView& view, const std::vector<Sequence>& sequences, int64_t heads,
                  int64_t width, RowsOf rows_of) {
  Wide rows = 0;
  for (size_t batch = 0; batch < sequences.size(); ++batch) {
    const Rows own = rows_of(sequences[batch]);
    const Wide offset =
        static_cast<Wide>(batch) * view.batch_stride + static_cast<Wide>(own.start) * view.step_stride;
    require_inside(*view.memory, view.type, offset,
                   {{heads, view.head_stride}, {own.steps, view.step_stride}}, width);
    rows += own.steps;
  }
  if (rows * heads > capacity(*view.memory, view.type) / width) {
    throw InvalidProblem("Expected a view not to touch an element twice");
  }
}

// Keys shared by all sequences may be visited once per sequence: the values bound the work.
void require_common_keys(const EncodedView& key, const AttentionProblem& problem) {
  for (const Sequence& sequence : problem.sequences) {
    require_inside(*key.memory, key.type, 0,
                   {{problem.key_heads, key.head_stride}, {sequence.key_steps, key.step_stride}},
                   problem.key_width);
  }
  if (key.batch_stride != 0) throw InvalidProblem("Expected one set of keys for all sequences");
}

Rows queries_of(const Sequence& sequence) {
  return {sequence.query_start, sequence.query_steps};
}
Rows keys_of(const Sequence& sequence) {
  return {sequence.key_start, sequence.key_steps};
}

MaskView read_mask(Reader& from, const std::vector<Sequence>& sequences, int64_t heads) {
  MaskView mask;
  const Memory* memory = from.optional_memory();
  if (memory == nullptr) return mask;
  mask.data = memory->data;
  mask.type = from.type();
  mask.batch_stride = from.length();
  mask.head_stride = from.length();
  mask.query_stride = from.length();
  mask.key_stride = from.length();
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

constexpr int64_t most_hidden = 4096;

HeadMatrix read_matrix(Reader& from, int64_t heads, int64_t rows, int64_t columns) {
  const Memory& memory = from.memory();
  HeadMatrix matrix{memory.data, from.floating_type(), from.length()};
  require_inside(memory, matrix.type, 0, {{heads, matrix.head_stride}, {rows, columns}}, columns);
  return matrix;
}

Score read_score(Reader& from, const AttentionProblem& problem) {
  Score score;
  score.kind = static_cast<ScoreKind>(from.integer(0, static_cast<int64_t>(ScoreKind::additive)));
  if (score.kind == ScoreKind::general) {
    score.weight = read_matrix(from, problem.query_heads, problem.query_width, problem.key_width);
  } else if (score.kind == ScoreKind::additive) {
    score.hidden = from.integer(1, most_hidden);
    score.weight = read_matrix(from, problem.query_heads, score.hidden, problem.query_width);
    score.key = read_matrix(from, problem.key_heads, score.hidden, problem.key_width);
    score.vector = read_matrix(from, problem.query_heads, 1, score.hidden);
  } else if (problem.query_width != problem.key_width) {
    throw InvalidProblem("Expected queries to be as wide as keys");
  }
  return score;
}

Centers read_centers(Reader& from, const AttentionProblem& problem) {
  const Memory& memory = from.memory();
  Centers centers{memory.data, from.floating_type(), from.length(), from.length(), from.length()};
  for (size_t batch = 0; batch < problem.sequences.size(); ++batch) {
    require_inside(memory, centers.type, static_cast<Wide>(batch) * centers.batch_stride,
                   {{problem.query_heads, centers.head_stride},
                    {problem.sequences[batch].query_steps, centers.query_stride}},
                   1);
  }
  return centers;
}

Choices read_choices(Reader& from, const AttentionProblem& problem) {
  const Memory* memory = from.optional_memory();
  if (memory == nullptr) return {};
  const int64_t start = from.length();
  require_inside(*memory, DType::float32, 2 * static_cast<Wide>(start), {}, 0);
  Choices choices{static_cast<double*>(memory->data) + start, from.length(), from.length()};
  if (reinterpret_cast<uintptr_t>(memory->data) % sizeof(double) != 0)
    throw InvalidProblem("Expected choices to be aligned");
  for (size_t batch = 0; batch < problem.sequences.size(); ++batch) {
    // Doubles have no DType: they are counted as pairs of floats.
    require_inside(
        *memory, DType::float32, 2 * (start + static_cast<Wide>(batch) * choices.batch_stride),
        {{problem.query_heads, 2 * choices.head_stride}, {problem.sequences[batch].query_steps, 2}}, 2);
  }
  return choices;
}

Selection read_selection(Reader& from, const AttentionProblem& problem) {
  Selection selection;
  selection.kind = static_cast<SelectionKind>(from.integer(0, static_cast<int64_t>(SelectionKind::local)));
  if (selection.kind == SelectionKind::drawn) selection.seed = static_cast<uint64_t>(from.length());
  if (selection.kind == SelectionKind::local) {
    selection.centers = read_centers(from, problem);
    selection.half_width = from.real();
    if (!(selection.half_width > 0)) throw InvalidProblem("Expected a half width above 0");
  }
  selection.choices = read_choices(from, problem);
  return selection;
}

// Keys and values in tensors.
void place(DType type, const EncodedView& key, const EncodedView& value, AttentionProblem& problem) {
  if (key.type != type || value.type != type)
    throw InvalidProblem("Expected query, key and value to have one type");
  if (problem.scoring.score.kind == ScoreKind::location) {
    require_common_keys(key, problem);
  } else {
    require_rows(key, problem.sequences, problem.key_heads, problem.key_width, keys_of);
  }
  require_rows(value, problem.sequences, problem.key_heads, problem.value_width, keys_of);
  problem.key = key.as<View>();
  problem.value = value.as<View>();
}

// Keys and values in a cache. If positions replace the keys, those positions are a tensor.
void place_in_pages(const EncodedPages& pages, const EncodedView& key, const EncodedView& value,
                    AttentionProblem& problem) {
  for (size_t batch = 0; batch < problem.sequences.size(); ++batch) {
    const Sequence& sequence = problem.sequences[batch];
    if (sequence.key_start != 0 || sequence.key_steps > pages.steps_of(batch))
      throw InvalidProblem("Expected all keys to have a page");
  }
  const bool located = problem.scoring.score.kind == ScoreKind::location;
  const EncodedView& paged_key = located ? value : key;
  problem.pages = pages.tables({paged_key, value, problem.key_heads,
                                located ? problem.value_width : problem.key_width, problem.value_width});
  problem.value = value.paged<View>(problem.pages->value);
  if (located) {
    if (is_scaled(key.type)) throw InvalidProblem("Expected positions to be of a floating type");
    require_common_keys(key, problem);
    problem.key = key.as<View>();
  } else {
    if (key.type != value.type) throw InvalidProblem("Expected a cache to be of one type");
    problem.key = key.paged<View>(problem.pages->key);
  }
}

AttentionProblem read_problem(Reader& from) {
  AttentionProblem problem;
  problem.query_heads = from.integer(1, largest_axis);
  problem.key_heads = from.integer(1, problem.query_heads);
  if (problem.query_heads % problem.key_heads != 0) {
    throw InvalidProblem("Expected the key heads to divide the query heads");
  }
  problem.key_width = from.integer(1, largest_axis);
  problem.query_width = from.integer(1, largest_axis);
  problem.value_width = from.integer(1, largest_axis);
  problem.scoring.scale = static_cast<float>(from.real());
  problem.scoring.softcap = static_cast<float>(from.real());
  problem.scoring.window.left = read_window(from);
  problem.scoring.window.right = read_window(from);

  const auto query = EncodedView::read(from);
  const auto key = EncodedView::read_stored(from);
  const auto value = EncodedView::read_stored(from);
  const auto output = EncodedView::read(from);
  const auto log_sum_exp = EncodedView::read_optional(from);
  if (output.type != query.type) throw InvalidProblem("Expected query and output to have one type");

  problem.sequences = read_sequences(from);
  const auto pages = EncodedPages::read(from, problem.sequences.size());
  problem.scoring.score = read_score(from, problem);
  problem.scoring.mask = read_mask(from, problem.sequences, problem.query_heads);
  read_head_numbers(from, problem);
  problem.scoring.selection = read_selection(from, problem);

  require_rows(query, problem.sequences, problem.query_heads, problem.query_width, queries_of);
  if (pages.present()) {
    place_in_pages(pages, key, value, problem);
  } else {
    place(query.type, key, value, problem);
  }
  require_rows(output, problem.sequences, problem.query_heads, problem.value_width, queries_of);
  problem.query = query.as<View>();
  problem.output = output.as<MutableView>();
  if (log_sum_exp.memory != nullptr) {
    if (log_sum_exp.type != DType::float32) throw InvalidProblem("Expected logSumExp to be float32");
    require_rows(log_sum_exp, problem.sequences, problem.query_heads, 1, queries_of);
    problem.log_sum_exp = log_sum_exp.as<MutableView>();
  }
  return problem;
}

std::vector<int32_t> read_indices(Reader& from, int64_t end) {
  std::vector<int32_t> indices(static_cast<size_t>(from.count()));
  for (int32_t& index : indices) index = static_cast<int32_t>(from.integer(0, end - 1));
  return indices;
}

float* read_asked(Reader& from, Wide elements) {
  const Memory* memory = from.optional_memory();
  if (memory == nullptr) return nullptr;
  if (elements > capacity(*memory, DType::float32))
    throw InvalidProblem("Expected a buffer to hold all rows");
  return static_cast<float*>(memory->data);
}

bool has_what_weights_are_made_from(const AttentionProblem& attention) {
  const Selection& selection = attention.scoring.selection;
  return selection.is_hard() ? selection.choices.data != nullptr : attention.log_sum_exp.data != nullptr;
}

}  // namespace

AttentionProblem read_attention(Reader& from) {
  AttentionProblem problem = read_problem(from);
  // There is nothing to compute. The number of heads is then not bounded by memory, and no loop may run over
  // it.
  const auto empty = [](const Sequence& sequence) { return sequence.query_steps == 0; };
  if (std::all_of(problem.sequences.begin(), problem.sequences.end(), empty)) problem.sequences.clear();
  return problem;
}

RowsProblem read_rows(Reader& from) {
  RowsProblem problem;
  problem.attention = read_problem(from);
  const auto& sequences = problem.attention.sequences;
  problem.keys = from.length();
  for (const Sequence& sequence : sequences) {
    if (sequence.key_steps > problem.keys) throw InvalidProblem("Expected rows to hold all keys");
  }
  problem.heads = read_indices(from, problem.attention.query_heads);
  problem.queries = read_indices(from, INT32_MAX);

  const auto rows = static_cast<int64_t>(sequences.size() * problem.heads.size());
  const Wide elements = static_cast<Wide>(rows) * static_cast<int64_t>(problem.queries.size()) * problem.keys;
  problem.scores = read_asked(from, elements);
  problem.capped_scores = read_asked(from, elements);
  problem.biased_scores = read_asked(from, elements);
  problem.weights = read_asked(from, elements);
  if (problem.scores == nullptr && problem.capped_scores == nullptr && problem.biased_scores == nullptr &&
      problem.weights == nullptr && elements > 0) {
    throw InvalidProblem("Expected something to be asked for");
  }
  if (problem.weights != nullptr && elements > 0 && !has_what_weights_are_made_from(problem.attention)) {
    throw InvalidProblem(
        "Expected weights to come with the logSumExp or the choices that they are made from");
  }
  return problem;
}

}  // namespace heed
