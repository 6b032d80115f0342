#include "machine/sites.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <unordered_map>

// From libbacktrace's backtrace.h, which lies where only GCC searches; clang-tidy must find these
// declarations, too.
extern "C" {
struct backtrace_state;
using backtrace_error_callback = void (*)(void* data, const char* message, int number);
using backtrace_full_callback = int (*)(void* data, uintptr_t counter, const char* file, int line,
                                        const char* function);
backtrace_state* backtrace_create_state(const char* file, int threaded, backtrace_error_callback error,
                                        void* data);
int backtrace_pcinfo(backtrace_state* state, uintptr_t counter, backtrace_full_callback full,
                     backtrace_error_callback error, void* data);
}

namespace heed::emulator {

namespace {

// Makes a path relative to the root of the repository at compile time.
std::string shorten(const std::string& file) {
  for (const char* folder : {"/native/cuda/", "/test/emulator/"}) {
    const size_t at = file.rfind(folder);
    if (at != std::string::npos) return file.substr(at + 1);
  }
  return file;
}

std::string demangle(const char* name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> readable(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free);
  return status == 0 ? readable.get() : name;
}

bool is_wrapper(const Frame& frame) {
  return frame.file.find("cuda/device/") != std::string::npos;
}

void ignore_error(void*, const char*, int) {}

int add_frame(void* frames, uintptr_t, const char* file, int line, const char* function) {
  if (file == nullptr || function == nullptr) return 0;
  static_cast<std::vector<Frame>*>(frames)->push_back({demangle(function), shorten(file), line});
  return 0;
}

}  // namespace

const std::vector<Frame>& frames_of(const void* counter) {
  static std::mutex mutex;  // for Machines on several threads
  const std::lock_guard lock(mutex);
  // The state keeps the debug information that it reads forever, 30 MB: an addon that is unloaded leaks it.
  static backtrace_state* const state = backtrace_create_state(nullptr, 0, &ignore_error, nullptr);
  // Never destroyed: streams of emulated devices may still report something when static objects are
  // destroyed.
  static auto& known = *new std::unordered_map<const void*, std::vector<Frame>>;
  std::vector<Frame>& frames = known[counter];
  if (frames.empty()) {
    // Looks up the instruction before the return address.
    backtrace_pcinfo(state, reinterpret_cast<uintptr_t>(counter) - 1, &add_frame, &ignore_error, &frames);
    if (frames.empty()) frames.push_back({"?", "?", 0});
  }
  return frames;
}

const std::vector<Frame>& Sites::frames(uint32_t site) const {
  return frames_of(counters_[site]);
}

const Frame& Sites::line(uint32_t site) const {
  const std::vector<Frame>& all = frames(site);
  for (const Frame& frame : all) {
    if (!is_wrapper(frame)) return frame;
  }
  return all.back();
}

bool Sites::same_line(uint32_t one, uint32_t other) const {
  if (one == other || one == unknown || other == unknown) return true;
  return line(one).file == line(other).file && line(one).line == line(other).line;
}

std::string name_of_kernel(const void* kernel) {
  return frames_of(static_cast<const char*>(kernel) + 1).back().function;
}

}  // namespace heed::emulator
