#pragma once

#include <cstddef>
#include <functional>

namespace heed {

// As sched_getaffinity: fills in a mask of that many bytes, and gives back whether they were enough.
using ReadAffinity = std::function<bool(unsigned long* mask, size_t bytes)>;

// Processors in the mask, however long it is; 0 where it cannot be read.
int processors_in_affinity(const ReadAffinity& read);

// Processors that the scheduler may run the calling thread on: its affinity, within its cpuset. 0 where the
// system does not say.
int processors_in_affinity();

}  // namespace heed
