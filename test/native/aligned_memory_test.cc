// Tests memory for vectors: its alignment, and that all of it is there.
#include "core/aligned_memory.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>

#include "support/random.h"

namespace heed::test {

TEST_CASE("aligned memory is aligned, and all of it can be written") {
  for (uint64_t stream = 0; stream < problems(); ++stream) {
    CAPTURE(stream);
    Random random(6'400'000 + stream);
    const int64_t large_page = int64_t{1} << 21;
    // Around whole large pages as well, where memory comes from elsewhere.
    const int64_t bytes = random.chance(0.5) ? random.integer(1, 300'000)
                                             : large_page * random.integer(1, 3) + random.integer(-65, 65);
    CAPTURE(bytes);
    const AlignedMemory memory = aligned_memory(static_cast<size_t>(bytes));
    const auto address = reinterpret_cast<uintptr_t>(memory.get());
    CHECK(address % (bytes >= large_page ? static_cast<uintptr_t>(large_page) : 64) == 0);
    auto* written = static_cast<uint8_t*>(memory.get());
    std::memset(written, 0xa5, static_cast<size_t>(bytes));
    CHECK(written[0] == 0xa5);
    CHECK(written[bytes - 1] == 0xa5);
  }
}

}  // namespace heed::test
