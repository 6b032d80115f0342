#include "wrappers/integer_dot.h"

#include "cpu/kernels/integer_dot.h"

namespace heed::cpu::HEED_ISA {

static IntVec read(const void* from) {
  IntVec vector;
  __builtin_memcpy(&vector, from, sizeof vector);
  return vector;
}
static void write(IntVec vector, void* to) {
  __builtin_memcpy(to, &vector, sizeof vector);
}

static void both_pair_sums(const void* a, const void* b, void* sums, void* plain) {
  write(pair_sums(read(a), read(b)), sums);
  write(plain_pair_sums(read(a), read(b)), plain);
}
static void both_byte_sums(const void* sum, const void* a, const void* b, void* sums, void* plain) {
  write(byte_sums(read(sum), read(a), read(b)), sums);
  write(plain_byte_sums(read(sum), read(a), read(b)), plain);
}
static void both_magnitudes(const void* a, void* magnitudes, void* plain) {
  write(magnitudes_of(read(a)), magnitudes);
  write(plain_magnitudes(read(a)), plain);
}
static void both_signed_byte_sums(const void* sum, const void* a, const void* b, void* sums, void* plain) {
  const IntVec magnitudes = plain_magnitudes(read(a));
  write(signed_byte_sums(read(sum), read(a), magnitudes, read(b)), sums);
  write(plain_signed_byte_sums(read(sum), read(a), magnitudes, read(b)), plain);
}
static void both_look_up(const uint8_t (&table)[16], const void* codes, void* found, void* plain) {
  write(look_up(repeat(table), read(codes)), found);
  write(plain_look_up(repeat(table), read(codes)), plain);
}

extern const test::IntegerDotWrappers integer_dot_wrappers;
const test::IntegerDotWrappers integer_dot_wrappers = {
    .bytes = lanes * 4,
    .pair_sums = both_pair_sums,
    .byte_sums = both_byte_sums,
    .magnitudes = both_magnitudes,
    .signed_byte_sums = both_signed_byte_sums,
    .look_up = both_look_up,
};

}  // namespace heed::cpu::HEED_ISA
