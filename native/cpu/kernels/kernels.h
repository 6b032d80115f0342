// The kernels of one instruction set, as its table names them; table.h says what each does. The files
// that define them are compiled once per instruction set (every_kernel.cc): -DHEED_ISA names the namespace,
// the compiler's -m flags the width. A set that only adds instructions for a few kernels shares the others
// (width.h).
#pragma once

#include "cpu/kernels/table.h"
#include "cpu/kernels/width.h"

namespace heed::cpu::HEED_ISA {

size_t forward_scratch(const AttentionParameters& parameters);
void forward(const RowBlock& block, void* scratch, const Stop& stop);

size_t panel_size(DType weight_type, int64_t inner);
void pack_panel(const void* weight, DType type, int64_t columns, int64_t inner, int64_t panel, void* out);
size_t projection_scratch(const ProjectionArguments& arguments, int64_t rows, Columns columns);
void project_panels(const ProjectionArguments& arguments, int64_t first_row, int64_t rows, Columns columns,
                    void* scratch);
void project_columns(const ProjectionArguments& arguments, Columns columns, void* scratch);

}  // namespace heed::cpu::HEED_ISA

namespace heed::cpu::HEED_SHARED {

// The same, for problems that the set's own leave to these.
size_t forward_scratch(const AttentionParameters& parameters);
void forward(const RowBlock& block, void* scratch, const Stop& stop);

size_t panel_size(DType weight_type, int64_t inner);
void pack_panel(const void* weight, DType type, int64_t columns, int64_t inner, int64_t panel, void* out);
size_t projection_scratch(const ProjectionArguments& arguments, int64_t rows, Columns columns);
void project_panels(const ProjectionArguments& arguments, int64_t first_row, int64_t rows, Columns columns,
                    void* scratch);
void project_columns(const ProjectionArguments& arguments, Columns columns, void* scratch);

size_t decode_scratch(const AttentionParameters& parameters, int64_t rows);
void decode_chunk(const RowBlock& block, int64_t first_key, int64_t last_key, const Partial& partial,
                  void* scratch, const Stop& stop);
void decode_combine(const RowBlock& block, const Partial* partials, int64_t count, void* scratch);

size_t unfused_scratch(const AttentionParameters& parameters);
void unfused_scores(const RowBlock& block, float* matrix, void* scratch, const Stop& stop);
void unfused_softmax(const RowBlock& block, float* matrix, void* scratch);
void unfused_values(const RowBlock& block, float* matrix, void* scratch, const Stop& stop);

size_t rows_scratch(const AttentionParameters& parameters, int64_t keys);
void rows(const RowsRequest& request, void* scratch);

size_t merge_scratch(int64_t width);
void merge(const void* const* outputs, const float* const* log_sum_exps, int64_t parts, float sink,
           int64_t row, int64_t width, DType type, void* output, float* log_sum_exp, void* scratch);

void append_rows(const AppendedRows& rows);

size_t normalise_scratch(int64_t width);
void normalise_rows(const NormProblem& problem, int64_t first, int64_t count, void* scratch);

void largest_of_chunks(const float* logits, int64_t count, float* largest);
void bin_weights(const float* logits, int64_t count, float highest, double temperature, float top,
                 float per_unit, double* bins);
int64_t draw_logit(const DrawnLogits& drawn);

void cast(const void* from, DType from_type, void* to, DType to_type, int64_t count);

}  // namespace heed::cpu::HEED_SHARED
