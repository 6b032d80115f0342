#include "cuda/attention_forward/launch.cuh"

namespace heed::cuda {

template void launch_forward<float>(const AttentionProblem&, Workspace&);

}  // namespace heed::cuda
