// Matrix instructions: assemble the fragments of all lanes into matrices, and disassemble the results.
#include <cstring>

#include "cuda/device/types.cuh"
#include "machine/machine.h"
#include "machine/operations.h"

namespace heed::emulator {

namespace {

using cuda::emulator::MatrixType;

// The halves of a register.
template <class T>
float low_of(uint32_t pair) {
  return cuda::thread::to_float(T{static_cast<uint16_t>(pair)});
}
template <class T>
float high_of(uint32_t pair) {
  return cuda::thread::to_float(T{static_cast<uint16_t>(pair >> 16)});
}

template <class T>
void multiply(Meeting& meeting) {
  float a[16][16], b[16][8], c[16][8];
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const auto& mine = *static_cast<const MultiplyOperands*>(meeting.operands[lane]);
    const uint32_t group = lane / 4, pair = lane % 4 * 2;
    for (uint32_t i = 0; i < 4; ++i) {
      float* at = &a[group + i % 2 * 8][pair + i / 2 * 8];
      at[0] = low_of<T>(mine.a[i]);
      at[1] = high_of<T>(mine.a[i]);
    }
    for (uint32_t i = 0; i < 2; ++i) {
      b[pair + i * 8][group] = low_of<T>(mine.b[i]);
      b[pair + i * 8 + 1][group] = high_of<T>(mine.b[i]);
    }
    for (uint32_t i = 0; i < 4; ++i) c[group + i / 2 * 8][pair + i % 2] = mine.sums[i];
  }
  for (int row = 0; row < 16; ++row) {
    for (int inner = 0; inner < 16; ++inner) {
      for (int column = 0; column < 8; ++column) c[row][column] += a[row][inner] * b[inner][column];
    }
  }
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const auto& mine = *static_cast<const MultiplyOperands*>(meeting.operands[lane]);
    for (uint32_t i = 0; i < 4; ++i) mine.sums[i] = c[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
  }
}

void run_multiply(Block& block, Meeting& meeting) {
  block.machine().site_counts.at(meeting.site).matrix_instructions += 1;
  if (static_cast<const MultiplyOperands*>(meeting.operands[0])->type == MatrixType::float16) {
    multiply<cuda::Float16>(meeting);
  } else {
    multiply<cuda::BFloat16>(meeting);
  }
}

// Checks the addresses of the rows, and counts each matrix as one pass over 8 rows of 16 bytes.
void visit_rows(Block& block, const Meeting& meeting) {
  Request request;
  request.bytes = 16;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const uintptr_t row = static_cast<const MatricesOperands*>(meeting.operands[lane])->row;
    Thread& thread = block.thread(meeting.warp, lane);
    block.access_matrix_row(thread, row, meeting.sites[lane]);
    request.lanes |= 1u << lane;
    request.addresses[lane] = row;
  }
  if (block.machine().counting)
    block.machine().site_counts.at(meeting.site).shared_loads += traffic_of(Access::shared_load, request);
}

// The 16-bit element (row, column) of matrix m.
uint16_t* element(const Meeting& meeting, uint32_t matrix, uint32_t row, uint32_t column) {
  return reinterpret_cast<uint16_t*>(
             static_cast<const MatricesOperands*>(meeting.operands[matrix * 8 + row])->row) +
         column;
}

void run_load(Block& block, Meeting& meeting) {
  visit_rows(block, meeting);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const auto& mine = *static_cast<const MatricesOperands*>(meeting.operands[lane]);
    const uint32_t group = lane / 4, pair = lane % 4 * 2;
    for (uint32_t m = 0; m < 4; ++m) {
      const uint32_t low =
          mine.transposed ? *element(meeting, m, pair, group) : *element(meeting, m, group, pair);
      const uint32_t high =
          mine.transposed ? *element(meeting, m, pair + 1, group) : *element(meeting, m, group, pair + 1);
      mine.fragments[m] = low | high << 16;
    }
  }
}

}  // namespace

const Operation multiply_matrices{"a matrix instruction", &run_multiply};
const Operation load_matrices{"a load of matrices", &run_load};

}  // namespace heed::emulator
