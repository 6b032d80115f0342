#pragma once

namespace heed {

// The number of processors that this process may use, at least 1: those in its affinity and cpuset, limited
// to the CPU quota of its control groups, rounded up.
int available_cores();

}  // namespace heed
