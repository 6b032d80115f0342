// The wrappers of native/cpu/kernels/pair_product.h, which are compiled for one instruction set, for tests:
// what they compute and what their plain bodies do.
#pragma once

#include <cstdint>

namespace heed::cpu::avx512bf16 {

constexpr int vector_lanes = 16;

void pair_products(const uint32_t* a, const uint32_t* b, const float* sum, float* result, float* plain);
void rounded_pairs(const float* first, const float* second, uint32_t* result, uint32_t* plain);

}  // namespace heed::cpu::avx512bf16
