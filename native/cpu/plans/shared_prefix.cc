#include "cpu/plans/shared_prefix.h"

#include <algorithm>

namespace heed::cpu {

namespace {

// Whether the contribution of a key to a row depends on nothing but the two of them.
bool may_share(const PlannedAttention& planned) {
  const AttentionParameters& p = planned.parameters;
  return p.key.pages != nullptr && p.value.pages != nullptr && p.scoring.mask.data == nullptr &&
         p.scoring.alibi_slopes == nullptr && p.scoring.window.left == unbounded &&
         p.scoring.selection.kind == SelectionKind::soft;
}

// The number of keys, from the first on, that all rows of a sequence may attend.
int64_t attended_keys(const AttentionProblem& problem, const Sequence& sequence) {
  const int64_t end = sequence.query_offset + problem.scoring.window.right + 1;
  return std::clamp<int64_t>(end, 0, sequence.key_steps);
}

// In whole chunks: the states of a sequence that shares none of its keys.
int64_t common_keys(const PageTables& tables, int64_t steps, int64_t a, int64_t b, int64_t most) {
  int64_t pages = 0;
  while (pages * steps < most &&
         tables.keys[tables.first[a] + pages] == tables.keys[tables.first[b] + pages] &&
         tables.values[tables.first[a] + pages] == tables.values[tables.first[b] + pages]) {
    ++pages;
  }
  return std::min(pages * steps, most) / decode_chunk_keys * decode_chunk_keys;
}

int64_t first_query(const PlannedAttention& planned, int64_t batch) {
  const View& query = planned.parameters.query;
  return batch * query.batch_stride + planned.problem.sequences[batch].query_start * query.step_stride;
}

}  // namespace

std::vector<SharedPrefix> shared_prefixes(const PlannedAttention& planned) {
  std::vector<SharedPrefix> prefixes;
  if (!may_share(planned)) return prefixes;
  const auto& sequences = planned.problem.sequences;
  const auto count = static_cast<int64_t>(sequences.size());
  const auto takes_part = [&](int64_t batch) {
    return sequences[batch].query_steps > 0 && is_decoded(planned, sequences[batch]);
  };
  for (int64_t first = 0, next = 1; first < count; first = next, next = first + 1) {
    if (!takes_part(first)) continue;
    const int64_t steps = sequences[first].query_steps;
    SharedPrefix prefix{first, 1, attended_keys(planned.problem, sequences[first]), 0};
    for (; next < count && takes_part(next) && sequences[next].query_steps == steps; ++next) {
      const int64_t stride = first_query(planned, next) - first_query(planned, next - 1);
      const bool one_sequence = steps == 1 || stride == steps * planned.parameters.query.step_stride;
      if (!one_sequence || (prefix.entries > 1 && stride != prefix.query_stride)) break;
      const int64_t most = std::min(prefix.keys, attended_keys(planned.problem, sequences[next]));
      const int64_t keys =
          common_keys(*planned.problem.pages, planned.parameters.key.pages->steps, first, next, most);
      // Adding an entry pays if all entries together save more, even if they share fewer keys.
      if (keys == 0 || keys * prefix.entries < prefix.keys * (prefix.entries - 1)) break;
      prefix.entries += 1;
      prefix.keys = keys;
      prefix.query_stride = stride;
    }
    if (prefix.entries == 1) continue;
    if (steps > 1) prefix.query_stride = planned.parameters.query.step_stride;
    prefixes.push_back(prefix);
  }
  return prefixes;
}

}  // namespace heed::cpu
