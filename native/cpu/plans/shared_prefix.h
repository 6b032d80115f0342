// Sequences of a batch whose keys begin with the same pages, as those of forks of one cache do.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/plans/planned_attention.h"

namespace heed::cpu {

// Batch entries [first_entry, first_entry + entries), whose queries are all decoded, lie in memory as if they
// were steps of one sequence, and may all attend the first `keys` keys, which they have in common.
struct SharedPrefix {
  int64_t first_entry = 0;
  int64_t entries = 0;
  int64_t keys = 0;
  int64_t query_stride = 0;  // from step to step, of all entries, in elements of the query
};

// Those for which it pays to attend the common keys once for all. Depends on the sequences and their pages
// alone.
std::vector<SharedPrefix> shared_prefixes(const PlannedAttention& planned);

}  // namespace heed::cpu
