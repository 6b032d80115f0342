// Runs a plan's tasks one after the other, in random order within a phase.
#pragma once

#include <algorithm>
#include <numeric>

#include "core/plan.h"
#include "support/random.h"

namespace heed::test {

inline void run(const Plan& plan, Random& random) {
  Scratch scratch;
  const Cancellation never;
  for (const Phase& phase : plan) {
    std::vector<int64_t> tasks(static_cast<size_t>(phase.tasks));
    std::iota(tasks.begin(), tasks.end(), 0);
    for (size_t i = tasks.size(); i > 1; --i)
      std::swap(tasks[i - 1], tasks[random.integer(0, static_cast<int64_t>(i) - 1)]);
    for (const int64_t task : tasks) phase.run({task, scratch, never});
  }
}

}  // namespace heed::test
