#include "cuda/common/device_pages.h"

#include <algorithm>

namespace heed::cuda {

DevicePages upload_pages(const PageTables& tables, Workspace& workspace) {
  const int64_t* first = workspace.upload(tables.first);
  return {{tables.key.steps, first, workspace.upload(tables.keys)},
          {tables.value.steps, first, workspace.upload(tables.values)}};
}

bool are_aligned(const std::vector<void*>& pages, size_t bytes) {
  return std::ranges::all_of(
      pages, [bytes](const void* page) { return reinterpret_cast<uintptr_t>(page) % bytes == 0; });
}

}  // namespace heed::cuda
