// Plans an operation, and the problems that take a single phase of similar tasks: rows, merge, append and
// cast.
#include <algorithm>
#include <cmath>

#include "cpu/plans/planned_attention.h"

namespace heed::cpu {

namespace {

constexpr int64_t merged_rows_per_task = 256;
constexpr int64_t steps_per_task = 1024;
constexpr int64_t elements_per_task = 1 << 16;

template <class Pointer>
Pointer advance(Pointer data, DType type, int64_t elements) {
  using Byte = std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>, const char, char>;
  return static_cast<Byte*>(data) + elements * static_cast<int64_t>(size_of(type));
}

// A row past the end of its sequence has no scores and no weights.
void write_padding(const RowsRequest& row) {
  for (float* scores : {row.scores, row.capped_scores, row.biased_scores}) {
    if (scores != nullptr) std::fill_n(scores, row.keys, -INFINITY);
  }
  if (row.weights != nullptr) std::fill_n(row.weights, row.keys, 0.0F);
}

}  // namespace

Plan plan(std::span<const Problem> problems) {
  Plan whole;
  for (const Problem& problem : problems)
    std::visit([&whole](const auto& each) { plan(each, whole); }, problem);
  return whole;
}

// One task per row.
void plan(const RowsProblem& problem, Plan& plan) {
  const auto planned = std::make_shared<const PlannedAttention>(problem.attention);
  const auto request = std::make_shared<const RowsProblem>(problem);
  const auto heads = static_cast<int64_t>(problem.heads.size()),
             queries = static_cast<int64_t>(problem.queries.size());
  const int64_t tasks = static_cast<int64_t>(problem.attention.sequences.size()) * heads * queries;
  plan.push_back({tasks, [=](const TaskContext& context) {
                    const int64_t batch = context.task / (heads * queries);
                    const auto place = [&](float* array) {
                      return array ? array + context.task * request->keys : nullptr;
                    };
                    const RowsRequest row{
                        .parameters = &planned->parameters,
                        .sequence = planned->problem.sequences[batch],
                        .batch = batch,
                        .head = request->heads[context.task / queries % heads],
                        .query = request->queries[context.task % queries],
                        .keys = request->keys,
                        .scores = place(request->scores),
                        .capped_scores = place(request->capped_scores),
                        .biased_scores = place(request->biased_scores),
                        .weights = place(request->weights),
                    };
                    if (row.query >= row.sequence.query_steps) return write_padding(row);
                    planned->table.rows(row, context.scratch.reserve(
                                                 planned->table.rows_scratch(planned->parameters, row.keys)));
                  }});
}

// One task per several rows.
void plan(const MergeProblem& problem, Plan& plan) {
  struct Merging {
    MergeProblem problem;
    std::vector<const void*> outputs;
    std::vector<const float*> log_sum_exps;
  };
  auto merging = std::make_shared<Merging>();
  merging->problem = problem;
  for (const MergeProblem::Part& part : problem.parts) {
    merging->outputs.push_back(part.output);
    merging->log_sum_exps.push_back(part.log_sum_exp);
  }
  const KernelTable& table = kernels();
  plan.push_back({tasks_for(problem.rows, merged_rows_per_task),
                  [merging = std::shared_ptr<const Merging>(merging), &table](const TaskContext& context) {
                    const MergeProblem& p = merging->problem;
                    void* scratch = context.scratch.reserve(table.merge_scratch(p.width));
                    const int64_t end = std::min(p.rows, (context.task + 1) * merged_rows_per_task);
                    const auto heads = static_cast<int64_t>(p.sinks.size());
                    for (int64_t row = context.task * merged_rows_per_task; row < end; ++row) {
                      const float sink = heads == 0 ? -INFINITY : p.sinks[row / p.rows_per_head % heads];
                      table.merge(merging->outputs.data(), merging->log_sum_exps.data(),
                                  static_cast<int64_t>(p.parts.size()), sink, row, p.width, p.type, p.output,
                                  p.log_sum_exp, scratch);
                    }
                  }});
}

// One task for the keys or the values of some heads and steps of one batch entry. Keys with outlier channels
// depend on the steps before them, so all steps of a head are one task.
void plan(const AppendProblem& problem, Plan& plan) {
  struct Task {
    const AppendProblem::Part* part;
    bool key;
    int64_t head, last_head;
    int64_t first, steps;
  };
  struct Appending {
    AppendProblem problem;
    std::vector<Task> tasks;
  };
  auto appending = std::make_shared<Appending>();
  appending->problem = problem;
  const AppendProblem& p = appending->problem;
  for (const AppendProblem::Part& part : p.parts) {
    for (const bool key : {true, false}) {
      const bool in_order = key && p.pages->key.outliers != nullptr;
      const int64_t steps = in_order ? part.steps : steps_per_task;
      const int64_t heads =
          in_order ? std::max<int64_t>(1, steps_per_task / std::max<int64_t>(1, steps)) : p.heads;
      for (int64_t first = 0; first < part.steps; first += steps) {
        for (int64_t head = 0; head < p.heads; head += heads) {
          appending->tasks.push_back({&part, key, head, std::min(p.heads, head + heads), first,
                                      std::min(steps, part.steps - first)});
        }
      }
    }
  }
  const KernelTable& table = kernels();
  const auto tasks = static_cast<int64_t>(appending->tasks.size());
  if (tasks == 0) return;
  plan.push_back(
      {tasks, [appending = std::shared_ptr<const Appending>(appending), &table](const TaskContext& context) {
         const AppendProblem& p = appending->problem;
         const Task& task = appending->tasks[context.task];
         const AppendProblem::Part& part = *task.part;
         AppendedRows rows{
             .from = task.key ? p.key : p.value,
             .to = task.key ? p.cached_key : p.cached_value,
             .width = task.key ? p.key_width : p.value_width,
             .head = task.head,
             .from_entry = part.entry,
             .from_step = part.start + task.first,
             .to_entry = part.entry,
             .to_step = part.position + task.first,
             .count = task.steps,
         };
         for (; rows.head < task.last_head; ++rows.head) table.append_rows(rows);
       }});
}

// One task for several thousand elements.
void plan(const CastProblem& problem, Plan& plan) {
  const KernelTable& table = kernels();
  plan.push_back({tasks_for(problem.count, elements_per_task), [problem, &table](const TaskContext& context) {
                    const int64_t first = context.task * elements_per_task;
                    table.cast(advance(problem.from, problem.from_type, first), problem.from_type,
                               advance(problem.to, problem.to_type, first), problem.to_type,
                               std::min(elements_per_task, problem.count - first));
                  }});
}

}  // namespace heed::cpu
