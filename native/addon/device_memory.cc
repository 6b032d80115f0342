#include "addon/device_memory.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "addon/environment.h"
#include "addon/handle.h"
#include "addon/memory.h"

namespace heed {

namespace {

constexpr napi_type_tag tag = {0x3b8f2d0e61c74a95, 0xa4e7091f5cd8b263};

// Null once the memory has been disposed of.
using Handle = std::shared_ptr<DeviceMemory>;

Handle* handle_of(napi_env env, napi_value value) {
  return held_by<Handle>(env, value, tag);
}

size_t size_argument(const Napi::Value& value) {
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= 0 && number <= static_cast<double>(largest_integer)) || number != std::floor(number))
    throw InvalidProblem("Expected a number of bytes or rows");
  return static_cast<size_t>(number);
}

cuda::Device& device_argument(const Napi::CallbackInfo& info) {
  return *Environment::of(info.Env()).device(info[0].As<Napi::Number>().Int32Value());
}

// The address of rows within a block of memory.
std::byte* rows_of(const DeviceMemory& memory, size_t offset, size_t bytes, size_t rows, size_t pitch) {
  const Wide end = rows == 0 ? 0 : static_cast<Wide>(rows - 1) * pitch + static_cast<Wide>(offset) + bytes;
  if (end > static_cast<Wide>(memory.block.bytes()))
    throw InvalidProblem("Expected a copy to stay inside the memory of the device");
  return memory.block.data() + offset;
}

// An event that this object creates and destroys. Destroying it does not affect streams that already wait for
// it.
class EventOf {
 public:
  explicit EventOf(cuda::Device& device)
      : device_(device), event_(device.use([&] { return device.driver().make_event(); })) {}
  ~EventOf() {
    try {
      device_.use([this] { device_.driver().destroy_event(event_); });
    } catch (const std::exception&) {
      // The device is lost, and its events with it.
    }
  }
  EventOf(const EventOf&) = delete;
  EventOf& operator=(const EventOf&) = delete;

  cuda::Event* get() const { return event_; }

 private:
  cuda::Device& device_;
  cuda::Event* event_;
};

// Each stream waits for the other, one before the copy and one after it, because either pool may hand out the
// memory again at once.
void copy_between(DeviceMemory& from, const std::byte* source, DeviceMemory& to, std::byte* target,
                  const cuda::Driver::Rows& rows) {
  cuda::Device &here = *to.device, &there = *from.device;
  cuda::Driver& driver = here.driver();
  const auto meet = [&driver](cuda::Device& waiting, cuda::Device& other) {
    const EventOf event(other);
    other.use([&] { driver.record(event.get(), other.stream()); });
    waiting.use([&] { driver.wait(waiting.stream(), event.get()); });
  };
  meet(here, there);
  here.use([&] {
    for (size_t row = 0; row < rows.count; ++row) {
      driver.copy_between_devices(target + row * rows.to_pitch, here.index(), source + row * rows.from_pitch,
                                  there.index(), rows.bytes, here.stream());
    }
  });
  meet(there, here);
}

}  // namespace

std::shared_ptr<DeviceMemory> read_device_memory(Napi::Env env, napi_value value) {
  const Handle* handle = handle_of(env, value);
  if (handle == nullptr) return nullptr;
  if (*handle == nullptr) throw InvalidProblem("Expected memory of a device that has not been disposed of");
  return *handle;
}

std::shared_ptr<DeviceMemory> device_memory(Napi::Env env, napi_value value) {
  auto memory = read_device_memory(env, value);
  if (memory == nullptr) throw InvalidProblem("Expected memory of a device");
  return memory;
}

Napi::Value allocate_on_device(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto device = Environment::of(env).device(info[0].As<Napi::Number>().Int32Value());
  const size_t bytes = size_argument(info[1]);
  auto block = device->use([&] { return cuda::DeviceBlock(device->memory(), bytes); });
  return make_handle(env, tag,
                     std::make_unique<Handle>(
                         std::make_shared<DeviceMemory>(DeviceMemory{std::move(device), std::move(block)})));
}

Napi::Value dispose_device_memory(const Napi::CallbackInfo& info) {
  Handle* handle = handle_of(info.Env(), info[0]);
  if (handle == nullptr) throw InvalidProblem("Expected memory of a device");
  handle->reset();
  return info.Env().Undefined();
}

Napi::Value clear_device_memory(const Napi::CallbackInfo& info) {
  const auto memory = device_memory(info.Env(), info[0]);
  cuda::Device& device = *memory->device;
  device.use([&] { device.driver().clear(memory->block.data(), memory->block.bytes(), device.stream()); });
  return info.Env().Undefined();
}

Napi::Value copy_on_device(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto from = device_memory(env, info[0]);
  const auto to = device_memory(env, info[2]);
  const cuda::Driver::Rows rows{size_argument(info[4]), size_argument(info[5]), size_argument(info[6]),
                                size_argument(info[7])};
  if (rows.count > 1 && (rows.bytes > rows.from_pitch || rows.bytes > rows.to_pitch))
    throw InvalidProblem("Expected rows not to overlap");
  const std::byte* source = rows_of(*from, size_argument(info[1]), rows.bytes, rows.count, rows.from_pitch);
  std::byte* target = rows_of(*to, size_argument(info[3]), rows.bytes, rows.count, rows.to_pitch);
  if (rows.bytes == 0 || rows.count == 0) return env.Undefined();
  if (from->device != to->device) {
    copy_between(*from, source, *to, target, rows);
  } else {
    cuda::Device& device = *to->device;
    device.use([&] { device.driver().copy_on_device(target, source, rows, device.stream()); });
  }
  return env.Undefined();
}

Napi::Value device_memory_statistics(const Napi::CallbackInfo& info) {
  cuda::Device& device = device_argument(info);
  const cuda::MemoryStatistics memory = device.memory().statistics();
  const auto there = device.use([&device] { return device.driver().memory_info(); });
  auto result = Napi::Object::New(info.Env());
  const auto set = [&result](const char* name, size_t bytes) {
    result.Set(name, static_cast<double>(bytes));
  };
  set("used", memory.used);
  set("cached", memory.cached);
  set("peak", memory.peak);
  set("limit", std::min(memory.limit, there.total));
  set("free", there.free);
  set("total", there.total);
  return result;
}

Napi::Value set_device_memory_limit(const Napi::CallbackInfo& info) {
  cuda::Device& device = device_argument(info);
  const double given = info[1].As<Napi::Number>().DoubleValue();
  const size_t limit = std::isinf(given) ? SIZE_MAX : size_argument(info[1]);
  device.use([&] { device.memory().set_limit(limit); });
  return info.Env().Undefined();
}

Napi::Value trim_device_memory(const Napi::CallbackInfo& info) {
  cuda::Device& device = device_argument(info);
  device.use([&device] { device.memory().trim(); });
  return info.Env().Undefined();
}

}  // namespace heed
