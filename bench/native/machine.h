// The processor's peak performance: fused multiply-adds and reads, on one thread or several at once.
#pragma once

#include <cstddef>

namespace heed::bench {

// Operations per second, two for each multiply-add, in vectors of 4, 8 or 16 floats, a width that the
// processor must support.
double fma_peak(int lanes, int threads);

// The same, four for each product of a pair of bfloat16, in vectors of 16; 0 where the build has none.
double pairs_peak(int threads);

// Terms v tanh(a + b) of additive scores per second, with e^2a and e^2b already computed: a product, a
// reciprocal and a sum each, on one thread.
double additive_peak(int lanes);

// Bytes per second from a buffer that is read repeatedly, divided between the threads. A buffer that fits
// into a cache is read from that cache.
double read_bandwidth(size_t bytes, int lanes, int threads);

}  // namespace heed::bench
