// Tests cast, the smallest kernel: an example of a kernel test.
#include <doctest/doctest.h>

#include "cuda/launchers.h"
#include "machine/device_memory.h"
#include "machine/machine.h"
#include "support/drawn.h"
#include "support/half.h"
#include "support/random.h"
#include "support/workspace.h"

namespace heed::emulator {

namespace {

// Both sides begin `offset` elements after an aligned address.
Counts cast_and_compare(test::Random& random, DType from_type, DType to_type, int64_t count, int64_t offset) {
  Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
  const auto bytes_of = [count](DType type) { return static_cast<size_t>(count) * size_of(type); };
  const auto offset_in = [offset](DType type) { return static_cast<size_t>(offset) * size_of(type); };
  test::Buffer values(from_type, count);
  for (int64_t i = 0; i < count; ++i) values.set(i, random.integer(-64, 64) / 32.0);
  DeviceMemory from(machine, "from", DeviceMemory::Use::input, values.data(), bytes_of(from_type),
                    offset_in(from_type));
  DeviceMemory to(machine, "to", DeviceMemory::Use::output, nullptr, bytes_of(to_type), offset_in(to_type));
  EmulatedWorkspace workspace(machine);
  cuda::cast({from.data(), from_type, to.data(), to_type, count}, workspace);
  test::Buffer result(to_type, count);
  to.read_back(result.data());
  for (int64_t i = 0; i < count; ++i) CHECK(result[i] == values[i]);
  return machine.counts_within("cast_kernel");
}

}  // namespace

TEST_CASE("cast: every pair of types, aligned and not") {
  test::Random random(1);
  for (const DType from : types) {
    for (const DType to : types) {
      for (const int64_t count : {0, 1, 3, 1023, 1024, 3077, 4096}) {
        cast_and_compare(random, from, to, count, 0);
        cast_and_compare(random, from, to, count, random.integer(1, 3));
      }
    }
  }
}

TEST_CASE("cast: moves whole sectors, each once") {
  test::Random random(2);
  for (const DType from : types) {
    for (const DType to : types) {
      const Counts counts = cast_and_compare(random, from, to, 4096, 0);
      CHECK(counts.global_loads.bytes == 4096 * size_of(from));
      CHECK(counts.global_loads.wasted() == 0);
      CHECK(counts.global_stores.bytes == 4096 * size_of(to));
      CHECK(counts.global_stores.wasted() == 0);
    }
  }
}

}  // namespace heed::emulator
