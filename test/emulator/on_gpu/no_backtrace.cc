// In place of libbacktrace, whose archive cannot always be linked into a shared library: no place has a name.
#include <cstdint>

struct backtrace_state;
using backtrace_error_callback = void (*)(void* data, const char* message, int number);
using backtrace_full_callback = int (*)(void* data, uintptr_t counter, const char* file, int line,
                                        const char* function);

extern "C" backtrace_state* backtrace_create_state(const char*, int, backtrace_error_callback, void*) {
  return nullptr;
}
extern "C" int backtrace_pcinfo(backtrace_state*, uintptr_t, backtrace_full_callback,
                                backtrace_error_callback, void*) {
  return 0;
}
