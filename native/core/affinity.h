#pragma once

#include <cstddef>
#include <functional>

namespace heed {

// Like sched_getaffinity: fills in a mask of that many bytes and returns whether it was large enough.
using ReadAffinity = std::function<bool(unsigned long* mask, size_t bytes)>;

// The number of processors in the mask, however long it is; 0 if it cannot be read.
int processors_in_affinity(const ReadAffinity& read);

// The number of processors on which the scheduler may run the calling thread: its affinity within its cpuset.
// 0 if the system does not say.
int processors_in_affinity();

}  // namespace heed
