// Where an operation's small tables go: lists of sequences, pages, slopes. Each piece is pinned memory and as
// much of the device's, and is filled by one operation after the other; a copy takes all that an operation
// has added at once.
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
    Event* event = nullptr;  // behind the last copy out of it, once it is full

    size_t bytes() const { return device.bytes(); }
  };

  TableMemory(Driver& driver, MemoryPool& pool, Stream stream)
      : driver_(driver), pool_(pool), stream_(stream) {}
  // No piece is out.
  ~TableMemory();
  TableMemory(const TableMemory&) = delete;
  TableMemory& operator=(const TableMemory&) = delete;

  // A piece with room for so many bytes, for the caller alone.
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
  std::deque<std::unique_ptr<Piece>> full_;  // the stream passes the first of them first
};

}  // namespace heed::cuda
