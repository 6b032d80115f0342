#include "cuda/common/device_pages.h"

#include <algorithm>

namespace heed::cuda {

namespace {

PagesOnDevice on_device(int64_t steps, const int64_t* first, void* const* data) {
  PagesOnDevice pages;
  pages.steps = steps;
  pages.first = first;
  pages.data = data;
  pages.divisor = Divisor(static_cast<uint32_t>(std::min<int64_t>(steps, INT32_MAX)));
  return pages;
}

}  // namespace

DevicePages upload_pages(const PageTables& tables, Workspace& workspace) {
  const int64_t* first = workspace.upload(tables.first);
  return {on_device(tables.key.steps, first, workspace.upload(tables.keys)),
          on_device(tables.value.steps, first, workspace.upload(tables.values))};
}

bool are_aligned(const std::vector<void*>& pages, size_t bytes) {
  return std::ranges::all_of(
      pages, [bytes](const void* page) { return reinterpret_cast<uintptr_t>(page) % bytes == 0; });
}

}  // namespace heed::cuda
