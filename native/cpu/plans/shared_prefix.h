// Sequences of a batch whose keys begin with the same pages, like those of forks of one cache.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/plans/planned_attention.h"

namespace heed::cpu {

// Batch entries [first_entry, first_entry + entries), whose queries are all decoded and lie in memory like
// steps of one sequence. All of them may attend the first `keys` keys, which they share: a multiple of
// decode_chunk_keys.
struct SharedPrefix {
  int64_t first_entry = 0;
  int64_t entries = 0;
  int64_t keys = 0;
  int64_t query_stride = 0;  // between steps, across all entries, in elements of the query
};

// The prefixes whose common keys are cheaper to attend once for all entries. Depends only on the sequences
// and their pages.
std::vector<SharedPrefix> shared_prefixes(const PlannedAttention& planned);

}  // namespace heed::cpu
