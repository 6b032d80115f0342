#include "cuda/attention_forward.h"

#include <algorithm>

#include "cuda/attention_parameters.h"
#include "cuda/element_type.h"
#include "cuda/forward_launch.h"
#include "cuda/unsupported.h"

namespace heed::cuda {

namespace {

constexpr int64_t widest_head = 512;
constexpr int64_t most_keys = INT32_MAX - 4096;  // so that keys are counted in 32 bits
constexpr int64_t most_rows = int64_t{1} << 36;  // and tiles of rows as well

void check(const AttentionProblem& problem) {
  for (const DType type : {problem.key.type, problem.value.type, problem.output.type}) {
    if (type != problem.query.type) throw Unsupported("queries, keys, values and outputs of different types");
  }
  if (is_paged(problem)) throw Unsupported("keys and values in pages, other than by attention_decode");
  if (std::max(problem.key_width, problem.value_width) > widest_head) throw Unsupported("heads wider than 512");
  for (const Sequence& sequence : problem.sequences) {
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
