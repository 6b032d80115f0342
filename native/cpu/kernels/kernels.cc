// The table of one instruction set.
#include "cpu/kernels/kernels.h"

#include "cpu/kernels/row_group.h"
#include "cpu/kernels/tiles.h"

namespace heed::cpu::HEED_ISA {

static_assert(row_block % group_rows == 0);
static_assert(most_decode_rows <= group_rows);

extern const KernelTable table;
const KernelTable table = {
    .lanes = lanes,
    .row_block = row_block,
    .forward_scratch = forward_scratch,
    .forward = forward,
    .decode_scratch = HEED_SHARED::decode_scratch,
    .decode_chunk = HEED_SHARED::decode_chunk,
    .decode_combine = HEED_SHARED::decode_combine,
    .unfused_scratch = HEED_SHARED::unfused_scratch,
    .unfused_scores = HEED_SHARED::unfused_scores,
    .unfused_softmax = HEED_SHARED::unfused_softmax,
    .unfused_values = HEED_SHARED::unfused_values,
    .rows_scratch = HEED_SHARED::rows_scratch,
    .rows = HEED_SHARED::rows,
    .panel_columns = panel_columns,
    .panel_size = panel_size,
    .pack_panel = pack_panel,
    .projection_scratch = projection_scratch,
    .project_panels = project_panels,
    .project_columns = project_columns,
    .merge_scratch = HEED_SHARED::merge_scratch,
    .merge = HEED_SHARED::merge,
    .append_rows = HEED_SHARED::append_rows,
    .normalise_scratch = HEED_SHARED::normalise_scratch,
    .normalise_rows = HEED_SHARED::normalise_rows,
    .largest_of_chunks = HEED_SHARED::largest_of_chunks,
    .bin_weights = HEED_SHARED::bin_weights,
    .draw_logit = HEED_SHARED::draw_logit,
    .cast = HEED_SHARED::cast,
};

}  // namespace heed::cpu::HEED_ISA
