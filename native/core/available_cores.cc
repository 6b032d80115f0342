#include "core/available_cores.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <thread>

namespace heed {

namespace {

// "max 100000" or "150000 100000": microseconds of CPU time per period. Inside a container this is the
// container's own.
int control_group_quota() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  double quota = 0;
  double period = 0;
  if (!(file >> quota >> period) || period <= 0) return std::numeric_limits<int>::max();
  return std::max(1, static_cast<int>(std::ceil(quota / period)));
}

}  // namespace

int available_cores() {
  const int allowed = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return std::min(allowed, control_group_quota());
}

}  // namespace heed
