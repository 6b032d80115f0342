#include "cuda/append.h"

#include <algorithm>

#include "cuda/aligned_rows.h"
#include "cuda/device/launch.cuh"
#include "cuda/element_type.h"
#include "cuda/kernels/append.cuh"
#include "cuda/unsupported.h"

namespace heed::cuda {

namespace {

constexpr size_t elements_at_once = 4;

void check(const AppendProblem& problem) {
  for (const DType type :
       {problem.key.type, problem.value.type, problem.cached_key.type, problem.cached_value.type}) {
    if (type != DType::float32 && type != DType::float16 && type != DType::bfloat16)
      throw Unsupported("caches of this type");
  }
}

// Keys, or values.
struct Side {
  const View& from;
  const MutableView& to;
  const Pages& pages;  // with its tables on the device
  const std::vector<void*>& host_pages;
  int64_t width;

  bool is_aligned() const {
    const size_t bytes = elements_at_once * size_of(to.type);
    return width % static_cast<int64_t>(elements_at_once) == 0 &&
           has_aligned_rows(from, elements_at_once * size_of(from.type)) && has_aligned_rows(to, bytes) &&
           are_aligned(host_pages, bytes);
  }
};

void launch_side(const Side& side, AppendParameters p, Stream stream) {
  p.from = side.from;
  p.to = side.to;
  p.pages = side.pages;
  p.width = side.width;
  if (p.rows * p.heads * p.width == 0) return;
  const LaunchShape shape{(p.rows * p.heads + append_rows_per_block - 1) / append_rows_per_block,
                          append_threads, 0};
  with_element_type(side.from.type, [&](auto from_element) {
    with_element_type(side.to.type, [&](auto to_element) {
      using From = typename decltype(from_element)::type;
      using To = typename decltype(to_element)::type;
      launch(side.is_aligned() ? &append_kernel<elements_at_once, From, To> : &append_kernel<1, From, To>,
             shape, stream, p);
    });
  });
}

}  // namespace

void append(const AppendProblem& problem, Workspace& workspace) {
  check(problem);
  std::vector<AppendEntry> entries;
  int64_t rows = 0;
  for (const AppendProblem::Part& part : problem.parts) {
    if (part.steps == 0) continue;
    entries.push_back({part, rows});
    rows += part.steps;
  }
  if (rows == 0) return;
  AppendParameters p{};
  p.entries = workspace.upload(entries);
  p.entry_count = static_cast<int64_t>(entries.size());
  p.rows = rows;
  p.heads = problem.heads;
  const DevicePages pages = upload_pages(*problem.pages, workspace);
  launch_side({problem.key, problem.cached_key, pages.key, problem.pages->keys, problem.key_width}, p,
              workspace.stream());
  launch_side({problem.value, problem.cached_value, pages.value, problem.pages->values, problem.value_width},
              p, workspace.stream());
}

}  // namespace heed::cuda
