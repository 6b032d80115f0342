#include "cuda/launchers.h"

#include <algorithm>
#include <string>

#include "cuda/attention_decode/combine.cuh"
#include "cuda/attention_decode/kernel.cuh"
#include "cuda/attention_decode/split.h"
#include "cuda/common/aligned_rows.h"
#include "cuda/common/element_type.h"
#include "cuda/device/launch.cuh"
#include "cuda/tile_sizes.h"
#include "cuda/unsupported.h"

namespace heed::cuda {

namespace {

void check(const AttentionProblem& problem) {
  if (problem.key.type != problem.value.type) throw Unsupported("keys and values of different types");
  if (is_scaled(problem.key.type) && !is_paged(problem))
    throw Unsupported("int8 and float8 outside of caches");
  if (std::max(problem.key_width, problem.value_width) > widest_head)
    throw Unsupported("heads wider than " + std::to_string(widest_head));
  for (const Sequence& sequence : problem.sequences) {
    if (is_paged(problem) && sequence.key_start + sequence.key_steps > most_decode_keys)
      throw Unsupported("caches of 2^31 steps or more");
    if (sequence.key_steps > most_decode_keys) throw Unsupported("sequences of 2^31 keys or more");
  }
}

DecodeParameters parameters_of(const AttentionProblem& problem, const DecodeSplit& split,
                               Workspace& workspace) {
  DecodeParameters p{};
  p.attention = parameters_of(problem, workspace);
  p.entries = entries_of(split.entries, workspace);
  p.aligned = has_aligned_rows(p.attention.query) && has_aligned_keys(problem) && has_aligned_values(problem);
  p.mask_aligned = has_aligned_mask(problem);
  p.divided_rows = split.divided_rows;
  p.partial_width = static_cast<int32_t>(tiles_of(problem.value_width, combine_vector) * combine_vector);
  if (split.partials > 0) {
    p.partial_outputs =
        workspace.allocate_array<float>(static_cast<size_t>(split.partials * p.partial_width));
    p.partial_sums = workspace.allocate_array<Vector<float, 2>>(static_cast<size_t>(split.partials));
  }
  return p;
}

template <class T, int width, template <class, class> class Rows>
void launch_kernel(const DecodeParameters& p, int64_t blocks, Workspace& workspace) {
  using Sizes = DecodeTiles<T, width>;
  const MaskView& mask = p.attention.scoring.mask;
  const size_t mask_bytes = mask.data == nullptr ? 0 : decode_mask_bytes<Sizes::keys>(mask.type);
  constexpr size_t bytes = Sizes::shared_bytes + DecodePipelineOf<T, Sizes, Rows<T, Sizes>>::shared_bytes;
  launch(&attention_decode_kernel<T, width, Rows>, {blocks, Sizes::threads, bytes + mask_bytes}, workspace,
         p);
}

// PagedRows finds rows of keys and of values by one number of 32 bits, the bytes from the beginning of a
// page.
bool have_common_pages(const AttentionProblem& problem) {
  const View &key = problem.key, &value = problem.value;
  const Pages &keys = problem.pages->key, &values = problem.pages->value;
  if (keys.steps != values.steps || keys.steps > INT32_MAX) return false;
  if (problem.pages->keys.size() > UINT32_MAX) return false;
  if (key.step_stride != value.step_stride || key.head_stride != value.head_stride) return false;
  if (key.step_stride < 0 || key.head_stride < 0) return false;
  const int64_t most = UINT32_MAX / static_cast<int64_t>(size_of(key.type)) - widest_head;
  return key.step_stride <= most / keys.steps / 2 && key.head_stride <= most / problem.key_heads / 2;
}

bool have_whole_rows(const AttentionProblem& problem, int width) {
  return problem.key_width == width && problem.value_width == width && has_aligned_keys(problem) &&
         has_aligned_values(problem);
}

// The type that products take: that of queries and keys, or one that holds both. With queries of 16 bits,
// keys of scaled types have that type if QuantisedRows takes them. It must not depend on the rest of a batch.
DType type_of_products(const AttentionProblem& problem) {
  const DType query = problem.query.type, key = problem.key.type;
  if (query == key) return query;
  bool is_whole = false;
  with_tile_width(problem.key_width, problem.value_width,
                  [&](auto width) { is_whole = have_whole_rows(problem, width); });
  return is_scaled(key) && is_whole && have_common_pages(problem) ? query : DType::float32;
}

template <class T, int width>
void launch_width(const AttentionProblem& problem, const DecodeParameters& p, int64_t blocks,
                  Workspace& workspace) {
  const DType key = problem.key.type;
  if (size_of(key) < sizeof(T)) {
    if constexpr (sizeof(T) == 2)
      return launch_kernel<T, width, QuantisedRows>(p, blocks, workspace);
    else
      return launch_kernel<T, width, ConvertedRows>(p, blocks, workspace);
  }
  const bool whole = p.aligned && problem.key_width == width && problem.value_width == width;
  if (whole && !is_paged(problem)) return launch_kernel<T, width, ContiguousRows>(p, blocks, workspace);
  if (whole && have_common_pages(problem)) return launch_kernel<T, width, PagedRows>(p, blocks, workspace);
  launch_kernel<T, width, AnyRows>(p, blocks, workspace);
}

// How many blocks the device holds at once. A mask takes more shared memory, but has no say in this: it may
// belong to the rest of the batch.
int64_t blocks_held(const AttentionProblem& problem, const DeviceCapacity& capacity) {
  int blocks = 0;
  with_element_type(type_of_products(problem), [&](auto element) {
    with_tile_width(problem.key_width, problem.value_width, [&](auto width) {
      using Sizes = DecodeTiles<typename decltype(element)::type, decltype(width)::value>;
      blocks = Sizes::blocks_at_once(capacity.shared_bytes);
    });
  });
  return int64_t{capacity.multiprocessors} * blocks;
}

}  // namespace

void attention_decode(const AttentionProblem& problem, Workspace& workspace) {
  check(problem);
  const DecodeSplit split = split_of(problem, blocks_held(problem, workspace.capacity()));
  if (split.blocks == 0) return;
  const DecodeParameters p = parameters_of(problem, split, workspace);
  with_element_type(type_of_products(problem), [&](auto element) {
    with_tile_width(problem.key_width, problem.value_width, [&](auto width) {
      launch_width<typename decltype(element)::type, decltype(width)::value>(problem, p, split.blocks,
                                                                             workspace);
    });
  });
  if (split.partials == 0) return;
  const size_t shared = combine_shared_bytes(p.partial_width);
  launch(&attention_combine_kernel, {split.divided_rows, combine_threads, shared}, workspace, p);
}

}  // namespace heed::cuda
