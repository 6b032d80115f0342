#pragma once

#include <string>

namespace heed {

// The CPU time, in processors, that control groups grant this process: the smallest quota of its own group
// and its visible ancestors, in either version of control groups; ∞ without a quota. May be a fraction.
// `root` is prepended to every path, for tests.
double cpu_quota(const std::string& root = "");

}  // namespace heed
