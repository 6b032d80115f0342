#include "core/available_cores.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "core/affinity.h"
#include "core/cpu_quota.h"

namespace heed {

int available_cores() {
  int processors = processors_in_affinity();
  if (processors == 0) processors = static_cast<int>(std::thread::hardware_concurrency());
  return std::max(1, static_cast<int>(std::min<double>(processors, std::ceil(cpu_quota()))));
}

}  // namespace heed
