// libheed_kernels.so for a rehearsal: operations only advance a clock. HEED_PRETEND_REFUSED makes attention
// over pages fail.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "../native/problems.h"

#define HEED_EXPORT extern "C" __attribute__((visibility("default")))

namespace {
float now = 0;  // milliseconds
int64_t address = int64_t{1} << 40;
int operation = 0;

void* attention(const HeedAttention* asked) {
  return asked->page_steps != 0 && std::getenv("HEED_PRETEND_REFUSED") != nullptr ? nullptr : &operation;
}
}  // namespace

HEED_EXPORT const char* heed_error() {
  return "pretended refusal";
}
HEED_EXPORT int64_t heed_struct_bytes(int32_t which) {
  const int64_t bytes[] = {sizeof(HeedAttention), sizeof(HeedProjection), sizeof(HeedAppend),
                           sizeof(HeedMatrixLoop), sizeof(HeedDevice)};
  return bytes[which];
}
HEED_EXPORT int heed_device(HeedDevice* found) {
  *found = {"Some GPU", int64_t{80} << 30, 50 << 20, 132, 9, 0, 13000, 13000};
  return 0;
}
HEED_EXPORT void* heed_attention_forward(const HeedAttention* asked, void*) {
  return attention(asked);
}
HEED_EXPORT void* heed_attention_decode(const HeedAttention* asked, void*) {
  return attention(asked);
}
HEED_EXPORT void* heed_projection(const HeedProjection*, void*) {
  return &operation;
}
HEED_EXPORT void* heed_append(const HeedAppend*, void*) {
  return &operation;
}
HEED_EXPORT void* heed_matrix_loop(const HeedMatrixLoop*, void*) {
  return &operation;
}
HEED_EXPORT void* heed_copy(void*, const void*, int64_t, void*) {
  return &operation;
}
HEED_EXPORT int heed_run(void*) {
  now += 1;
  return 0;
}
HEED_EXPORT void heed_drop(void*) {}
HEED_EXPORT void* heed_allocate(int64_t bytes) {
  address += bytes;
  return reinterpret_cast<void*>(address - bytes);
}
HEED_EXPORT int heed_free(void*) {
  return 0;
}
HEED_EXPORT int heed_fill_normal(void*, int32_t, int64_t, uint64_t, void*) {
  return 0;
}
HEED_EXPORT int heed_occupy(int64_t, void*) {
  return 0;
}
HEED_EXPORT void* heed_event() {
  return new float{0};
}
HEED_EXPORT int heed_record(void* event, void*) {
  *static_cast<float*>(event) = now;
  return 0;
}
HEED_EXPORT int heed_elapsed(void* begin, void* end, float* milliseconds) {
  *milliseconds = *static_cast<float*>(end) - *static_cast<float*>(begin);
  return 0;
}
HEED_EXPORT int heed_synchronize(void*) {
  return 0;
}
