// Plans projections as tasks: a block of input rows times a few panels of output columns.
#include <algorithm>

#include "core/plan.h"
#include "cpu/integer_weight.h"
#include "cpu/packed_weight.h"

namespace heed::cpu {

namespace {

constexpr int64_t rows_per_task = 64;
constexpr int64_t panels_per_task = 8;
// Up to this many rows, dot products with the unpacked weight are faster than packing it for one use.
constexpr int64_t rows_worth_no_packing = 4;
constexpr int64_t columns_per_task = 256;
// Up to this many rows, each task of an integer product quantises its input itself, which costs less than a
// phase for it does.
constexpr int64_t rows_worth_no_phase = 4;

struct PlannedProjection {
  explicit PlannedProjection(const ProjectionProblem& p) : problem(p) {}
  const ProjectionProblem problem;

  ProjectionArguments arguments(const void* weight = nullptr, DType type = DType::float32) const {
    return {
        .input = problem.input,
        .input_type = problem.input_type,
        .rows = problem.rows,
        .steps = problem.steps,
        .inner = problem.inner,
        .columns = problem.columns,
        .panels = weight,
        .weight_type = type,
        .bias = problem.bias.empty() ? nullptr : problem.bias.data(),
        .epilogue = problem.epilogue,
        .targets = problem.targets.data(),
        .target_count = static_cast<int64_t>(problem.targets.size()),
    };
  }
};

// Whether a cut here splits no head that must be complete before it is written.
bool leaves_heads_whole(const ProjectionProblem& problem, int64_t cut) {
  return std::ranges::none_of(problem.targets, [cut](const ProjectionTarget& target) {
    const int64_t within = cut - target.first_column;
    return target.whole_heads() && within > 0 && within < target.columns &&
           within % target.whole_width() != 0;
  });
}

// The end of the columns of a task that begins at `first`. Between two panels if possible, because a panel
// that is cut is multiplied twice.
int64_t end_of_task(const ProjectionProblem& problem, int64_t panel_columns, int64_t first, int64_t last) {
  const int64_t most = (first / panel_columns + panels_per_task) * panel_columns;
  if (most >= last) return last;
  for (int64_t end = most; end > first; end -= panel_columns) {
    if (leaves_heads_whole(problem, end)) return end;
  }
  for (int64_t end = most; end > first; --end) {
    if (leaves_heads_whole(problem, end)) return end;
  }
  int64_t end = most + 1;
  while (end < last && !leaves_heads_whole(problem, end)) ++end;
  return end;
}

// The columns of each task, from the first to the last panel with a requested column: a layer multiplies its
// context by only the part of the packed weight that gives keys and values.
std::vector<Columns> columns_of_tasks(const ProjectionProblem& problem, int64_t panel_columns) {
  int64_t first = problem.columns, last = 0;
  for (const ProjectionTarget& target : problem.targets) {
    first = std::min(first, target.first_column);
    last = std::max(last, target.first_column + target.columns);
  }
  std::vector<Columns> tasks;
  while (first < last) {
    const int64_t end = end_of_task(problem, panel_columns, first, last);
    tasks.push_back({first, end});
    first = end;
  }
  return tasks;
}

void plan_panels(const std::shared_ptr<const PlannedProjection>& planned,
                 const std::shared_ptr<const Panels>& owned, const Panels& panels, Plan& plan) {
  const auto tasks = columns_of_tasks(planned->problem, panels.table().panel_columns);
  const auto across = static_cast<int64_t>(tasks.size());
  plan.push_back(
      {tasks_for(planned->problem.rows, rows_per_task) * across, [=, &panels](const TaskContext& context) {
         const Panels& weight = owned ? *owned : panels;
         const int64_t first_row = context.task / across * rows_per_task;
         const int64_t rows = std::min(rows_per_task, planned->problem.rows - first_row);
         const Columns columns = tasks[context.task % across];
         const ProjectionArguments arguments = planned->arguments(weight.data(), weight.weight_type());
         void* scratch = context.scratch.reserve(weight.table().projection_scratch(arguments, rows, columns));
         weight.table().project_panels(arguments, first_row, rows, columns, scratch);
       }});
}

// The input as integers, a block for each block of rows.
class QuantisedInput {
 public:
  QuantisedInput(size_t block, int64_t blocks)
      : pitch_((block + 63) / 64 * 64),
        first_(static_cast<char*>(memory_.reserve(pitch_ * static_cast<size_t>(blocks)))) {}
  void* block(int64_t index) const { return first_ + static_cast<size_t>(index) * pitch_; }

 private:
  Scratch memory_;
  size_t pitch_;
  char* first_;
};

void plan_integers(const std::shared_ptr<const PlannedProjection>& planned, const IntegerWeight& weight,
                   Plan& plan) {
  const IntegerTable& table = weight.table();
  const IntegerPanels& panels = weight.panels();
  const auto tasks = columns_of_tasks(planned->problem, table.panel_columns);
  const auto across = static_cast<int64_t>(tasks.size());
  const int64_t all_rows = planned->problem.rows;
  if (all_rows <= rows_worth_no_phase) {
    plan.push_back({across, [=, &table, &panels](const TaskContext& context) {
                      const ProjectionArguments arguments = planned->arguments();
                      const Columns columns = tasks[context.task];
                      const size_t block = (table.quantised_size(panels, all_rows) + 63) / 64 * 64;
                      void* scratch =
                          context.scratch.reserve(block + table.scratch(arguments, all_rows, columns));
                      table.quantise_rows(arguments, panels, 0, all_rows, scratch);
                      table.project(arguments, panels, scratch, 0, all_rows, columns,
                                    static_cast<char*>(scratch) + block);
                    }});
    return;
  }
  const int64_t down = tasks_for(all_rows, rows_per_task);
  const auto input = std::make_shared<const QuantisedInput>(
      table.quantised_size(panels, std::min(all_rows, rows_per_task)), down);
  const auto rows_from = [all_rows](int64_t first) { return std::min(rows_per_task, all_rows - first); };
  plan.push_back({down, [=, &table, &panels](const TaskContext& context) {
                    const int64_t first = context.task * rows_per_task;
                    table.quantise_rows(planned->arguments(), panels, first, rows_from(first),
                                        input->block(context.task));
                  }});
  plan.push_back(
      {down * across, [=, &table, &panels](const TaskContext& context) {
         const ProjectionArguments arguments = planned->arguments();
         const int64_t index = context.task / across, first = index * rows_per_task;
         const Columns columns = tasks[context.task % across];
         void* scratch = context.scratch.reserve(table.scratch(arguments, rows_from(first), columns));
         table.project(arguments, panels, input->block(index), first, rows_from(first), columns, scratch);
       }});
}

void plan_columns(const std::shared_ptr<const PlannedProjection>& planned, Plan& plan) {
  const KernelTable& table = kernels();
  plan.push_back(
      {tasks_for(planned->problem.columns, columns_per_task), [=, &table](const TaskContext& context) {
         const int64_t first = context.task * columns_per_task;
         const Columns columns{first, std::min(first + columns_per_task, planned->problem.columns)};
         const ProjectionArguments arguments =
             planned->arguments(planned->problem.weight, planned->problem.weight_type);
         void* scratch =
             context.scratch.reserve(table.projection_scratch(arguments, arguments.rows, columns));
         table.project_columns(arguments, columns, scratch);
       }});
}

bool whole_heads(const ProjectionProblem& problem) {
  return std::ranges::any_of(problem.targets, [](const auto& target) { return target.whole_heads(); });
}

}  // namespace

void plan(const ProjectionProblem& problem, Plan& plan) {
  if (problem.rows == 0 || problem.columns == 0) return;
  const auto planned = std::make_shared<const PlannedProjection>(problem);
  if (const auto* integers = dynamic_cast<const IntegerWeight*>(problem.packed)) {
    plan_integers(planned, *integers, plan);
  } else if (problem.packed) {
    plan_panels(planned, nullptr, static_cast<const Panels&>(*problem.packed), plan);
  } else if (problem.rows <= rows_worth_no_packing && !whole_heads(problem)) {
    plan_columns(planned, plan);
  } else {
    const auto panels =
        std::make_shared<Panels>(kernels(), problem.weight_type, problem.columns, problem.inner);
    plan.push_back({panels->count(), [panels, planned](const TaskContext& context) {
                      panels->pack(planned->problem.weight, context.task);
                    }});
    plan_panels(planned, panels, *panels, plan);
  }
}

}  // namespace heed::cpu
