#include "cuda/runtime/memory_pool.h"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace heed::cuda {

namespace {

std::string in_words(size_t bytes) {
  return bytes == SIZE_MAX ? "no limit" : std::to_string(bytes) + " bytes";
}

}  // namespace

MemoryPool::~MemoryPool() {
  release_cached();
}

size_t MemoryPool::rounded(size_t bytes) {
  if (bytes <= smallest) return smallest;
  if (bytes > SIZE_MAX / 4) return bytes;  // no driver provides as much
  const size_t step = std::max(smallest / 2, std::bit_floor(bytes - 1) / 8);
  return (bytes + step - 1) / step * step;
}

// The position of a size between powers of two, in eighths.
size_t MemoryPool::class_of(size_t rounded_bytes) {
  const auto power = static_cast<size_t>(std::bit_width(rounded_bytes)) - 1;
  return std::min((power - 9) * 8 + ((rounded_bytes >> (power - 3)) & 7), classes - 1);
}

void* MemoryPool::allocate(size_t bytes) {
  const std::lock_guard lock(mutex_);
  const size_t size = rounded(bytes);
  void* memory = take(size);
  if (memory == nullptr) memory = ask_driver(size);
  used_ += size;
  peak_ = std::max(peak_, used_);
  try {
    driver_.begin_use(memory, bytes, stream_);
  } catch (...) {
    used_ -= size;
    driver_.free(memory);
    --classes_[class_of(size)].blocks;
    throw;
  }
  return memory;
}

void* MemoryPool::take(size_t rounded_bytes) {
  std::vector<void*>& cached = classes_[class_of(rounded_bytes)].cached;
  if (cached.empty()) return nullptr;
  void* memory = cached.back();
  cached.pop_back();
  cached_ -= rounded_bytes;
  return memory;
}

void* MemoryPool::ask_driver(size_t rounded_bytes) {
  const auto too_much = [&] { return rounded_bytes > limit_ || used_ + cached_ > limit_ - rounded_bytes; };
  if (too_much()) release_cached();
  if (too_much()) {
    throw OutOfDeviceMemory("Not enough memory on cuda:" + std::to_string(device_) + ": " +
                            in_words(rounded_bytes) + " were asked for, " + in_words(used_) +
                            " are in use, and the limit is " + in_words(limit_));
  }
  SizeClass& size_class = classes_[class_of(rounded_bytes)];
  size_class.cached.reserve(size_class.blocks + 1);
  void* memory;
  try {
    memory = driver_.allocate(rounded_bytes);
  } catch (const OutOfDeviceMemory&) {
    release_cached();
    try {
      memory = driver_.allocate(rounded_bytes);
    } catch (const OutOfDeviceMemory& error) {
      throw OutOfDeviceMemory("Not enough memory on cuda:" + std::to_string(device_) + ": " +
                              in_words(rounded_bytes) + " were asked for, and heed uses " + in_words(used_) +
                              " (" + error.what() + ")");
    }
  }
  ++size_class.blocks;
  return memory;
}

void MemoryPool::free(void* memory, size_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  try {
    driver_.begin_use(memory, 0, stream_);
  } catch (...) {
    // begin_use() only informs tools.
  }
  const size_t size = rounded(bytes);
  classes_[class_of(size)].cached.push_back(memory);
  used_ -= size;
  cached_ += size;
}

void MemoryPool::release_cached() {
  for (SizeClass& size_class : classes_) {
    for (void* memory : size_class.cached) driver_.free(memory);
    size_class.blocks -= size_class.cached.size();
    size_class.cached.clear();
  }
  cached_ = 0;
}

void MemoryPool::set_limit(size_t bytes) {
  const std::lock_guard lock(mutex_);
  limit_ = bytes;
  if (used_ + cached_ > limit_) release_cached();
}

void MemoryPool::trim() {
  const std::lock_guard lock(mutex_);
  release_cached();
}

MemoryStatistics MemoryPool::statistics() const {
  const std::lock_guard lock(mutex_);
  return {used_, cached_, peak_, limit_};
}

}  // namespace heed::cuda
