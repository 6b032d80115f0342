#include "cuda/runtime/table_memory.h"

#include <algorithm>

namespace heed::cuda {

TableMemory::~TableMemory() {
  for (const auto& piece : open_) destroy(*piece);
  for (const auto& piece : full_) destroy(*piece);
}

std::unique_ptr<TableMemory::Piece> TableMemory::take(size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto has_room = [bytes](const auto& piece) { return piece->bytes() - piece->used >= bytes; };
  const auto room = std::find_if(open_.rbegin(), open_.rend(), has_room);
  if (room != open_.rend()) {
    std::unique_ptr<Piece> piece = std::move(*room);
    open_.erase(std::next(room).base());
    return piece;
  }
  // The oldest piece may be overwritten once the stream has passed it. The device's half is always safe,
  // since later copies come later on the stream; the host's half is safe because no copy reads from it any
  // more.
  if (!full_.empty() && full_.front()->bytes() >= bytes && driver_.passed(full_.front()->event)) {
    std::unique_ptr<Piece> piece = std::move(full_.front());
    full_.pop_front();
    piece->used = piece->copied = 0;
    return piece;
  }
  return make(std::max(bytes, usual_bytes));
}

std::unique_ptr<TableMemory::Piece> TableMemory::make(size_t bytes) {
  auto piece = std::make_unique<Piece>();
  piece->device = DeviceBlock(pool_, bytes);
  try {
    piece->event = driver_.make_event();
    piece->host = static_cast<std::byte*>(driver_.allocate_pinned(bytes));
  } catch (...) {
    destroy(*piece);
    throw;
  }
  return piece;
}

void TableMemory::destroy(Piece& piece) noexcept {
  if (piece.event != nullptr) driver_.destroy_event(piece.event);
  if (piece.host != nullptr) driver_.free_pinned(piece.host);
}

void TableMemory::give_back(std::unique_ptr<Piece> piece) noexcept {
  const std::lock_guard lock(mutex_);
  try {
    if (piece->bytes() - piece->used >= little) {
      open_.push_back(std::move(piece));
    } else {
      driver_.record(piece->event, stream_);
      full_.push_back(std::move(piece));
    }
  } catch (...) {
    // The device is lost, or there is no memory for a list: this piece is not reused, because the stream may
    // still read from it.
    static_cast<void>(piece.release());
  }
}

}  // namespace heed::cuda
