#pragma once

namespace heed {

// Cores that this process may use: its affinity mask, and the CPU quota of its control group where there is
// one.
int available_cores();

}  // namespace heed
