// The tables of a cache's pages, in device memory.
#pragma once

#include "core/problem.h"
#include "cuda/common/divisor.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// The pages of keys or of values in the form that kernels take: the same description, with its tables in
// device memory. `data` is null if nothing is paged.
struct PagesOnDevice : Pages {
  Divisor divisor;  // of a step, by the steps of a page
};
struct DevicePages {
  PagesOnDevice key, value;
};

// Uploads the tables of a problem's pages. The pages are device memory; the tables are host memory.
DevicePages upload_pages(const PageTables& tables, Workspace& workspace);

// Whether all pages begin at multiples of `bytes`.
bool are_aligned(const std::vector<void*>& pages, size_t bytes);

}  // namespace heed::cuda
