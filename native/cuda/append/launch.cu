#include <cstdint>

#include "core/problem.h"
#include "cuda/append/copy.cuh"
#include "cuda/append/quantise.cuh"
#include "cuda/common/aligned_rows.h"
#include "cuda/common/element_type.h"
#include "cuda/device/launch.cuh"
#include "cuda/launchers.h"
#include "cuda/tile_sizes.h"
#include "cuda/unsupported.h"

namespace heed::cuda {

namespace {

constexpr size_t elements_at_once = 4;

void check(const AppendProblem& problem) {
  for (const DType type :
       {problem.key.type, problem.value.type, problem.cached_key.type, problem.cached_value.type}) {
    if (type == DType::boolean) throw Unsupported("caches of this type");
  }
  for (const DType type : {problem.key.type, problem.value.type}) {
    if (is_scaled(type)) throw Unsupported("new steps of this type");
  }
}

// The key side or the value side.
struct Side {
  const View& from;
  const MutableView& to;
  const PagesOnDevice& pages;
  const std::vector<void*>& host_pages;
  int64_t width;

  bool is_aligned() const {
    const size_t bytes = elements_at_once * size_of(to.type);
    return width % static_cast<int64_t>(elements_at_once) == 0 &&
           has_aligned_rows(from, elements_at_once * size_of(from.type)) && has_aligned_rows(to, bytes) &&
           are_aligned(host_pages, bytes);
  }
};

// A row of keys that may have outliers depends on the one before it, so a block has all those of a head.
void launch_quantised(const AppendParameters& p, const LaunchShape& shape, Workspace& workspace) {
  with_element_type(p.from.type, [&](auto from_element) {
    using From = typename decltype(from_element)::type;
    if (p.pages.outliers == nullptr) {
      return with_scaled_type(p.to.type, [&](auto to_element) {
        using To = typename decltype(to_element)::type;
        launch(&append_quantised_kernel<From, To>, shape, workspace, p);
      });
    }
    const size_t shared = quantise_threads / 32 * sizeof(int32_t) + static_cast<size_t>(p.width);
    launch(&append_quantised_keys_kernel<From>, {p.entries.count * p.heads, quantise_threads, shared},
           workspace, p);
  });
}

void launch_side(const Side& side, AppendParameters p, Workspace& workspace) {
  p.from = side.from;
  p.to = side.to;
  p.pages = side.pages;
  p.width = side.width;
  if (p.rows * p.heads * p.width == 0) return;
  const LaunchShape shape{tiles_of(p.rows * p.heads, append_rows_per_block), append_threads, 0};
  if (is_scaled(side.to.type)) return launch_quantised(p, shape, workspace);
  with_element_type(side.from.type, [&](auto from_element) {
    with_element_type(side.to.type, [&](auto to_element) {
      using From = typename decltype(from_element)::type;
      using To = typename decltype(to_element)::type;
      launch(side.is_aligned() ? &append_kernel<elements_at_once, From, To> : &append_kernel<1, From, To>,
             shape, workspace, p);
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
  p.entries = entries_of(entries, workspace);
  p.rows = rows;
  p.heads = problem.heads;
  const DevicePages pages = upload_pages(*problem.pages, workspace);
  launch_side({problem.key, problem.cached_key, pages.key, problem.pages->keys, problem.key_width}, p,
              workspace);
  launch_side({problem.value, problem.cached_value, pages.value, problem.pages->values, problem.value_width},
              p, workspace);
}

}  // namespace heed::cuda
