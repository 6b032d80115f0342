// Tables that operations bring again and again, such as the bias of a projection, on the device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda/runtime/memory_pool.h"

namespace heed::cuda {

// Finds a table by its content, all of which is compared: so nobody has to tell that a table has changed, or
// is not needed any more. The tables that were used last stay.
class KeptTables {
 public:
  static constexpr size_t most_bytes = 8 << 20;  // of all tables together
  static constexpr size_t most_tables = 1024;

  explicit KeptTables(MemoryPool& pool) : pool_(pool) {}
  KeptTables(const KeptTables&) = delete;
  KeptTables& operator=(const KeptTables&) = delete;

  // The table on the device. If it is not there yet, copy(to) enqueues a copy of it, and what that throws is
  // thrown. Null for a table of more than an eighth of `most_bytes`. Whoever uses the table holds the block
  // until its use is enqueued.
  std::shared_ptr<const DeviceBlock> find(const void* bytes, size_t count,
                                          const std::function<void(std::byte* to)>& copy);

 private:
  struct Table {
    uint64_t sample;
    std::vector<std::byte> content;
    std::shared_ptr<const DeviceBlock> block;
  };

  MemoryPool& pool_;
  std::mutex mutex_;
  std::list<Table> tables_;  // the one that was used last is the first
  size_t bytes_ = 0;
};

}  // namespace heed::cuda
