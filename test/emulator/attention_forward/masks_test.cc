// Tests masks in attention_forward on the emulator: results against the float64 oracle, and costs.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "cuda/launchers.h"
#include "machine/device_memory.h"
#include "support/attention_truth.h"
#include "support/dense_attention.h"
#include "support/drawn.h"

namespace heed::emulator {

namespace {

using test::Buffer;
using test::Random;

struct MaskedForward : DenseAttention {
  MaskedForward(Random& random, DType type, int64_t batch, int64_t group, int64_t rows, int64_t keys,
                int64_t width)
      : DenseAttention(random, type, batch, 1, group, rows, keys, width) {
    problem.scoring.window.right = unbounded;
  }
  void solve(Machine& machine) {
    solve_on(machine, [](const AttentionProblem& on_device, cuda::Workspace& workspace) {
      cuda::attention_forward(on_device, workspace);
    });
    check_against_oracle(problem, &output);
  }
};

// A mask on the device; any axis may have a single element.
struct Mask {
  int64_t batch, heads, queries, keys;

  int64_t size() const { return batch * heads * queries * keys; }
  MaskView view(const void* data, DType type) const {
    return {data,
            type,
            batch > 1 ? heads * queries * keys : 0,
            heads > 1 ? queries * keys : 0,
            queries > 1 ? keys : 0,
            keys > 1 ? 1 : 0};
  }
};

// The document of each step, for consecutive documents in a sequence; a document may attend only itself. One
// of them begins at `start`, whatever else is drawn.
std::vector<int64_t> documents(Random& random, int64_t steps, int64_t start = 0) {
  std::vector<int64_t> document;
  for (int64_t step = 0, of = 0; step < steps; ++step) {
    if (random.chance(0.015) || (step > 0 && step == start)) ++of;
    document.push_back(of);
  }
  return document;
}

// The expected counts of the emulator for a mask that is read tile by tile.
struct Tiles {
  int64_t read = 0, some = 0;

  Tiles(const Buffer& mask, int64_t rows, int64_t keys, int64_t tile_rows, int64_t tile_keys) {
    for (int64_t r = 0; r < rows; r += tile_rows) {
      for (int64_t k = 0; k < keys; k += tile_keys) {
        int64_t left = 0, unchanged = 0;
        for (int64_t i = 0; i < tile_rows * tile_keys; ++i) {
          const double element = mask[(r + i / tile_keys) * keys + k + i % tile_keys];
          const bool boolean = mask.type() == DType::boolean;
          left += boolean ? element != 0 : element != -INFINITY;
          unchanged += boolean ? element != 0 : element == 0;
        }
        read += left > 0;
        some += left > 0 && unchanged < tile_rows * tile_keys;
      }
    }
  }
};

}  // namespace

TEST_CASE("attention_forward: masks of documents, in every broadcast form and layout, on random schedules") {
  for (uint64_t stream = 0; stream < test::problems(); ++stream) {
    CAPTURE(stream);
    Random random(8'000'000 + stream);
    const int64_t batch = random.integer(1, 2), group = random.integer(1, 2), rows = random.integer(1, 300),
                  keys = random.integer(1, 300);
    const DType type = random.pick({DType::float16, DType::bfloat16, DType::float32});
    MaskedForward made(random, type, batch, group, rows, keys,
                       random.pick<int64_t>({16, 64, 72, 128, 160, 260}));
    if (random.chance(0.3)) made.problem.scoring.window.left = random.integer(0, 100);
    if (random.chance(0.3)) made.problem.scoring.softcap = 3;
    if (random.chance(0.3))
      made.problem.scoring.alibi_slopes =
          made.problem.keep(std::vector<float>(static_cast<size_t>(group), 0.1F));
    for (Sequence& sequence : made.problem.sequences) sequence.key_steps = random.integer(0, keys);
    const auto axis = [&](int64_t length) { return random.chance(0.3) ? 1 : length; };
    const Mask shape{axis(batch), axis(group), axis(rows), axis(keys)};
    const DType mask_type = random.pick({DType::boolean, DType::boolean, DType::float32, type});
    Buffer mask(mask_type, shape.size());
    const std::vector<int64_t> of = documents(random, std::max(rows, keys));
    for (int64_t i = 0; i < mask.size(); ++i) {
      const auto query = static_cast<size_t>(i / shape.keys % shape.queries),
                 key = static_cast<size_t>(i % shape.keys);
      const bool keep = of[query] == of[key] && !random.chance(0.002);
      mask.set(i, mask_type == DType::boolean ? keep : !keep ? -INFINITY : of[key] % 2 == 0 ? 0 : 0.5);
    }
    Machine machine(schedule(random));
    const auto bytes = static_cast<size_t>(mask.size()) * size_of(mask_type);
    const DeviceMemory memory(machine, "mask", DeviceMemory::Use::input, mask.data(), bytes,
                              random.pick<size_t>({0, 0, size_of(mask_type)}));
    made.problem.scoring.mask = shape.view(memory.data(), mask_type);
    // Sometimes transposes the mask in memory, so that its keys are not neighbours.
    if (random.chance(0.2)) {
      made.problem.scoring.mask.key_stride = shape.keys > 1 ? shape.queries : 0;
      made.problem.scoring.mask.query_stride = shape.queries > 1 ? 1 : 0;
    }
    made.solve(machine);
  }
}

TEST_CASE(
    "attention_forward: reads no tile that a mask leaves nothing of, and a mask only where it leaves some") {
  for (const DType type : types) {
    for (const DType mask_type : {DType::boolean, DType::float32}) {
      Random random(31);
      constexpr int64_t rows = 512, keys = 512, width = 64, tile_rows = 128, tile_keys = 32;
      MaskedForward made(random, type, 1, 1, rows, keys, width);
      Buffer mask(mask_type, rows * keys);
      // The first rows belong to other documents than the last keys, so that at least one tile is skipped.
      const std::vector<int64_t> of = documents(random, rows, random.integer(tile_rows, keys - tile_keys));
      for (int64_t i = 0; i < mask.size(); ++i) {
        const bool keep = of[static_cast<size_t>(i / keys)] == of[static_cast<size_t>(i % keys)] ||
                          (i / keys < tile_rows && i % keys < 3 * tile_keys);
        mask.set(i, mask_type == DType::boolean ? keep : keep ? 0 : -INFINITY);
      }
      const Tiles tiles(mask, rows, keys, tile_rows, tile_keys);
      REQUIRE(tiles.read < rows / tile_rows * (keys / tile_keys));
      REQUIRE(tiles.some < tiles.read);
      Machine machine(schedule(random));
      const DeviceMemory memory(machine, "mask", DeviceMemory::Use::input, mask.data(),
                                static_cast<size_t>(mask.size()) * size_of(mask_type));
      made.problem.scoring.mask = {memory.data(), mask_type, 0, 0, keys, 1};
      made.solve(machine);
      const auto row = static_cast<uint64_t>(width) * size_of(type);
      CHECK(machine.counts_within("copy_rows").global_loads.bytes ==
            2 * static_cast<uint64_t>(tiles.read) * tile_keys * row);
      const char* reader = mask_type == DType::boolean ? "exclude_by_bits" : "add_neighbours";
      CHECK(machine.counts_within(reader).global_loads.bytes ==
            static_cast<uint64_t>(tiles.some) * tile_rows * tile_keys * size_of(mask_type));
    }
  }
}

TEST_CASE("attention_forward: nothing is read where a mask leaves nothing at all") {
  Random random(32);
  for (const DType type : types) {
    constexpr int64_t rows = 130, keys = 200, width = 40;
    MaskedForward made(random, type, 1, 2, rows, keys, width);
    for (int64_t i = 0; i < made.key.size(); ++i) made.key.set(i, NAN);
    for (int64_t i = 0; i < made.value.size(); ++i) made.value.set(i, NAN);
    Machine machine(schedule(random));
    const DeviceMemory mask(machine, "mask", DeviceMemory::Use::input, std::vector<uint8_t>(keys));
    made.problem.scoring.mask = {mask.data(), DType::boolean, 0, 0, 0, 1};
    made.solve(machine);
    CHECK(machine.counts_within("start_values").global_loads.bytes == 0);
    CHECK(machine.counts_within("start_keys").global_loads.bytes == 0);
  }
}

TEST_CASE("attention_forward: reads masks in whole sectors, each element once for each row that has it") {
  Random random(20);
  for (const DType type : types) {
    for (const int64_t width : {64, 128}) {
      for (const DType mask_type : {DType::boolean, DType::float32, DType::float16, DType::bfloat16}) {
        constexpr int64_t rows = 128, keys = 256;
        CAPTURE(static_cast<int>(type));
        CAPTURE(static_cast<int>(mask_type));
        MaskedForward made(random, type, 1, 1, rows, keys, width);
        Buffer values(mask_type, rows * keys);
        for (int64_t i = 0; i < values.size(); ++i)
          values.set(i, mask_type == DType::boolean ? random.chance(0.5) : random.integer(-64, 64) / 32.0);
        const auto bytes = static_cast<uint64_t>(rows * keys) * size_of(mask_type);
        Machine machine(schedule(random));
        const DeviceMemory mask(machine, "mask", DeviceMemory::Use::input, values.data(), bytes);
        made.problem.scoring.mask = {mask.data(), mask_type, 0, 0, keys, 1};
        made.solve(machine);
        for (const char* reader :
             {mask_type == DType::boolean ? "exclude_by_bits" : "add_neighbours", "read_mask"}) {
          const Counts counts = machine.counts_within(reader);
          CHECK(counts.global_loads.bytes == bytes);
          CHECK(counts.global_loads.wasted() == 0);
        }
        // All rows share one mask.
        made.problem.scoring.mask.query_stride = 0;
        Machine another(schedule(random));
        another.input(mask.data(), bytes, "mask");
        made.solve(another);
        const Counts common =
            another.counts_within(mask_type == DType::boolean ? "exclude_by_common_bits" : "add_neighbours");
        CHECK(common.global_loads.bytes > 0);
        CHECK(common.global_loads.wasted() == 0);
        if (mask_type == DType::boolean)
          CHECK(common.global_loads.bytes == keys * static_cast<uint64_t>(width == 64 ? 4 : 8));
      }
    }
  }
}

}  // namespace heed::emulator
