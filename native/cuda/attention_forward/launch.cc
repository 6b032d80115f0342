#include "cuda/launchers.h"

#include <algorithm>
#include <string>

#include "cuda/attention_forward/near_rows.h"
#include "cuda/attention_parameters.h"
#include "cuda/common/element_type.h"
#include "cuda/tile_sizes.h"
#include "cuda/unsupported.h"

namespace heed::cuda {

// Defined in float16.cu, bfloat16.cu and float32.cu, which are compiled in parallel.
template <class T>
void launch_forward(const AttentionProblem& problem, Workspace& workspace);

namespace {

constexpr int64_t most_keys = INT32_MAX - 4096;  // so that keys are counted in 32 bits
constexpr int64_t most_rows = int64_t{1} << 36;  // so that tiles of rows are counted in 32 bits

void check(const AttentionProblem& problem) {
  const auto differs = [&problem](DType type) { return type != problem.query.type; };
  const bool stored_alike = !differs(problem.key.type) && !differs(problem.value.type);
  if (differs(problem.output.type) || !(stored_alike || have_quantised_rows(problem)))
    throw Unsupported("queries, keys, values and outputs of different types");
  if (std::max(problem.key_width, problem.value_width) > widest_head)
    throw Unsupported("heads wider than " + std::to_string(widest_head));
  for (const Sequence& sequence : problem.sequences) {
    if (is_paged(problem) && sequence.key_start + sequence.key_steps > most_keys)
      throw Unsupported("caches of 2^31 steps or more");
    if (sequence.key_steps > most_keys) throw Unsupported("sequences of 2^31 keys or more");
    if (sequence.query_steps > most_rows) throw Unsupported("sequences of 2^36 queries or more");
  }
}

}  // namespace

void attention_forward(const AttentionProblem& problem, Workspace& workspace) {
  check(problem);
  with_element_type(problem.query.type, [&](auto element) {
    launch_forward<typename decltype(element)::type>(problem, workspace);
  });
}

}  // namespace heed::cuda
