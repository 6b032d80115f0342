#pragma once

namespace heed {

// Processors that this process may use, at least 1: those of its affinity and its cpuset, but no more than
// its control groups leave it time for, rounded up.
int available_cores();

}  // namespace heed
