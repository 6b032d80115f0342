// Memory for an operation's small tables: lists of sequences, pages, slopes. Each piece has pinned memory and
// as much device memory, and one operation after the other fills it; one copy uploads everything that an
// operation has added.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda/runtime/driver.h"
#include "cuda/runtime/memory_pool.h"

namespace heed::cuda {

class TableMemory {
 public:
  struct Piece {
    std::byte* host = nullptr;
    DeviceBlock device;
    size_t used = 0, copied = 0;
    Event* event = nullptr;  // after the last copy from it, once it is full

    size_t bytes() const { return device.bytes(); }
  };

  TableMemory(Driver& driver, MemoryPool& pool, Stream stream)
      : driver_(driver), pool_(pool), stream_(stream) {}
  // No piece may be taken.
  ~TableMemory();
  TableMemory(const TableMemory&) = delete;
  TableMemory& operator=(const TableMemory&) = delete;

  // Takes a piece with room for `bytes`, for the caller alone.
  std::unique_ptr<Piece> take(size_t bytes);
  // The caller has enqueued everything that reads from the piece.
  void give_back(std::unique_ptr<Piece> piece) noexcept;

 private:
  static constexpr size_t usual_bytes = 64 << 10;
  static constexpr size_t little = 4 << 10;  // a piece with less room is full

  std::unique_ptr<Piece> make(size_t bytes);
  void destroy(Piece& piece) noexcept;

  Driver& driver_;
  MemoryPool& pool_;
  const Stream stream_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Piece>> open_;
  std::deque<std::unique_ptr<Piece>> full_;  // in the order in which the stream passes them
};

}  // namespace heed::cuda
