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
    .decode_scratch = decode_scratch,
    .decode_chunk = decode_chunk,
    .decode_combine = decode_combine,
    .unfused_scratch = unfused_scratch,
    .unfused_scores = unfused_scores,
    .unfused_softmax = unfused_softmax,
    .unfused_values = unfused_values,
    .rows_scratch = rows_scratch,
    .rows = rows,
    .panel_columns = panel_columns,
    .panel_element_size = panel_element_size,
    .pack_panel = pack_panel,
    .projection_scratch = projection_scratch,
    .project_panels = project_panels,
    .project_columns = project_columns,
    .merge_scratch = merge_scratch,
    .merge = merge,
    .append_rows = append_rows,
    .cast = cast,
};

}  // namespace heed::cpu::HEED_ISA
