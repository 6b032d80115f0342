#include "addon/device_operations.h"

#include <cmath>
#include <optional>
#include <utility>

#include "addon/arguments.h"
#include "addon/device_memory.h"
#include "addon/errors.h"
#include "addon/packed_weight_handle.h"
#include "addon/pin.h"
#include "addon/typed_array.h"
#include "addon/wire/format.h"
#include "core/accesses.h"
#include "cuda/runtime/device_workspace.h"
#include "cuda/runtime/devices.h"
#include "cuda/runtime/staged_operation.h"

namespace heed {

namespace {

Memory memory_on(const cuda::Device& device, const DeviceMemory& memory) {
  if (memory.device.get() != &device) throw InvalidProblem("Expected all memory to be one device's");
  return {memory.block.data(), memory.block.bytes()};
}

std::byte* bytes_of(const Memory& memory) {
  return static_cast<std::byte*>(memory.data);
}

// The buffers of an operation as device memory: each host buffer is replaced by a block on the device.
struct StagedBuffers {
  std::vector<Memory> memories;
  std::vector<std::optional<Memory>> host;  // by index, for host buffers only
  Loan loan;

  StagedBuffers(Napi::Env env, napi_value buffers, cuda::StagedWork& work) {
    const uint32_t count = array_length(env, buffers);
    memories.resize(count);
    host.resize(count);
    for (uint32_t i = 0; i < count; ++i) {
      const napi_value buffer = array_element(env, buffers, i);
      if (const auto memory = read_device_memory(env, buffer)) {
        memories[i] = memory_on(*work.device, *memory);
        loan.held.push_back(memory);
      } else {
        add_other(env, buffer, i, work);
      }
    }
  }

 private:
  void add_other(Napi::Env env, napi_value buffer, uint32_t i, cuda::StagedWork& work) {
    Memory memory;
    napi_value array_buffer;
    if (!read_typed_array(env, buffer, memory, array_buffer)) {
      auto weight = packed_weight(env, buffer);
      memories[i].packed = weight.get();
      loan.held.push_back(std::move(weight));
      return;
    }
    if (can_pin()) loan.held.push_back(pin(array_buffer));
    work.device->use([&] { work.blocks.emplace_back(work.device->memory(), memory.bytes); });
    host[i] = memory;
    memories[i] = {work.blocks.back().data(), memory.bytes};
  }
};

std::vector<bool> named(Napi::Env env, napi_value indices, size_t buffers) {
  std::vector<bool> named(buffers);
  const uint32_t count = array_length(env, indices);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t index = Napi::Number(env, array_element(env, indices, i)).Uint32Value();
    if (index >= buffers) throw InvalidProblem("Expected indices of buffers");
    named[index] = true;
  }
  return named;
}

// How problems use the host buffers that blocks on the device replace.
class StagedUse {
 public:
  struct Use {
    bool touched = false;
    bool written = false;      // some problem writes to it
    bool overwritten = false;  // the first problem that uses it overwrites all of it
  };

  StagedUse(const StagedBuffers& buffers, std::span<const Problem> problems)
      : buffers_(buffers), uses_(buffers.memories.size()) {
    for (const Problem& problem : problems) {
      const Accesses accesses = accesses_of(problem);
      for (const void* data : accesses.reads) add_read(data);
      for (const Accesses::Write& write : accesses.writes) add_write(write);
    }
  }

  const Use& of(size_t buffer) const { return uses_[buffer]; }

 private:
  // The index of the host buffer whose device block contains this address.
  std::optional<size_t> find(const void* data) const {
    const auto* place = static_cast<const std::byte*>(data);
    for (size_t i = 0; i < uses_.size(); ++i) {
      const std::byte* first = bytes_of(buffers_.memories[i]);
      if (buffers_.host[i] && place >= first && place < first + buffers_.memories[i].bytes) return i;
    }
    return std::nullopt;
  }
  void add_read(const void* data) {
    if (const auto buffer = find(data)) uses_[*buffer].touched = true;
  }
  void add_write(const Accesses::Write& write) {
    const auto buffer = find(write.data);
    if (!buffer) return;
    Use& use = uses_[*buffer];
    use.written = true;
    if (!use.touched) use.overwritten = write.bytes == buffers_.memories[*buffer].bytes;
    use.touched = true;
  }

  const StagedBuffers& buffers_;
  std::vector<Use> uses_;
};

void add_transfers(const StagedBuffers& buffers, const StagedUse& uses, const std::vector<bool>& written,
                   cuda::StagedWork& work) {
  for (size_t i = 0; i < buffers.memories.size(); ++i) {
    if (!buffers.host[i]) continue;
    if (uses.of(i).written && !written[i])
      throw InvalidProblem("Expected all arrays that are written to be named");
    const cuda::Transfer transfer{bytes_of(*buffers.host[i]), bytes_of(buffers.memories[i]),
                                  buffers.memories[i].bytes};
    // A buffer that is only partly written keeps the rest of its contents.
    if (!(written[i] && uses.of(i).overwritten)) work.inputs.push_back(transfer);
    if (written[i]) work.outputs.push_back(transfer);
  }
}

// A copy of a whole array to or from device memory.
struct ArrayCopy {
  Loan loan;
  cuda::StagedWork work;
  cuda::Transfer transfer;

  ArrayCopy(Napi::Env env, const Napi::Value& array, const Napi::Value& memory, const Napi::Value& offset) {
    const auto on_device = device_memory(env, memory);
    Memory on_host;
    napi_value array_buffer;
    if (!read_typed_array(env, array, on_host, array_buffer)) throw InvalidProblem("Expected a typed array");
    const double start = offset.As<Napi::Number>().DoubleValue();
    if (!(start >= 0) || start != std::floor(start) ||
        start + static_cast<double>(on_host.bytes) > static_cast<double>(on_device->block.bytes())) {
      throw InvalidProblem("Expected a copy to stay inside the memory of the device");
    }
    if (can_pin()) loan.held.push_back(pin(array_buffer));
    loan.held.push_back(on_device);
    work.device = on_device->device;
    transfer = {bytes_of(on_host), on_device->block.data() + static_cast<size_t>(start), on_host.bytes};
  }
};

ArrayCopy upload_of(const Napi::CallbackInfo& info) {
  ArrayCopy copy(info.Env(), info[0], info[1], info[2]);
  copy.work.inputs.push_back(copy.transfer);
  return copy;
}

ArrayCopy download_of(const Napi::CallbackInfo& info) {
  ArrayCopy copy(info.Env(), info[2], info[0], info[1]);
  copy.work.outputs.push_back(copy.transfer);
  return copy;
}

Napi::Value start(const Napi::CallbackInfo& info, ArrayCopy copy) {
  const Napi::Env env = info.Env();
  Plan plan = cuda::plan_staged(std::move(copy.work));
  return Napi::Number::New(env,
                           Environment::of(env).start(env, std::move(plan), std::move(copy.loan), info[3]));
}

Napi::Value run(const Napi::CallbackInfo& info, ArrayCopy copy) {
  Environment::of(info.Env()).run(cuda::plan_staged(std::move(copy.work)), false);
  return info.Env().Undefined();
}

}  // namespace

DeviceOperation solve_on_device(Napi::Env env, std::span<const double> numbers, napi_value buffers,
                                int device, napi_value written) {
  cuda::StagedWork work;
  work.device = Environment::of(env).device(device);
  StagedBuffers staged(env, buffers, work);
  std::vector<Problem> problems = read_problems(numbers, staged.memories);
  add_transfers(staged, {staged, problems}, named(env, written, staged.memories.size()), work);
  work.launch = [problems = std::move(problems)](cuda::Workspace& workspace) {
    for (const Problem& problem : problems) cuda::compiled()->solve(problem, workspace);
  };
  return {std::move(staged.loan), cuda::plan_staged(std::move(work))};
}

Napi::Value enqueue(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  cuda::Device& device = *Environment::of(env).device(info[3].As<Napi::Number>().Int32Value());
  const uint32_t count = array_length(env, info[2]);
  std::vector<Memory> memories(count);
  for (uint32_t i = 0; i < count; ++i)
    memories[i] = memory_on(device, *device_memory(env, array_element(env, info[2], i)));
  const std::vector<Problem> problems = read_problems(numbers_argument(env, info[0], info[1]), memories);
  device.use([&] {
    cuda::DeviceWorkspace workspace(device);
    for (const Problem& problem : problems) cuda::compiled()->solve(problem, workspace);
    workspace.enqueue();
  });
  return env.Undefined();
}

Napi::Value upload(const Napi::CallbackInfo& info) {
  return start(info, upload_of(info));
}

Napi::Value download(const Napi::CallbackInfo& info) {
  return start(info, download_of(info));
}

Napi::Value upload_sync(const Napi::CallbackInfo& info) {
  return run(info, upload_of(info));
}

Napi::Value download_sync(const Napi::CallbackInfo& info) {
  return run(info, download_of(info));
}

Napi::Value cuda_description(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto result = Napi::Object::New(env);
  auto devices = Napi::Array::New(env);
  const cuda::Compiled* cuda = cuda::compiled();
  result.Set("compiled", cuda != nullptr);
  result.Set("emulated", cuda != nullptr && cuda->driver().emulated());
  result.Set("devices", devices);
  if (cuda == nullptr) {
    result.Set("reason", "heed was built without CUDA");
    return result;
  }
  const cuda::Availability& available = cuda->driver().availability();
  const auto set = [&result](const char* name, const std::string& text) {
    if (!text.empty()) result.Set(name, text);
  };
  set("reason", available.reason);
  set("driver", available.driver);
  set("runtime", available.runtime);
  set("needed", available.needed);
  result.Set("outdated", available.outdated);
  auto compiling = Napi::Array::New(env);
  result.Set("compiling", compiling);
  for (const cuda::DeviceDescription& found : available.devices) {
    auto device = Napi::Object::New(env);
    device.Set("name", found.name);
    device.Set("computeCapability", std::to_string(found.major) + "." + std::to_string(found.minor));
    device.Set("memory", static_cast<double>(found.memory));
    device.Set("multiprocessors", found.multiprocessors);
    if (found.compiles) compiling.Set(compiling.Length(), devices.Length());
    devices.Set(devices.Length(), device);
  }
  return result;
}

}  // namespace heed
