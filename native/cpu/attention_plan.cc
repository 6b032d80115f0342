// Fused attention as tasks. A sequence with more than a few rows per key head goes through the forward
// kernel, a task a block of rows; one with few rows (decoding) goes through the decode kernel, a task a chunk
// of keys. Both cuts depend on the sequence alone, never on the batch or the number of threads, so that
// results do not either.
#include <algorithm>
#include <numeric>

#include "cpu/solving.h"

namespace heed::cpu {

namespace {

// Keys of one decode task. A power of two times the kernel's tile; see bench/NOTES.md.
constexpr int64_t decode_chunk = 512;

struct ForwardTask {
  int64_t batch, key_head, first_row;
};

struct DecodeTask {
  int64_t batch, key_head, first_key;
  int64_t partial;  // index of this chunk's state
};

struct DecodeGroup {
  int64_t batch, key_head;
  int64_t first_partial, chunks;
};

// Partial softmax states of all chunks, in one allocation.
class Partials {
 public:
  Partials(int64_t count, int64_t value_width) : value_width_(value_width), memory_(count * stride()) {}
  Partial at(int64_t index) {
    float* base = memory_.data() + index * stride();
    return {base, base + decode_rows * value_width_, base + decode_rows * (value_width_ + 1)};
  }

 private:
  int64_t stride() const { return decode_rows * (value_width_ + 2); }
  int64_t value_width_;
  std::vector<float> memory_;
};

RowBlock block_of(const SolvingAttention& solving, int64_t batch, int64_t key_head, int64_t first_row,
                  int64_t rows) {
  return {&solving.parameters, solving.problem.sequences[batch], batch, key_head, first_row, rows};
}

// Longest sequences first; within a head the blocks that see most keys first, so that the last tasks are the
// lightest.
std::vector<ForwardTask> forward_tasks(const SolvingAttention& solving) {
  const auto& sequences = solving.problem.sequences;
  std::vector<int64_t> order(sequences.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return sequences[a].query_steps * sequences[a].key_steps >
           sequences[b].query_steps * sequences[b].key_steps;
  });
  std::vector<ForwardTask> tasks;
  for (const int64_t batch : order) {
    const int64_t rows = solving.rows_of(sequences[batch]);
    if (rows <= decode_rows) continue;
    const int64_t block = solving.table.row_block;
    const int64_t last_block = (rows - 1) / block * block;
    for (int64_t head = 0; head < solving.parameters.key_heads; ++head) {
      for (int64_t first = last_block; first >= 0; first -= block) tasks.push_back({batch, head, first});
    }
  }
  return tasks;
}

void plan_forward(const std::shared_ptr<const SolvingAttention>& solving, Plan& plan) {
  auto tasks = std::make_shared<const std::vector<ForwardTask>>(forward_tasks(*solving));
  if (tasks->empty()) return;
  const auto count = static_cast<int64_t>(tasks->size());
  plan.push_back({count, [solving, tasks](const TaskContext& context) {
                    const ForwardTask& task = (*tasks)[context.task];
                    const int64_t left =
                        solving->rows_of(solving->problem.sequences[task.batch]) - task.first_row;
                    const RowBlock block = block_of(*solving, task.batch, task.key_head, task.first_row,
                                                    std::min(left, solving->table.row_block));
                    void* scratch =
                        context.scratch.reserve(solving->table.forward_scratch(solving->parameters));
                    solving->table.forward(block, scratch, stop_of(context));
                  }});
}

struct Decoding {
  std::vector<DecodeTask> tasks;
  std::vector<DecodeGroup> groups;
  int64_t partials = 0;
};

Decoding decode_tasks(const SolvingAttention& solving) {
  Decoding decoding;
  const auto& sequences = solving.problem.sequences;
  for (int64_t batch = 0; batch < static_cast<int64_t>(sequences.size()); ++batch) {
    const int64_t rows = solving.rows_of(sequences[batch]);
    if (rows == 0 || rows > decode_rows) continue;
    const int64_t chunks =
        std::max<int64_t>(1, (sequences[batch].key_steps + decode_chunk - 1) / decode_chunk);
    for (int64_t head = 0; head < solving.parameters.key_heads; ++head) {
      decoding.groups.push_back({batch, head, decoding.partials, chunks});
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        decoding.tasks.push_back({batch, head, chunk * decode_chunk, decoding.partials++});
      }
    }
  }
  return decoding;
}

void plan_decode(const std::shared_ptr<const SolvingAttention>& solving, Plan& plan) {
  auto decoding = std::make_shared<const Decoding>(decode_tasks(*solving));
  if (decoding->tasks.empty()) return;
  auto partials = std::make_shared<Partials>(decoding->partials, solving->parameters.value_width);
  plan.push_back({static_cast<int64_t>(decoding->tasks.size()), [=](const TaskContext& context) {
                    const DecodeTask& task = decoding->tasks[context.task];
                    const int64_t rows = solving->rows_of(solving->problem.sequences[task.batch]);
                    const RowBlock block = block_of(*solving, task.batch, task.key_head, 0, rows);
                    void* scratch =
                        context.scratch.reserve(solving->table.decode_scratch(solving->parameters, rows));
                    solving->table.decode_chunk(block, task.first_key, task.first_key + decode_chunk,
                                                partials->at(task.partial), scratch, stop_of(context));
                  }});
  plan.push_back({static_cast<int64_t>(decoding->groups.size()), [=](const TaskContext& context) {
                    const DecodeGroup& group = decoding->groups[context.task];
                    const int64_t rows = solving->rows_of(solving->problem.sequences[group.batch]);
                    std::vector<Partial> states;
                    for (int64_t i = 0; i < group.chunks; ++i)
                      states.push_back(partials->at(group.first_partial + i));
                    void* scratch =
                        context.scratch.reserve(sizeof(float) * solving->parameters.value_width + 64);
                    solving->table.decode_combine(block_of(*solving, group.batch, group.key_head, 0, rows),
                                                  states.data(), group.chunks, scratch);
                  }});
}

}  // namespace

void plan_attention(const AttentionProblem& problem, Plan& plan) {
  const auto solving = std::make_shared<const SolvingAttention>(problem);
  plan_forward(solving, plan);
  plan_decode(solving, plan);
}

}  // namespace heed::cpu
