// What the hardware would have had to do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "machine/sites.h"

namespace heed::emulator {

// Requests of warps to one kind of memory in one direction.
struct Traffic {
  uint64_t requests = 0;  // instructions of a warp, however many of its lanes took part
  uint64_t bytes = 0;     // asked for; what several lanes ask for at once counts once
  // Global memory: sectors of 32 bytes that were touched. Shared memory: passes over the banks.
  uint64_t transactions = 0;
  uint64_t unavoidable = 0;  // as many of them as the same bytes would take at best
  uint64_t wasted() const { return transactions - unavoidable; }
  Traffic& operator+=(const Traffic& other);
};

struct Counts {
  Traffic global_loads, global_stores, shared_loads, shared_stores, atomics;
  uint64_t matrix_instructions = 0;  // of a warp
  uint64_t exponentials = 0;         // of a thread
  uint64_t shuffles = 0;             // of a warp
  uint64_t barriers = 0;             // of a block

  uint64_t bank_conflicts() const { return shared_loads.wasted() + shared_stores.wasted(); }
  Counts& operator+=(const Counts& other);
};

// Counts by the place in the kernel.
class SiteCounts {
 public:
  Counts& at(uint32_t site) {
    if (site >= counts_.size()) counts_.resize(site + 1);
    return counts_[site];
  }
  Counts total() const;
  // Of what was called, through however many inlined functions, from one whose name contains `function`.
  Counts within(const Sites& sites, std::string_view function) const;
  // A line for each line of the kernel, those that waste the most first.
  std::string table(const Sites& sites) const;

 private:
  std::vector<Counts> counts_;
};

}  // namespace heed::emulator
