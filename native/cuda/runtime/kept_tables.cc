#include "cuda/runtime/kept_tables.h"

#include <algorithm>
#include <cstring>

namespace heed::cuda {

namespace {

// Tells most tables apart by a few of their words, so that a search compares the whole of few.
uint64_t sample_of(const std::byte* bytes, size_t count) {
  constexpr size_t words = 16;
  uint64_t sample = count;
  const size_t step = std::max<size_t>(1, count / words);
  for (size_t at = 0; at + sizeof(uint64_t) <= count; at += step) {
    uint64_t word;
    std::memcpy(&word, bytes + at, sizeof word);
    sample = (sample ^ word) * 0x9e3779b97f4a7c15;
    sample ^= sample >> 29;
  }
  return sample;
}

}  // namespace

std::shared_ptr<const DeviceBlock> KeptTables::find(const void* bytes, size_t count,
                                                    const std::function<void(std::byte* to)>& copy) {
  if (count > most_bytes / 8) return nullptr;
  const auto* const begin = static_cast<const std::byte*>(bytes);
  const uint64_t sample = sample_of(begin, count);
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(tables_, [&](const Table& table) {
    return table.sample == sample && table.content.size() == count &&
           std::memcmp(table.content.data(), begin, count) == 0;
  });
  if (found != tables_.end()) {
    tables_.splice(tables_.begin(), tables_, found);
    return found->block;
  }
  const auto block = std::make_shared<const DeviceBlock>(pool_, count);
  tables_.push_front({sample, {begin, begin + count}, block});
  bytes_ += count;
  try {
    // Under the lock: whoever finds the table launches after the copy.
    copy(block->data());
  } catch (...) {
    bytes_ -= count;
    tables_.pop_front();
    throw;
  }
  while (bytes_ > most_bytes || tables_.size() > most_tables) {
    bytes_ -= tables_.back().content.size();
    tables_.pop_back();
  }
  return block;
}

}  // namespace heed::cuda
