// One block of a running kernel: its threads as fibers, and their state.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cuda/device/emulator.h"
#include "machine/clock.h"
#include "machine/fault.h"
#include "machine/fiber.h"
#include "machine/global_memory.h"
#include "machine/random.h"
#include "machine/requests.h"
#include "machine/shadow.h"

namespace heed::emulator {

class Block;
class Machine;

enum class Waiting : uint8_t { nothing, warp, block };

struct AsyncCopy {
  uintptr_t to = 0, from = 0;
  uint32_t bytes = 0, valid_bytes = 0, site = 0;
};

struct Thread {
  Block* block = nullptr;
  uint32_t index = 0, lane = 0, warp = 0;
  Fiber fiber;
  uintptr_t stack_bottom = 0, stack_top = 0;
  bool done = false;

  Tick tick = 0;                     // of its last meeting
  std::array<Tick, 32> knowledge{};  // accesses by lanes of its warp before these ticks have happened before

  uint32_t accesses_left = 0;  // until it is another thread's turn
  Waiting waiting = Waiting::nothing;
  uint32_t waiting_site = 0;

  std::vector<AsyncCopy> uncommitted;
  std::deque<std::vector<AsyncCopy>> groups;
};

// Lanes of a warp at one operation. operation.run executes it once all have arrived.
struct Meeting;
struct Operation {
  const char* name;
  void (*run)(Block& block, Meeting& meeting);
};
struct Meeting {
  const Operation* operation = nullptr;
  uint32_t variant = 0;  // must be equal in all lanes
  uint32_t mask = 0, come = 0, site = 0, warp = 0;
  std::array<void*, 32> operands{};
  std::array<uint32_t, 32> sites{};
};

struct Warp {
  explicit Warp(SiteCounts& counts) : requests(counts) {}
  uint32_t lanes = 0;     // existing lanes
  uint32_t runnable = 0;  // ready to run, but not running
  uint32_t done = 0;
  std::vector<Meeting> meetings;
  Requests requests;
};

// A fault before it is formatted as text.
struct Finding {
  FaultKind kind;
  std::string what;
  uint32_t site = 0;
  std::vector<uint32_t> threads;
  std::vector<std::pair<uint32_t, std::string>> others;  // sites, and the access at each
};

class Block {
 public:
  Block(Machine& machine, const cuda::emulator::Shape& shape);

  // Runs all threads to completion, or throws a Fault.
  void run(uint32_t index, const void* parameters, size_t parameter_bytes, void (*enter)(const void*));

  uint32_t index() const { return index_; }
  const cuda::emulator::Shape& shape() const { return shape_; }
  Machine& machine() { return *machine_; }
  void* shared_memory() { return reinterpret_cast<void*>(shared_begin_); }
  Thread& thread(uint32_t warp, uint32_t lane) { return threads_[warp * 32 + lane]; }
  Warp& warp(uint32_t index) { return warps_[index]; }

  // The barrier of the block.
  void sync(Thread& thread, uint32_t site);

  // Ends the block with a fault.
  [[noreturn]] void fail(Finding finding);

  // warp.cc
  void meet(Thread& thread, const Operation& operation, uint32_t variant, uint32_t mask, void* operands,
            uint32_t site);
  void order_lanes(uint32_t warp, uint32_t mask);

  // accesses.cc
  enum class Kind : uint8_t { read, write, atomic };
  void access(Thread& thread, uintptr_t address, uint32_t bytes, Kind kind, uint32_t site,
              bool one_instruction);
  void access_matrix_row(Thread& thread, uintptr_t address, uint32_t site);
  void access_in(cuda::emulator::Space space, Thread& thread, uintptr_t address, uint32_t bytes, Kind kind,
                 uint32_t site);
  bool is_shared(uintptr_t address) const { return address - shared_begin_ < shape_.shared_bytes; }

  // copies.cc
  void copy_async(Thread& thread, const AsyncCopy& copy);
  void land_copies(Thread& thread, uint32_t pending_groups);

 private:
  static constexpr size_t guard_bytes = 4096;

  static void enter_thread();
  void start(Thread& thread);
  void end(Thread& thread);
  void wait(Thread& thread, Waiting what, uint32_t site);
  void wake(Thread& thread);
  void give_turn(Thread& thread);
  void next(Thread* left);
  Thread* choose();
  [[noreturn]] void fail_blocked();
  void take_turn_after_access(Thread& thread, uint32_t site);

  bool is_ordered(const Thread& thread, const Record& record, bool shared) const;
  void check_word(Thread& thread, Word& word, uint32_t bytes, Kind kind, uint32_t site, bool shared);
  void touch(Thread& thread, Shadow& shadow, size_t offset, uint32_t bytes, Kind kind, uint32_t site,
             bool shared);
  void check_space(cuda::emulator::Space space, Thread& thread, uintptr_t address, uint32_t bytes, Kind kind,
                   uint32_t site);
  void shared_access(Thread& thread, uintptr_t address, uint32_t bytes, Kind kind, uint32_t site);
  void global_access(Thread& thread, Region& region, uintptr_t address, uint32_t bytes, Kind kind,
                     uint32_t site);
  void count_access(const Thread& thread, Access kind, uintptr_t address, uint32_t bytes, uint32_t site);
  [[noreturn]] void fail_race(Thread& thread, Kind kind, uint32_t site, bool shared, const Record& before,
                              const char* what);
  [[noreturn]] void fail_not_awaited(Thread& thread, Kind kind, uint32_t site, const Record& copy);
  [[noreturn]] void fail_unwritten(Thread& thread, uint32_t site, bool shared);
  [[noreturn]] void fail_misaligned(Thread& thread, uint32_t bytes, Kind kind, uint32_t site);
  [[noreturn]] void fail_outside(Thread& thread, uintptr_t address, uint32_t bytes, Kind kind, uint32_t site);

  Machine* machine_;
  cuda::emulator::Shape shape_;
  uint32_t index_ = 0;
  const void* parameters_ = nullptr;
  size_t parameter_bytes_ = 0;
  void (*enter_)(const void*) = nullptr;

  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  uint32_t runnable_warps_ = 0;  // one bit per warp
  uint32_t current_warp_ = 0;
  uint32_t done_ = 0;
  uint32_t most_accesses_ = 0;
  uint64_t idle_accesses_ = 0;  // since the last meeting of threads
  Fiber host_;
  ScheduleRandom random_;
  std::optional<Finding> finding_;

  std::vector<uint8_t> shared_;
  uintptr_t shared_begin_ = 0;
  Shadow shared_shadow_{false};
  Tick begin_ = 0;       // start of the block
  Tick all_before_ = 0;  // the block's last barrier

  uint32_t come_to_sync_ = 0, sync_site_ = 0;
};

// The running thread; null outside kernels.
inline constinit thread_local Thread* current_thread = nullptr;

}  // namespace heed::emulator
