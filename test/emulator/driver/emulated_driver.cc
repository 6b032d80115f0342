#include "driver/emulated_driver.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

namespace heed::emulator {

namespace {

thread_local int current_device = -1;

// The region that contains an address, which must exist.
Region& region_of(Machine& machine, const void* place) {
  Region* region = machine.memory.find(reinterpret_cast<uintptr_t>(place));
  if (region == nullptr) throw std::runtime_error("a copy touches memory that is not in use");
  return *region;
}

size_t offset_in(const Region& region, const void* place) {
  return reinterpret_cast<uintptr_t>(place) - region.begin;
}

// Marks the parts that lie in regions; a copy may include memory between regions.
void set_written(Machine& machine, std::byte* begin, size_t bytes) {
  const auto end = reinterpret_cast<uintptr_t>(begin) + bytes;
  for (auto at = reinterpret_cast<uintptr_t>(begin); at < end;) {
    Region* region = machine.memory.find(at);
    if (region == nullptr) {
      ++at;
      continue;
    }
    const uintptr_t last = std::min(end, region->end);
    region->shadow.set_written(at - region->begin, last - region->begin);
    at = last;
  }
}

void copy_row(Machine& machine, std::byte* to, const std::byte* from, size_t bytes) {
  if (bytes == 0) return;
  Region& source = region_of(machine, from);
  Region& target = region_of(machine, to);
  const size_t source_offset = offset_in(source, from), target_offset = offset_in(target, to);
  if (source_offset + bytes > source.end - source.begin || target_offset + bytes > target.end - target.begin)
    throw std::runtime_error("a copy leaves the memory that it began in");
  for (size_t i = 0; i < bytes; ++i)
    target.shadow.set_written(target_offset + i, source.shadow.is_written(source_offset + i));
  std::memmove(to, from, bytes);
}

}  // namespace

}  // namespace heed::emulator

namespace heed::cuda {

struct Event {
  // How often the event was recorded, and how many of those recordings a stream has passed. The state lives
  // until the last stream has passed the event.
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    uint64_t recorded = 0, passed = 0;
    std::string failure;  // of the device whose stream has passed the event
  };
  std::shared_ptr<State> state = std::make_shared<State>();
};

struct Graph {
  const int device;
  std::vector<KernelLaunch> launches;
};

}  // namespace heed::cuda

namespace heed::emulator {

using cuda::DeviceError;
using cuda::OutOfDeviceMemory;

EmulatedDriver::EmulatedDriver(DriverOptions options) : options_(std::move(options)) {
  const bool fits = cuda::describe_versions(availability_, options_.built);
  if (!options_.reason.empty()) availability_.reason = options_.reason;
  if (!fits || !options_.reason.empty()) return;
  for (int i = 0; i < options_.devices; ++i) {
    cuda::add_device(
        availability_,
        {"Emulated GPU " + std::to_string(i), i % 2 == 0 ? 8 : 9, 0, options_.memory, 16, 164 * 1024},
        options_.built);
  }
}

EmulatedDriver::~EmulatedDriver() {
  stop();
  for (const auto& [address, memory] : memory_) std::free(reinterpret_cast<void*>(address));
}

void EmulatedDriver::fail_next(const std::string& call) {
  const std::lock_guard lock(mutex_);
  failing_.insert(call);
}

std::vector<std::shared_ptr<EmulatedStream>> EmulatedDriver::streams() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<EmulatedStream>> streams;
  for (const auto& [address, stream] : streams_) streams.push_back(stream);
  return streams;
}

void EmulatedDriver::stop() {
  for (const auto& stream : streams()) stream->stop();
}

void EmulatedDriver::wait_for_streams() const {
  for (const auto& stream : streams()) stream->synchronize();
}

uint64_t EmulatedDriver::calls(const std::string& call) const {
  const std::lock_guard lock(mutex_);
  const auto found = calls_.find(call);
  return found == calls_.end() ? 0 : found->second;
}

uint64_t EmulatedDriver::calls() const {
  const std::lock_guard lock(mutex_);
  uint64_t sum = 0;
  for (const auto& [call, count] : calls_) sum += call == "cudaSetDevice" ? 0 : count;
  for (const auto& [address, stream] : streams_) sum += stream->launches();
  return sum - launches_of_graphs_;
}

size_t EmulatedDriver::allocated() const {
  const std::lock_guard lock(mutex_);
  size_t bytes = 0;
  for (const auto& [address, memory] : memory_) bytes += memory.bytes;
  return bytes;
}

size_t EmulatedDriver::allocations() const {
  const std::lock_guard lock(mutex_);
  return memory_.size();
}

void EmulatedDriver::begin(const char* call, cuda::Stream stream) {
  if (current_device < 0) throw std::logic_error(std::string(call) + " was called with no device in use");
  if (stream != nullptr) {
    const std::string failure = static_cast<EmulatedStream&>(LaunchQueue::of(stream)).failure();
    if (!failure.empty())
      throw DeviceError(std::string(call) + " failed: cudaErrorLaunchFailure, " + failure);
  }
  const std::lock_guard lock(mutex_);
  ++calls_[call];
  const auto failing = failing_.find(call);
  if (failing == failing_.end()) return;
  failing_.erase(failing);
  throw DeviceError(std::string(call) + " failed: cudaErrorUnknown, as was asked for");
}

void EmulatedDriver::use(int device) {
  current_device = device;
  begin("cudaSetDevice");
}

cuda::Stream EmulatedDriver::make_stream() {
  begin("cudaStreamCreateWithFlags");
  auto stream = std::make_shared<EmulatedStream>(
      options_.seed + static_cast<uint64_t>(current_device),
      availability_.devices[static_cast<size_t>(current_device)].major * 10u);
  stream->lose_after(options_.most_launches);
  const std::lock_guard lock(mutex_);
  streams_[stream.get()] = stream;
  return stream->stream();
}

void EmulatedDriver::destroy_stream(cuda::Stream stream) noexcept {
  std::shared_ptr<EmulatedStream> ours;
  {
    const std::lock_guard lock(mutex_);
    const auto found = streams_.find(static_cast<EmulatedStream*>(&LaunchQueue::of(stream)));
    ours = std::move(found->second);
    streams_.erase(found);
  }
  ours->stop();
}

void EmulatedDriver::synchronize(cuda::Stream stream) {
  begin("cudaStreamSynchronize", stream);
  static_cast<EmulatedStream&>(LaunchQueue::of(stream)).synchronize();
  begin("cudaStreamSynchronize", stream);
}

bool EmulatedDriver::is_lost(cuda::Stream stream) noexcept {
  return !static_cast<EmulatedStream&>(LaunchQueue::of(stream)).failure().empty();
}

void* EmulatedDriver::allocate(const char* call, size_t bytes, int device) {
  const auto out_of_memory = [call] {
    return OutOfDeviceMemory(std::string(call) + " failed: cudaErrorMemoryAllocation, out of memory");
  };
  try {
    begin(call);
  } catch (const DeviceError&) {
    throw out_of_memory();
  }
  if (options_.allocations_wait) wait_for_streams();
  const std::lock_guard lock(mutex_);
  size_t used = 0;
  for (const auto& [address, memory] : memory_) used += memory.device == device ? memory.bytes : 0;
  if (device >= 0 && (bytes > options_.memory || used > options_.memory - bytes)) throw out_of_memory();
  const size_t rounded = (std::max<size_t>(bytes, 1) + 255) / 256 * 256;
  void* memory = std::aligned_alloc(256, rounded);
  if (memory == nullptr) throw out_of_memory();
  memory_[reinterpret_cast<uintptr_t>(memory)] = {bytes, device};
  return memory;
}

void* EmulatedDriver::allocate(size_t bytes) {
  return allocate("cudaMalloc", bytes, current_device);
}

void* EmulatedDriver::allocate_pinned(size_t bytes) {
  return allocate("cudaHostAlloc", bytes, -1);
}

void EmulatedDriver::free(void* memory) noexcept {
  wait_for_streams();
  free_pinned(memory);
}

void EmulatedDriver::free_pinned(void* memory) noexcept {
  const std::lock_guard lock(mutex_);
  if (memory_.erase(reinterpret_cast<uintptr_t>(memory)) == 1) std::free(memory);
}

cuda::Driver::MemoryInfo EmulatedDriver::memory_info() {
  begin("cudaMemGetInfo");
  const std::lock_guard lock(mutex_);
  size_t used = 0;
  for (const auto& [address, memory] : memory_) used += memory.device == current_device ? memory.bytes : 0;
  return {options_.memory - used, options_.memory};
}

void EmulatedDriver::begin_use(void* memory, size_t bytes, cuda::Stream stream) {
  static_cast<EmulatedStream&>(LaunchQueue::of(stream)).enqueue([memory, bytes](Machine& machine) {
    machine.memory.remove_within(memory, std::max<size_t>(bytes, 1));
    if (bytes == 0) return;
    std::memset(memory, 0xff, bytes);
    machine.output(memory, bytes, "memory of the device's");
  });
}

void EmulatedDriver::expect_inside(const char* call, const void* begin, size_t bytes, bool pinned) {
  const auto address = reinterpret_cast<uintptr_t>(begin);
  const std::lock_guard lock(mutex_);
  const auto after = memory_.upper_bound(address);
  if (after != memory_.begin()) {
    const auto& [start, memory] = *std::prev(after);
    if (address + bytes <= start + memory.bytes && (memory.device < 0) == pinned) return;
  }
  throw DeviceError(std::string(call) + " failed: cudaErrorInvalidValue, invalid argument");
}

void EmulatedDriver::copy_to_device(void* to, const void* pinned, size_t bytes, cuda::Stream stream) {
  begin("cudaMemcpyAsync", stream);
  expect_inside("cudaMemcpyAsync", to, bytes, false);
  expect_inside("cudaMemcpyAsync", pinned, bytes, true);
  static_cast<EmulatedStream&>(LaunchQueue::of(stream)).enqueue([=](Machine& machine) {
    set_written(machine, static_cast<std::byte*>(to), bytes);
    std::memcpy(to, pinned, bytes);
  });
}

void EmulatedDriver::copy_from_device(void* pinned, const void* from, size_t bytes, cuda::Stream stream) {
  begin("cudaMemcpyAsync", stream);
  expect_inside("cudaMemcpyAsync", from, bytes, false);
  expect_inside("cudaMemcpyAsync", pinned, bytes, true);
  static_cast<EmulatedStream&>(LaunchQueue::of(stream)).enqueue([=](Machine&) {
    std::memcpy(pinned, from, bytes);
  });
}

void EmulatedDriver::expect_rows_inside(const char* call, const void* begin, const Rows& rows, size_t pitch) {
  if (rows.count > 0) expect_inside(call, begin, (rows.count - 1) * pitch + rows.bytes, false);
}

void EmulatedDriver::copy_on_device(void* to, const void* from, const Rows& rows, cuda::Stream stream) {
  begin("cudaMemcpy2DAsync", stream);
  expect_rows_inside("cudaMemcpy2DAsync", to, rows, rows.to_pitch);
  expect_rows_inside("cudaMemcpy2DAsync", from, rows, rows.from_pitch);
  static_cast<EmulatedStream&>(LaunchQueue::of(stream)).enqueue([=](Machine& machine) {
    for (size_t row = 0; row < rows.count; ++row) {
      copy_row(machine, static_cast<std::byte*>(to) + row * rows.to_pitch,
               static_cast<const std::byte*>(from) + row * rows.from_pitch, rows.bytes);
    }
  });
}

void EmulatedDriver::copy_between_devices(void* to, int, const void* from, int, size_t bytes,
                                          cuda::Stream stream) {
  begin("cudaMemcpyPeerAsync", stream);
  expect_inside("cudaMemcpyPeerAsync", to, bytes, false);
  expect_inside("cudaMemcpyPeerAsync", from, bytes, false);
  static_cast<EmulatedStream&>(LaunchQueue::of(stream)).enqueue([=](Machine& machine) {
    set_written(machine, static_cast<std::byte*>(to), bytes);
    std::memcpy(to, from, bytes);
  });
}

void EmulatedDriver::clear(void* memory, size_t bytes, cuda::Stream stream) {
  begin("cudaMemsetAsync", stream);
  expect_inside("cudaMemsetAsync", memory, bytes, false);
  static_cast<EmulatedStream&>(LaunchQueue::of(stream)).enqueue([=](Machine& machine) {
    set_written(machine, static_cast<std::byte*>(memory), bytes);
    std::memset(memory, 0, bytes);
  });
}

cuda::Event* EmulatedDriver::make_event() {
  begin("cudaEventCreateWithFlags");
  return new cuda::Event;
}

void EmulatedDriver::destroy_event(cuda::Event* event) noexcept {
  delete event;
}

void EmulatedDriver::record(cuda::Event* event, cuda::Stream stream) {
  begin("cudaEventRecord", stream);
  uint64_t number;
  const auto state = event->state;
  {
    const std::lock_guard lock(state->mutex);
    number = ++state->recorded;
  }
  static_cast<EmulatedStream&>(LaunchQueue::of(stream)).finish([=](const char* failure) {
    const std::lock_guard lock(state->mutex);
    if (failure != nullptr) state->failure = failure;
    state->passed = std::max(state->passed, number);
    state->changed.notify_all();
  });
}

bool EmulatedDriver::passed(cuda::Event* event) {
  begin("cudaEventQuery");
  const auto state = event->state;
  const std::lock_guard lock(state->mutex);
  if (!state->failure.empty())
    throw DeviceError("cudaEventQuery failed: cudaErrorLaunchFailure, " + state->failure);
  return state->passed == state->recorded;
}

void EmulatedDriver::wait(cuda::Stream stream, cuda::Event* event) {
  begin("cudaStreamWaitEvent", stream);
  uint64_t number;
  const auto state = event->state;
  {
    const std::lock_guard lock(state->mutex);
    number = state->recorded;
  }
  static_cast<EmulatedStream&>(LaunchQueue::of(stream)).enqueue([=](Machine&) {
    std::unique_lock lock(state->mutex);
    state->changed.wait(lock, [=] { return state->passed >= number; });
  });
}

cuda::Graph* EmulatedDriver::make_graph(std::span<const cuda::KernelLaunch> launches) {
  begin("cudaGraphInstantiate");
  if (launches.empty()) throw std::logic_error("a graph without launches was made");
  if (options_.allocations_wait) wait_for_streams();
  auto* graph = new cuda::Graph{current_device, {launches.begin(), launches.end()}};
  ++graphs_;
  return graph;
}

void EmulatedDriver::destroy_graph(cuda::Graph* graph) noexcept {
  delete graph;
  --graphs_;
}

void EmulatedDriver::change(cuda::Graph* graph, size_t place, const cuda::KernelLaunch& launch) {
  begin("cudaGraphExecKernelNodeSetParams");
  if (place >= graph->launches.size() || graph->launches[place].kernel != launch.kernel)
    throw std::logic_error("a graph was changed to launch another kernel");
  graph->launches[place] = launch;
}

void EmulatedDriver::launch(cuda::Graph* graph, cuda::Stream stream) {
  begin("cudaGraphLaunch", stream);
  if (graph->device != current_device) throw std::logic_error("a graph was launched on another device");
  for (const cuda::KernelLaunch& launch : graph->launches) {
    launch.start(launch, stream);
    ++launches_of_graphs_;
  }
}

}  // namespace heed::emulator
