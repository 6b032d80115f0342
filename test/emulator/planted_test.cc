// What the emulator has to find, and what it must not.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "kernels/planted.h"
#include "machine/device_memory.h"
#include "machine/machine.h"
#include "runs.h"
#include "support/random.h"

namespace heed::emulator {

namespace {

void run_planted(const PlantedBug& bug, bool planted, uint64_t schedule) {
  Machine machine(schedule);
  const std::vector<float> values(PlantedOperands::in_size, 0.5f);
  const std::vector<uint32_t> zero(1, 0);
  DeviceMemory in(machine, "in", DeviceMemory::Use::input, values);
  DeviceMemory out(machine, "out", DeviceMemory::Use::output, nullptr,
                   PlantedOperands::out_size * sizeof(float));
  DeviceMemory counter(machine, "counter", DeviceMemory::Use::in_out, zero);
  bug.launch(planted, {in.as<float>(), out.as<float>(), counter.as<uint32_t>()});
}

// Of every kind.
std::vector<PlantedBug> planted_bugs() {
  std::vector<PlantedBug> bugs;
  for (const auto& kind :
       {planted_races(), planted_barriers(), planted_unwritten(), planted_addresses(), planted_lanes()})
    bugs.insert(bugs.end(), kind.begin(), kind.end());
  return bugs;
}

std::string source_line(const std::string& file, int number) {
  std::ifstream source(std::string(HEED_ROOT) + "/" + file);
  std::string line;
  for (int i = 0; i < number; ++i) std::getline(source, line);
  return line;
}

}  // namespace

TEST_CASE("planted bugs are found within 8 schedules, at their lines") {
  test::Random random(1);
  const std::vector<PlantedBug> bugs = planted_bugs();
  CHECK(bugs.size() >= 15);
  for (const PlantedBug& bug : bugs) {
    INFO(std::string(bug.name));
    bool found = false;
    for (int attempt = 0; attempt < 8 && !found; ++attempt) {
      try {
        run_planted(bug, true, static_cast<uint64_t>(random.integer(0, INT32_MAX)));
      } catch (const Fault& fault) {
        found = true;
        INFO(std::string(fault.what()));
        const bool expected = std::find(bug.kinds.begin(), bug.kinds.end(), fault.kind) != bug.kinds.end();
        CHECK(expected);
        CHECK(fault.kernel.find(bug.name) != std::string::npos);
        CHECK(fault.file.starts_with("test/emulator/kernels/planted_"));
        CHECK(source_line(fault.file, fault.line).find("// found here") != std::string::npos);
        CHECK(!fault.threads.empty());
      }
    }
    CHECK(found);
  }
}

TEST_CASE("nothing is found in the same kernels without their bugs") {
  const std::vector<PlantedBug> bugs = planted_bugs();
  for (uint64_t run_number = 0; run_number < good_runs(); ++run_number) {
    test::Random random(1000 + run_number);
    const PlantedBug& bug = bugs[run_number % bugs.size()];
    const auto schedule = static_cast<uint64_t>(random.integer(0, INT32_MAX));
    INFO(std::string(bug.name));
    CHECK_NOTHROW(run_planted(bug, false, schedule));
  }
}

}  // namespace heed::emulator
