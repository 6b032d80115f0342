// The emulator's bodies as a library with one function, for a program that contains CUDA bodies of the same
// names.
#include <algorithm>
#include <vector>

#include "device/run.h"

extern "C" __attribute__((visibility("default"))) void heed_emulate_primitive(const char* name,
                                                                              const uint32_t* in,
                                                                              uint32_t* out) {
  for (const heed::cuda::Primitive& primitive : heed::cuda::primitives()) {
    if (primitive.name != name) continue;
    const std::vector<uint32_t> result = heed::test::run(primitive, {in, in + primitive.in_words});
    std::copy(result.begin(), result.end(), out);
  }
}
