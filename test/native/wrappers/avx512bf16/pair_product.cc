#include "wrappers/avx512bf16/pair_product.h"

#include "cpu/kernels/pair_product.h"

namespace heed::cpu::HEED_ISA {

static_assert(vector_lanes == lanes);

void pair_products(const uint32_t* a, const uint32_t* b, const float* sum, float* result, float* plain) {
  store(result, pair_product(load_pairs(a), load_pairs(b), load(sum)));
  store(plain, plain_pair_product(load_pairs(a), load_pairs(b), load(sum)));
}

void rounded_pairs(const float* first, const float* second, uint32_t* result, uint32_t* plain) {
  store_pairs(result, round_pairs(load(first), load(second)));
  store_pairs(plain, plain_round_pairs(load(first), load(second)));
}

}  // namespace heed::cpu::HEED_ISA
