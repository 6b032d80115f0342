#pragma once

#include <string>

namespace heed {

// Processors' worth of time that the control groups of this process leave it: the smallest quota of its own
// group and of those around it that can be seen, of either version of control groups; ∞ where there is none.
// May be a fraction. `root` goes before every path, for tests.
double cpu_quota(const std::string& root = "");

}  // namespace heed
