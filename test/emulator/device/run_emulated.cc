#include "device/run.h"
#include "machine/device_memory.h"
#include "machine/machine.h"
#include "support/random.h"

namespace heed::test {

std::vector<uint32_t> run(const cuda::Primitive& primitive, const std::vector<uint32_t>& in) {
  static Random random(77);
  emulator::Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
  const size_t out_bytes = primitive.out_words * sizeof(uint32_t);
  emulator::DeviceMemory from(machine, "in", emulator::DeviceMemory::Use::input, in);
  emulator::DeviceMemory to(machine, "out", emulator::DeviceMemory::Use::output, nullptr, out_bytes);
  primitive.launch(from.as<uint32_t>(), to.as<uint32_t>());
  return {to.as<uint32_t>(), to.as<uint32_t>() + primitive.out_words};
}

}  // namespace heed::test
