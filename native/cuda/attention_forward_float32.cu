#include "cuda/forward_launch.cuh"

namespace heed::cuda {

template void launch_forward<float>(const AttentionProblem&, Workspace&);

}  // namespace heed::cuda
