#include "cuda/forward_launch.cuh"

namespace heed::cuda {

template void launch_forward<BFloat16>(const AttentionProblem&, Workspace&);

}  // namespace heed::cuda
