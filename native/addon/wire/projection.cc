#include "addon/wire/problems.h"
#include "cpu/backend.h"

namespace heed {

namespace {

void read_weight(Reader& from, ProjectionProblem& problem) {
  const Memory& memory = from.memory();
  if (memory.packed != nullptr) {
    if (from.integer(-1, -1) != -1 || memory.packed->columns() != problem.columns ||
        memory.packed->inner() != problem.inner) {
      throw InvalidProblem("Expected the packed weight to have the shape of the product");
    }
    problem.packed = memory.packed;
    return;
  }
  problem.weight_type = from.floating_type();
  if (static_cast<Wide>(problem.columns) * problem.inner > capacity(memory, problem.weight_type)) {
    throw InvalidProblem("Expected the weight to hold all elements");
  }
  problem.weight = memory.data;
}

HeadNorm read_norm(Reader& from, int64_t heads, int64_t head_width) {
  HeadNorm norm;
  const Memory* memory = from.optional_memory();
  if (memory == nullptr) return norm;
  const Memory* bias = from.optional_memory();
  norm.heads = from.integer(1, largest_axis);
  norm.centered = from.flag();
  norm.shared = from.flag();
  norm.epsilon = static_cast<float>(from.real());
  if (heads % norm.heads != 0)
    throw InvalidProblem("Expected a norm of heads that divide those of the target");
  const int64_t elements = head_width * (norm.shared ? norm.heads : heads);
  for (const Memory* factors : {memory, bias}) {
    if (factors != nullptr && elements > capacity(*factors, DType::float32))
      throw InvalidProblem("Expected a norm to have one weight for each element of a head");
  }
  norm.weight = static_cast<const float*>(memory->data);
  if (bias != nullptr) norm.bias = static_cast<const float*>(bias->data);
  return norm;
}

Rotation read_rotation(Reader& from, int64_t head_width) {
  Rotation rotation;
  const int64_t width = from.integer(-1, head_width);
  if (width == -1) return rotation;
  if (width % 2 != 0) throw InvalidProblem("Expected a rotation of pairs");
  rotation.width = width;
  rotation.interleaved = from.flag();
  rotation.rows = from.integer(1, largest_integer);
  const Wide elements = static_cast<Wide>(rotation.rows) * (width / 2);
  rotation.cos = static_cast<const float*>(from.contiguous(DType::float32, elements));
  rotation.sin = static_cast<const float*>(from.contiguous(DType::float32, elements));
  return rotation;
}

Epilogue read_epilogue(Reader& from, const Memory*& residual) {
  Epilogue epilogue;
  epilogue.activation = static_cast<Activation>(from.integer(0, static_cast<int64_t>(Activation::relu)));
  epilogue.gated = from.flag();
  epilogue.softcap = static_cast<float>(from.real());
  residual = from.optional_memory();
  if (residual != nullptr) epilogue.residual = residual->data;
  return epilogue;
}

ProjectionTarget read_target(Reader& from, const ProjectionProblem& problem, const Memory* residual) {
  ProjectionTarget target;
  target.first_column = from.integer(0, problem.columns);
  target.columns = from.integer(0, problem.columns - target.first_column);
  target.head_width = from.integer(1, largest_axis);
  if (target.columns % target.head_width != 0)
    throw InvalidProblem("Expected the head width to divide the columns");
  const int64_t each = problem.epilogue.columns_per_element();
  if (target.first_column % each != 0 || target.head_width % each != 0)
    throw InvalidProblem("Expected the gates of a target to come in pairs of columns");
  const auto view = EncodedView::read(from);
  const int64_t entries = problem.steps == 0 ? 0 : (problem.rows + problem.steps - 1) / problem.steps;
  for (const Memory* memory : {view.memory, residual}) {
    if (memory == nullptr) continue;
    require_inside(*memory, view.type, 0,
                   {{entries, view.batch_stride},
                    {target.columns / target.head_width, view.head_stride},
                    {problem.steps, view.step_stride}},
                   target.head_width / each);
  }
  // Targets do not broadcast, so the size of the memory bounds the work.
  if (static_cast<Wide>(problem.rows) * (target.columns / each) > capacity(*view.memory, view.type)) {
    throw InvalidProblem("Expected a target not to touch an element twice");
  }
  target.view = view.as<MutableView>();
  target.norm = read_norm(from, target.columns / target.head_width, target.head_width);
  target.rotation = read_rotation(from, target.head_width);
  return target;
}

}  // namespace

ProjectionProblem read_projection(Reader& from) {
  ProjectionProblem problem;
  problem.rows = from.length();
  problem.steps = from.integer(problem.rows > 0 ? 1 : 0, largest_integer);
  problem.inner = from.integer(0, largest_axis);
  problem.columns = from.integer(0, largest_axis);
  const Memory& input = from.memory();
  problem.input_type = from.floating_type();
  if (static_cast<Wide>(problem.rows) * problem.inner > capacity(input, problem.input_type)) {
    throw InvalidProblem("Expected the input to hold all elements");
  }
  problem.input = input.data;
  read_weight(from, problem);
  problem.bias = from.list<float>();
  if (!problem.bias.empty() && static_cast<int64_t>(problem.bias.size()) != problem.columns) {
    throw InvalidProblem("Expected one bias for each column");
  }
  const Memory* residual = nullptr;
  problem.epilogue = read_epilogue(from, residual);
  const int64_t targets = from.count(10);
  if (problem.epilogue.present() && targets > 1)
    throw InvalidProblem("Expected one target where there is an epilogue");
  for (int64_t left = targets; left > 0; --left) {
    problem.targets.push_back(read_target(from, problem, residual));
    if (problem.epilogue.present() && problem.targets.back().whole_heads())
      throw InvalidProblem("Expected no norm and no rotation where there is an epilogue");
  }
  return problem;
}

}  // namespace heed
