// What the processor can do at best: fused multiply-adds and reading, on one thread or on several at once.
#pragma once

#include <cstddef>

namespace heed::bench {

// Operations a second, two for each multiply-add, in vectors of 4, 8 or 16 floats: a width that the processor
// has.
double fma_peak(int lanes, int threads);

// Terms v tanh(a + b) of additive scores a second, once e^2a and e^2b are there: a product, a reciprocal and
// a sum each, on one thread.
double additive_peak(int lanes);

// Bytes a second, of a buffer that is read again and again, divided between the threads. What fits a cache
// comes from there.
double read_bandwidth(size_t bytes, int lanes, int threads);

}  // namespace heed::bench
