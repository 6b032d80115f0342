#include "cuda/common/device_pages.h"

#include <algorithm>

namespace heed::cuda {

namespace {

PagesOnDevice on_device(const Pages& host, const int64_t* first, void* const* data, float* const* scales) {
  PagesOnDevice pages;
  pages.steps = host.steps;
  pages.first = first;
  pages.data = data;
  pages.scales = scales;
  pages.divisor = Divisor(static_cast<uint32_t>(std::min<int64_t>(host.steps, INT32_MAX)));
  return pages;
}

}  // namespace

DevicePages upload_pages(const PageTables& tables, Workspace& workspace) {
  const int64_t* first = workspace.upload(tables.first);
  DevicePages pages{
      on_device(tables.key, first, workspace.upload(tables.keys), workspace.upload(tables.key_scales)),
      on_device(tables.value, first, workspace.upload(tables.values), workspace.upload(tables.value_scales))};
  pages.key.outliers = workspace.upload(tables.key_outliers);
  pages.key.outlier_pitch = tables.key.outlier_pitch;
  pages.key.outlier_stride = tables.key.outlier_stride;
  return pages;
}

bool are_aligned(const std::vector<void*>& pages, size_t bytes) {
  return std::ranges::all_of(
      pages, [bytes](const void* page) { return reinterpret_cast<uintptr_t>(page) % bytes == 0; });
}

}  // namespace heed::cuda
