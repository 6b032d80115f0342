// Operations that come again and again, as CUDA graphs: one call of the driver enqueues all of their
// launches.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <vector>

#include "cuda/runtime/driver.h"

namespace heed::cuda {

// A graph stands for a sequence of kernels. All else of a launch (how many blocks there are, which memory
// they use, where sequences end) is data that the next operation with the same kernels changes, where it
// differs: a call that enqueues nothing, and that the device does not wait for. So a graph is never made for
// one place in memory or one length, and there are as many as there are sequences of kernels. Their number
// and their length are bounded, and so is the memory that they take.
//
// A graph is made from the launches themselves. Capturing a stream would come to the same, but would forbid
// every thread to allocate or to ask events meanwhile, and would take in whatever they enqueue.
//
// Whatever fails about a graph, its operation is launched without one, and so is every later one like it.
class KeptGraphs {
 public:
  static constexpr size_t least_launches = 3, most_launches = 64;  // of a graph
  static constexpr size_t most_graphs = 64;                        // those that were used last stay

  KeptGraphs(Driver& driver, Stream stream) : driver_(driver), stream_(stream) {}
  ~KeptGraphs();
  KeptGraphs(const KeptGraphs&) = delete;
  KeptGraphs& operator=(const KeptGraphs&) = delete;

  // Enqueues the launches in their order: from the second time that their kernels come, by a graph.
  void run(std::vector<KernelLaunch> launches);

 private:
  struct Sequence {
    std::vector<const void*> kernels;
    Graph* graph = nullptr;
    std::vector<KernelLaunch> launches;  // as the graph has them
    bool fails = false;
  };

  bool run_graph(std::vector<KernelLaunch>& launches);
  Sequence* find(const std::vector<KernelLaunch>& launches);
  void make_ready(Sequence& sequence, const std::vector<KernelLaunch>& launches);
  void drop(Sequence& sequence) noexcept;

  Driver& driver_;
  const Stream stream_;
  std::mutex mutex_;
  std::list<Sequence> sequences_;  // the one that was used last is the first
};

}  // namespace heed::cuda
