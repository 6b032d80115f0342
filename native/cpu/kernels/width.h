// How many floats one vector register of each instruction set holds.
#pragma once

#ifndef HEED_ISA
#error "compile kernels.cc once per instruction set with -DHEED_ISA=baseline, avx2 or avx512"
#endif

namespace heed::cpu {

namespace baseline {
constexpr int lanes = 4;
}
namespace avx2 {
constexpr int lanes = 8;
}
namespace avx512 {
constexpr int lanes = 16;
}

}  // namespace heed::cpu
