// Rows of tables, added: a warp takes 32 chunks of 16 bytes of a row.
#include <cstdint>
#include <vector>

#include "core/problem.h"
#include "cuda/common/element_type.h"
#include "cuda/common/entry_at.cuh"
#include "cuda/common/row_chunks.cuh"
#include "cuda/device/block.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/device/thread.cuh"
#include "cuda/device/types.cuh"
#include "cuda/device/warp.cuh"
#include "cuda/launchers.h"
#include "cuda/tile_sizes.h"

namespace heed::cuda {

struct EmbedParameters {
  Entries<const void*> tables;
  const int64_t* ids;  // [tables, rows], in device memory
  void* output;
  int64_t rows, width;
  int64_t parts;  // of a row, each a warp's
  float scale;
  bool aligned;
};

constexpr int64_t embed_warps = embed_threads / 32;

template <class T>
__global__ void __launch_bounds__(embed_threads) embed_kernel(const __grid_constant__ EmbedParameters p) {
  const int64_t index = block::index() * embed_warps + warp::index(), row = index / p.parts;
  const int64_t d = ((index - row * p.parts) * warp::size + thread::lane()) * chunk_elements<T>;
  if (row >= p.rows || d >= p.width) return;
  const auto load = [&](int32_t table) {
    const int64_t id = p.ids[table * p.rows + row];
    return load_chunk(static_cast<const T*>(p.tables[table]) + id * p.width, p.width, d, p.aligned);
  };
  const Chunk<T> first = load(0);
  float sums[first.size];
#pragma unroll
  for (int32_t e = 0; e < first.size; ++e) sums[e] = thread::to_float(first[e]) * p.scale;
  for (int32_t table = 1; table < p.tables.count; ++table) {
    const Chunk<T> added = load(table);
#pragma unroll
    for (int32_t e = 0; e < first.size; ++e) sums[e] += thread::to_float(added[e]);
  }
  Chunk<T> written;
#pragma unroll
  for (int32_t e = 0; e < first.size; ++e) written[e] = thread::from_float<T>(sums[e]);
  store_chunk(static_cast<T*>(p.output) + row * p.width, p.width, d, p.aligned, written);
}

void embed(const EmbeddingProblem& problem, Workspace& workspace) {
  const int64_t rows = problem.rows();
  if (rows == 0 || problem.width == 0) return;
  const auto elements = static_cast<int64_t>(16 / size_of(problem.type));
  bool aligned = begins_aligned(problem.output) && problem.width % elements == 0;
  std::vector<const void*> tables;
  std::vector<int64_t> ids;
  for (const EmbeddingProblem::Table& table : problem.tables) {
    aligned = aligned && begins_aligned(table.data);
    tables.push_back(table.data);
    ids.insert(ids.end(), table.ids.begin(), table.ids.end());
  }
  const EmbedParameters p{entries_of(tables, workspace),
                          workspace.upload(ids),
                          problem.output,
                          rows,
                          problem.width,
                          tiles_of(problem.width, warp::size * elements),
                          problem.scale,
                          aligned};
  const LaunchShape shape{tiles_of(rows * p.parts, embed_warps), embed_threads, 0};
  with_element_type(problem.type, [&](auto element) {
    launch(&embed_kernel<typename decltype(element)::type>, shape, workspace, p);
  });
}

}  // namespace heed::cuda
