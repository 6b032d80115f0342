// Tests on the emulator that the matrix loop of bench/gpu multiplies what it says, as often as it says: its
// speed is a ceiling for other kernels.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "../../bench/gpu/native/matrix_loop.h"
#include "machine/device_memory.h"
#include "support/half.h"
#include "support/random.h"

namespace heed::emulator {

namespace {

using test::Buffer;
using test::Random;

TEST_CASE("matrix_loop: random problems") {
  constexpr int64_t rows = 64, columns = 32, inner = 16, warps = 16;
  Random random(33);
  for (const DType type : {DType::float16, DType::bfloat16}) {
    const int64_t blocks = random.integer(1, 2), rounds = random.integer(0, 3);
    CAPTURE(blocks);
    CAPTURE(rounds);
    Machine machine(static_cast<uint64_t>(random.integer(0, INT32_MAX)));
    Buffer left(type, rows * inner), right(type, columns * inner);
    for (int64_t i = 0; i < left.size(); ++i) left.set(i, random.normal());
    for (int64_t i = 0; i < right.size(); ++i) right.set(i, random.normal());
    std::vector<float> output(static_cast<size_t>(blocks * warps * rows * columns),
                              std::numeric_limits<float>::quiet_NaN());
    const auto bytes = [&](const Buffer& buffer) {
      return static_cast<size_t>(buffer.size()) * size_of(type);
    };
    const RemoteMemory a(machine, "left", RemoteMemory::Use::input, left.data(), bytes(left)),
        b(machine, "right", RemoteMemory::Use::input, right.data(), bytes(right)),
        c(machine, "output", RemoteMemory::Use::output, nullptr, output.size() * sizeof(float));
    bench::matrix_loop(
        {a.data(), b.data(), static_cast<float*>(c.data()), blocks, rounds, static_cast<int32_t>(type)},
        nullptr);
    c.read_back(output.data());
    double worst = 0;
    for (int64_t at = 0; at < static_cast<int64_t>(output.size()); ++at) {
      const int64_t row = at / columns % rows, column = at % columns;
      double expected = 0, size = 0;
      for (int64_t k = 0; k < inner; ++k) {
        const double product = left[row * inner + k] * right[column * inner + k];
        expected += static_cast<double>(rounds) * product;
        size += static_cast<double>(rounds) * std::abs(product);
      }
      // Every addition of float32 is off by 2⁻²⁴ of what was added up so far at most, or 2⁻²³ where it
      // truncates.
      const double allowed = static_cast<double>(inner * rounds + 1) * size * 0x1p-23;
      const double error = std::abs(output[static_cast<size_t>(at)] - expected);
      worst = std::max(worst, std::isnan(error) ? 2 : allowed == 0 ? error : error / allowed);
    }
    CHECK(worst <= 1);
  }
}

TEST_CASE("matrix_loop refuses types that it has no instruction for") {
  CHECK_THROWS_AS(
      bench::matrix_loop({nullptr, nullptr, nullptr, 1, 1, static_cast<int32_t>(DType::float32)}, nullptr),
      std::invalid_argument);
}

}  // namespace

}  // namespace heed::emulator
