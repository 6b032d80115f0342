// Plans unfused attention as three phases over score matrices that hold every score of every head at once.
#include <algorithm>

#include "cpu/plans/planned_attention.h"

namespace heed::cpu {

namespace {

struct Block {
  int64_t batch, key_head, first_row, rows;
  int64_t matrix;  // the offset of its scores
};

struct Matrices {
  std::vector<Block> blocks;
  int64_t size = 0;
};

Matrices lay_out(const PlannedAttention& planned) {
  Matrices matrices;
  const int64_t size = planned.table.row_block;
  for (int64_t batch = 0; batch < static_cast<int64_t>(planned.problem.sequences.size()); ++batch) {
    const Sequence& sequence = planned.problem.sequences[batch];
    const int64_t rows = planned.rows_of(sequence);
    for (int64_t head = 0; head < planned.parameters.key_heads; ++head) {
      for (int64_t first = 0; first < rows; first += size) {
        matrices.blocks.push_back({batch, head, first, std::min(size, rows - first), matrices.size});
        matrices.size += size * sequence.key_steps;
      }
    }
  }
  return matrices;
}

}  // namespace

void plan_unfused(const AttentionProblem& problem, Plan& plan) {
  const auto planned = std::make_shared<const PlannedAttention>(problem);
  const auto matrices = std::make_shared<const Matrices>(lay_out(*planned));
  const std::shared_ptr<float[]> scores(new float[matrices->size]);
  const auto phase = [&](auto run) {
    plan.push_back({static_cast<int64_t>(matrices->blocks.size()), [=](const TaskContext& context) {
                      const Block& b = matrices->blocks[context.task];
                      const RowBlock block{&planned->parameters,
                                           planned->problem.sequences[b.batch],
                                           b.batch,
                                           b.key_head,
                                           b.first_row,
                                           b.rows};
                      void* scratch =
                          context.scratch.reserve(planned->table.unfused_scratch(planned->parameters));
                      run(planned->table, block, scores.get() + b.matrix, scratch, stop_of(context));
                    }});
  };
  phase([](const KernelTable& table, const RowBlock& block, float* matrix, void* scratch, const Stop& stop) {
    table.unfused_scores(block, matrix, scratch, stop);
  });
  phase([](const KernelTable& table, const RowBlock& block, float* matrix, void* scratch, const Stop&) {
    table.unfused_softmax(block, matrix, scratch);
  });
  phase([](const KernelTable& table, const RowBlock& block, float* matrix, void* scratch, const Stop& stop) {
    table.unfused_values(block, matrix, scratch, stop);
  });
}

}  // namespace heed::cpu
