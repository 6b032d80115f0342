// Appends new steps to a cache: each warp copies a row and rounds it to the cache's type.
#include <algorithm>
#include <cstdint>

#include "core/problem.h"
#include "cuda/common/aligned_rows.h"
#include "cuda/common/element_type.h"
#include "cuda/common/entry_at.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/vector.cuh"
#include "cuda/device/warp.cuh"
#include "cuda/launchers.h"
#include "cuda/tile_sizes.h"
#include "cuda/unsupported.h"

namespace heed::cuda {

struct AppendEntry {
  AppendProblem::Part part;
  int64_t first_row;  // among all new steps
};

// The parameters for keys, or for values.
struct AppendParameters {
  View from;
  MutableView to;
  Pages pages;  // with its tables in device memory
  Entries<AppendEntry> entries;
  int64_t rows, heads, width;
};

constexpr int64_t append_rows_per_block = append_threads / 32;

// Copies `vector` neighbours at once: 4 if both sides are aligned to that many elements, else 1.
template <int vector, class From, class To>
__global__ void __launch_bounds__(append_threads, append_blocks_at_once)
    append_kernel(const __grid_constant__ AppendParameters p) {
  const int64_t index = block::index() * append_rows_per_block + warp::index();
  if (index >= p.rows * p.heads) return;
  const int64_t row = index / p.heads, head = index - row * p.heads;
  const AppendEntry& entry = entry_at(p.entries, row, [](const AppendEntry& e) { return e.first_row; });
  const AppendProblem::Part& part = entry.part;
  const int64_t step = row - entry.first_row, position = part.position + step;
  const From* from = static_cast<const From*>(p.from.data) + part.entry * p.from.batch_stride +
                     head * p.from.head_stride + (part.start + step) * p.from.step_stride;
  const int64_t page_of_entry = position / p.pages.steps;
  void* const page = p.pages.data[p.pages.first[part.entry] + page_of_entry];
  To* to = static_cast<To*>(page) + head * p.to.head_stride +
           (position - page_of_entry * p.pages.steps) * p.to.step_stride;
  for (int64_t d = thread::lane() * vector; d < p.width; d += warp::size * vector) {
    const Vector<From, vector> read = thread::load_global<vector>(from + d);
    Vector<To, vector> written;
#pragma unroll
    for (int i = 0; i < vector; ++i) written[i] = thread::from_float<To>(thread::to_float(read[i]));
    thread::store_global(to + d, written);
  }
}

namespace {

constexpr size_t elements_at_once = 4;

void check(const AppendProblem& problem) {
  for (const DType type :
       {problem.key.type, problem.value.type, problem.cached_key.type, problem.cached_value.type}) {
    if (type != DType::float32 && type != DType::float16 && type != DType::bfloat16)
      throw Unsupported("caches of this type");
  }
}

// The key side or the value side.
struct Side {
  const View& from;
  const MutableView& to;
  const Pages& pages;  // with its tables in device memory
  const std::vector<void*>& host_pages;
  int64_t width;

  bool is_aligned() const {
    const size_t bytes = elements_at_once * size_of(to.type);
    return width % static_cast<int64_t>(elements_at_once) == 0 &&
           has_aligned_rows(from, elements_at_once * size_of(from.type)) && has_aligned_rows(to, bytes) &&
           are_aligned(host_pages, bytes);
  }
};

void launch_side(const Side& side, AppendParameters p, Workspace& workspace) {
  p.from = side.from;
  p.to = side.to;
  p.pages = side.pages;
  p.width = side.width;
  if (p.rows * p.heads * p.width == 0) return;
  const LaunchShape shape{tiles_of(p.rows * p.heads, append_rows_per_block), append_threads, 0};
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
