// What files of planted bugs share. Each kernel is right with planted = false. With planted = true it is
// wrong, and the emulator has to say so at a line that is marked "found here".
#pragma once

#include "cuda/device/block.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/device/thread.cuh"
#include "kernels/planted.h"
#include "machine/fault.h"

namespace heed::emulator {

namespace block = cuda::block;
namespace thread = cuda::thread;

template <auto good, auto bad, uint32_t blocks, uint32_t threads, size_t shared_floats>
void start_planted(bool planted, const PlantedOperands& operands) {
  cuda::launch(planted ? bad : good, {blocks, threads, shared_floats * sizeof(float)}, nullptr, operands);
}

#define HEED_PLANTED(name, blocks, threads, shared_floats, ...) \
  { #name, {__VA_ARGS__ }, &start_planted < &name < false>, &name < true>, blocks, threads, shared_floats> }

}  // namespace heed::emulator
