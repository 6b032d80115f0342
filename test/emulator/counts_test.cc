// Compares counts with numbers calculated by hand, under any schedule.
#include <doctest/doctest.h>

#include <numeric>

#include "kernels/counted.h"
#include "machine/device_memory.h"
#include "machine/machine.h"
#include "machine/requests.h"
#include "support/random.h"

namespace heed::emulator {

namespace {

// Lane l accesses begin + l · stride.
Traffic traffic(Access kind, uint32_t bytes, uintptr_t begin, uintptr_t stride, uint32_t lanes = 0xffffffff) {
  Request request;
  request.lanes = lanes;
  request.bytes = bytes;
  for (uint32_t lane = 0; lane < 32; ++lane) request.addresses[lane] = begin + lane * stride;
  return traffic_of(kind, request);
}

template <class F>
Counts count(uint64_t schedule, size_t in_size, F launch) {
  Machine machine(schedule);
  DeviceMemory in(machine, "in", DeviceMemory::Use::input, std::vector<float>(in_size, 0.25f));
  DeviceMemory out(machine, "out", DeviceMemory::Use::output, nullptr, 64 * sizeof(float));
  launch(in.as<float>(), out.as<float>());
  return machine.counts();
}

}  // namespace

TEST_CASE("sectors of global memory") {
  const auto load = [](uint32_t bytes, uintptr_t begin, uintptr_t stride, uint32_t lanes = 0xffffffff) {
    return traffic(Access::global_load, bytes, begin, stride, lanes);
  };
  CHECK(load(4, 4096, 4).transactions == 4);
  CHECK(load(4, 4096, 4).wasted() == 0);
  CHECK(load(4, 4096, 4).bytes == 128);
  CHECK(load(4, 4100, 4).transactions == 5);  // begins inside a sector
  CHECK(load(4, 4096, 32).transactions == 32);
  CHECK(load(4, 4096, 32).wasted() == 28);
  CHECK(load(16, 4096, 16).transactions == 16);
  CHECK(load(16, 4096, 16).wasted() == 0);
  CHECK(load(2, 4096, 2).transactions == 2);
  CHECK(load(4, 4096, 0).transactions == 1);  // all lanes read one number
  CHECK(load(4, 4096, 0).bytes == 4);
  CHECK(load(4, 4096, 4, 0x000000ff).transactions == 1);
}

TEST_CASE("passes over the banks of shared memory") {
  const auto load = [](uint32_t bytes, uintptr_t begin, uintptr_t stride, uint32_t lanes = 0xffffffff) {
    return traffic(Access::shared_load, bytes, begin, stride, lanes);
  };
  CHECK(load(4, 1024, 4).transactions == 1);
  CHECK(load(4, 1024, 0).transactions == 1);  // a broadcast
  CHECK(load(4, 1024, 8).transactions == 2);
  CHECK(load(4, 1024, 128).transactions == 32);
  CHECK(load(4, 1024, 132).transactions == 1);  // rows one word longer than the banks
  CHECK(load(2, 1024, 2).transactions == 1);
  CHECK(load(8, 1024, 8).transactions == 2);  // halves of the warp
  CHECK(load(8, 1024, 8).wasted() == 0);
  CHECK(load(16, 1024, 16).transactions == 4);  // quarters
  CHECK(load(16, 1024, 16).wasted() == 0);
  CHECK(load(16, 1024, 128).transactions == 32);  // eight lanes, four banks
  CHECK(load(16, 1024, 144).transactions == 4);   // as before, with rows 16 bytes longer
  CHECK(load(16, 1024, 128, 1).wasted() == 0);
}

TEST_CASE("what kernels do is counted, whatever the order of their threads") {
  test::Random random(4);
  for (int repetition = 0; repetition < 20; ++repetition) {
    const auto schedule = static_cast<uint64_t>(random.integer(0, INT32_MAX));

    for (const uint32_t stride : {1u, 2u, 8u, 32u, 33u}) {
      const Counts counts =
          count(schedule, 32, [&](const float* in, float* out) { strided(stride, in, out); });
      const uint32_t conflicts = std::gcd(stride, 32u) - 1;
      CHECK(counts.shared_stores.requests == 1);
      CHECK(counts.shared_loads.requests == 1);
      CHECK(counts.shared_stores.wasted() == conflicts);
      CHECK(counts.bank_conflicts() == 2 * conflicts);
      CHECK(counts.global_loads.transactions == 4);
      CHECK(counts.global_stores.wasted() == 0);
    }

    for (const bool exchanged : {false, true}) {
      const Counts counts =
          count(schedule, 1024, [&](const float* in, float* out) { matrix_rows(exchanged, in, out); });
      // 256 copies of 16 bytes in 8 requests, and 2 warps · 8 loads of 4 matrices, each of 8 rows.
      CHECK(counts.global_loads.requests == 8);
      CHECK(counts.global_loads.bytes == 4096);
      CHECK(counts.global_loads.wasted() == 0);
      CHECK(counts.shared_stores.transactions == 32);
      CHECK(counts.shared_loads.requests == 16);
      CHECK(counts.shared_loads.transactions == (exchanged ? 64 : 512));
      CHECK(counts.shared_loads.unavoidable == 64);
    }

    // In round i, lanes i … 31 access neighbouring addresses.
    const Counts uneven = count(schedule, 1024, [](const float* in, float* out) { ragged(in, out); });
    CHECK(uneven.global_loads.requests == 32);
    CHECK(uneven.global_loads.bytes == 4 * 33 * 16);

    const Counts all = count(schedule, 64, [](const float* in, float* out) { busy(in, out); });
    CHECK(all.exponentials == 64 * 3);
    CHECK(all.matrix_instructions == 2 * 5);
    CHECK(all.shuffles == 2 * 2);
    CHECK(all.barriers == 1);
  }
}

TEST_CASE("counts can be asked for by function") {
  Machine machine(1);
  DeviceMemory in(machine, "in", DeviceMemory::Use::input, std::vector<float>(1024, 0.25f));
  DeviceMemory out(machine, "out", DeviceMemory::Use::output, nullptr, 64 * sizeof(float));
  matrix_rows(false, in.as<float>(), out.as<float>());
  const Counts counts = machine.counts_within("load_rows");
  CHECK(counts.shared_loads.transactions == 512);
  CHECK(counts.global_stores.requests == 2);
  CHECK(counts.global_loads.requests == 0);
  CHECK(counts.shared_stores.requests == 0);
  CHECK(machine.count_table().find("counted.cu:") != std::string::npos);
}

}  // namespace heed::emulator
