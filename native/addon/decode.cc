#include "addon/decode.h"

#include "cpu/backend.h"

namespace heed {

namespace {

enum class Kind { attention, unfused, rows, projection, merge };

void plan_next(NumberReader& numbers, const Memories& memories, Plan& plan) {
  switch (static_cast<Kind>(numbers.integer(0, static_cast<int64_t>(Kind::merge)))) {
    case Kind::attention:
      return cpu::plan_attention(decode_attention(numbers, memories), plan);
    case Kind::unfused:
      return cpu::plan_unfused(decode_attention(numbers, memories), plan);
    case Kind::rows:
      return cpu::plan_rows(decode_rows(numbers, memories), plan);
    case Kind::projection:
      return cpu::plan_projection(decode_projection(numbers, memories), plan);
    case Kind::merge:
      return cpu::plan_merge(decode_merge(numbers, memories), plan);
  }
}

}  // namespace

Plan decode(std::span<const double> encoded, std::span<const Memory> buffers) {
  NumberReader numbers(encoded);
  const Memories memories(buffers);
  Plan plan;
  for (int64_t left = numbers.count(); left > 0; --left) plan_next(numbers, memories, plan);
  numbers.expect_end();
  return plan;
}

}  // namespace heed
