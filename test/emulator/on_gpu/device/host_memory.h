#pragma once

namespace heed::test {

// Reserves the pinned memory that operator new takes arrays of the tests from. Called by main, so that CUDA
// does not start while static objects are still being made. False if there is none.
bool reserve_host_memory();

}  // namespace heed::test
