// The tables of a cache's pages, on the device.
#pragma once

#include "core/problem.h"
#include "cuda/workspace.h"

namespace heed::cuda {

// Keys' or values' pages as kernels take them: the same description, with its tables on the device. Nothing
// is paged where `data` is null.
struct DevicePages {
  Pages key, value;
};

// Of a problem's pages, which are the device's memory, while the tables are the host's. Of a floating type.
DevicePages upload_pages(const PageTables& tables, Workspace& workspace);

// Whether all pages begin at multiples of so many bytes.
bool are_aligned(const std::vector<void*>& pages, size_t bytes);

}  // namespace heed::cuda
