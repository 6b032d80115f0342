// The interface between the planners and the kernels of one instruction set: plain structs and function
// pointers. Kernels are compiled once per instruction set, so this header must not include inline code of the
// standard library: the linker would keep one copy of it, possibly one that an older processor cannot run.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/attention.h"
#include "core/epilogue.h"
#include "core/norm.h"
#include "core/view.h"

namespace heed::cpu {

// Checked between tiles; true ends the task early and leaves its output unfinished.
struct Stop {
  const void* state;
  bool (*requested)(const void* state);
  bool operator()() const { return requested(state); }
};

// Rows of one (batch entry, key head). The group's query heads are folded into the rows, query-major: row r
// is query step r / group of head key_head · group + r % group.
struct RowBlock {
  const AttentionParameters* parameters;
  Sequence sequence;
  int64_t batch;
  int64_t key_head;
  int64_t first_row;
  int64_t rows;
};

// The maximum number of rows in the decode kernel; equals the smallest lane count of any register tile.
constexpr int64_t most_decode_rows = 8;

// Softmax state of a few rows over a chunk of keys: unnormalised output, running maximum (log2 units) and
// sum.
struct Partial {
  float* output;   // [rows, value_width]
  float* maximum;  // [rows]
  float* sum;      // [rows]
  // For hard selection:
  float* best;      // [rows], the score of the chosen key
  int64_t* choice;  // [rows], its index, or −1
};

struct RowsRequest {
  const AttentionParameters* parameters;
  Sequence sequence;
  int64_t batch;
  int64_t head;
  int64_t query;
  int64_t keys;  // columns to write; those past the sequence's keys are excluded
  float *scores, *capped_scores, *biased_scores, *weights;
};

struct ProjectionArguments {
  const void* input;
  DType input_type;
  int64_t rows, steps, inner, columns;
  const void* panels;  // packed weight, or the raw [columns, inner] weight for project_columns
  DType weight_type;
  const float* bias;
  Epilogue epilogue;
  const ProjectionTarget* targets;
  int64_t target_count;
};

// Columns [first, end) of a product.
struct Columns {
  int64_t first, end;
};

// Logits of one row in chunks, and which of them may be drawn.
constexpr int64_t logits_per_chunk = 64;
constexpr int weight_bins = 1024;
struct DrawnLogits {
  const float* logits;
  int64_t count;
  const float* largest;  // of each chunk
  float highest;         // of all; finite
  double temperature;    // from 1e-4 to 1e4
  // Only logits above the floor may be drawn, and those equal to it up to an index; all are above −∞.
  float floor;
  int64_t last_at_floor;
  double least;  // (logit − highest) / temperature of a logit that may be drawn
  uint64_t seed;
};

// Rows of one head and batch entry to write to the pages of a cache.
struct AppendedRows {
  View from;
  MutableView to;
  int64_t width;
  int64_t head;
  int64_t from_entry, from_step;
  int64_t to_entry, to_step;
  int64_t count;
};

struct KernelTable {
  int64_t lanes;

  // Fused attention of up to `row_block` rows.
  int64_t row_block;
  size_t (*forward_scratch)(const AttentionParameters& parameters);
  void (*forward)(const RowBlock& block, void* scratch, const Stop& stop);

  // Few rows, many keys: processes one chunk of keys at a time, then combines the chunks.
  size_t (*decode_scratch)(const AttentionParameters& parameters, int64_t rows);
  void (*decode_chunk)(const RowBlock& block, int64_t first_key, int64_t last_key, const Partial& partial,
                       void* scratch, const Stop& stop);
  void (*decode_combine)(const RowBlock& block, const Partial* partials, int64_t count, void* scratch);

  // The unfused path, one stage at a time, over a matrix of keys · row_block floats that holds every score of
  // the block.
  size_t (*unfused_scratch)(const AttentionParameters& parameters);
  void (*unfused_scores)(const RowBlock& block, float* matrix, void* scratch, const Stop& stop);
  void (*unfused_softmax)(const RowBlock& block, float* matrix, void* scratch);
  void (*unfused_values)(const RowBlock& block, float* matrix, void* scratch, const Stop& stop);

  size_t (*rows_scratch)(const AttentionParameters& parameters, int64_t keys);
  void (*rows)(const RowsRequest& request, void* scratch);

  // Projection over packed panels of `panel_columns` columns. The requested columns may begin and end within
  // a panel, but not within a head that must be complete.
  int64_t panel_columns;
  size_t (*panel_size)(DType weight_type, int64_t inner);  // in bytes
  void (*pack_panel)(const void* weight, DType type, int64_t columns, int64_t inner, int64_t panel,
                     void* out);
  size_t (*projection_scratch)(const ProjectionArguments& arguments, int64_t rows, Columns columns);
  void (*project_panels)(const ProjectionArguments& arguments, int64_t first_row, int64_t rows,
                         Columns columns, void* scratch);
  // Projection with an unpacked weight, for so few rows that packing would cost more than it saves. No target
  // may require complete heads.
  void (*project_columns)(const ProjectionArguments& arguments, Columns columns, void* scratch);

  size_t (*merge_scratch)(int64_t width);
  // A sink of −∞ is none.
  void (*merge)(const void* const* outputs, const float* const* log_sum_exps, int64_t parts, float sink,
                int64_t row, int64_t width, DType type, void* output, float* log_sum_exp, void* scratch);

  void (*append_rows)(const AppendedRows& rows);

  size_t (*normalise_scratch)(int64_t width);
  void (*normalise_rows)(const NormProblem& problem, int64_t first, int64_t count, void* scratch);

  // The largest of each chunk of logits; NaN where a chunk has one.
  void (*largest_of_chunks)(const float* logits, int64_t count, float* largest);
  // Adds the weight exp((logit − highest) / temperature) of each logit to bin (top − logit) · per_unit,
  // rounded down, or to the last one, weight_bins. Weights are float32, and sums float64. No logit is above
  // the top.
  void (*bin_weights)(const float* logits, int64_t count, float highest, double temperature, float top,
                      float per_unit, double* bins);
  // The index of the logit drawn; see lib/backends/reference/sample.ts.
  int64_t (*draw_logit)(const DrawnLogits& drawn);

  // Converts contiguous elements, rounding to nearest even.
  void (*cast)(const void* from, DType from_type, void* to, DType to_type, int64_t count);
};

// One namespace per instruction set; see kernels.h.
namespace baseline {
extern const KernelTable table;
}
namespace avx2 {
extern const KernelTable table;
}
namespace avx512 {
extern const KernelTable table;
}
namespace avx512bf16 {
extern const KernelTable table;
}

}  // namespace heed::cpu
