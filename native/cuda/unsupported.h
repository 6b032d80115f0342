// A problem that the CUDA backend does not support; thrown before anything is launched.
#pragma once

#include <stdexcept>
#include <string>

namespace heed::cuda {

struct Unsupported : std::runtime_error {
  explicit Unsupported(const std::string& what)
      : std::runtime_error("The cuda backend does not support " + what) {}
};

}  // namespace heed::cuda
