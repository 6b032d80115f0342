// The work that the hardware would have done.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "machine/sites.h"

namespace heed::emulator {

// The requests of warps to one kind of memory in one direction.
struct Traffic {
  uint64_t requests = 0;  // instructions of a warp, regardless of how many lanes participate
  uint64_t bytes = 0;     // requested; bytes that several lanes request at once count once
  // Global memory: sectors of 32 bytes that are touched. Shared memory: passes over the banks.
  uint64_t transactions = 0;
  uint64_t unavoidable = 0;  // the minimum number for the same bytes
  uint64_t wasted() const { return transactions - unavoidable; }
  Traffic& operator+=(const Traffic& other);
};

struct Counts {
  Traffic global_loads, global_stores, shared_loads, shared_stores, atomics;
  uint64_t matrix_instructions = 0;  // per warp
  uint64_t exponentials = 0;         // per thread
  uint64_t shuffles = 0;             // per warp
  uint64_t barriers = 0;             // per block

  uint64_t bank_conflicts() const { return shared_loads.wasted() + shared_stores.wasted(); }
  Counts& operator+=(const Counts& other);
};

// Counts for each place in the kernel.
class SiteCounts {
 public:
  Counts& at(uint32_t site) {
    if (site >= counts_.size()) counts_.resize(site + 1);
    return counts_[site];
  }
  Counts total() const;
  // Counts of code called, through any number of inlined functions, from a function whose name contains
  // `function`.
  Counts within(const Sites& sites, std::string_view function) const;
  // One line per line of the kernel, the most wasteful first.
  std::string table(const Sites& sites) const;

 private:
  std::vector<Counts> counts_;
};

}  // namespace heed::emulator
