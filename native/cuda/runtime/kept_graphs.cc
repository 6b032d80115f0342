#include "cuda/runtime/kept_graphs.h"

#include <algorithm>
#include <utility>

namespace heed::cuda {

KeptGraphs::~KeptGraphs() {
  for (Sequence& sequence : sequences_) drop(sequence);
}

void KeptGraphs::run(std::vector<KernelLaunch> launches) {
  if (launches.size() < least_launches) return launch_each(launches);
  // Held until the graph is launched: no other operation may change it before.
  const std::lock_guard lock(mutex_);
  Sequence* const sequence = find(launches);
  if (sequence == nullptr || !prepare(*sequence, launches)) return launch_each(launches);
  driver_.launch(sequence->graph, stream_);
}

// Null if these kernels come for the first time.
KeptGraphs::Sequence* KeptGraphs::find(const std::vector<KernelLaunch>& launches) {
  const auto found = std::ranges::find_if(sequences_, [&](const Sequence& sequence) {
    return std::ranges::equal(sequence.kernels, launches, {}, {}, &KernelLaunch::kernel);
  });
  if (found != sequences_.end()) {
    sequences_.splice(sequences_.begin(), sequences_, found);
    return &sequences_.front();
  }
  Sequence added;
  for (const KernelLaunch& launch : launches) added.kernels.push_back(launch.kernel);
  sequences_.push_front(std::move(added));
  if (sequences_.size() > most_graphs) {
    drop(sequences_.back());
    sequences_.pop_back();
  }
  return nullptr;
}

// Makes the graph launch these, and takes them. Where it cannot, there is no graph, and they stay.
bool KeptGraphs::prepare(Sequence& sequence, std::vector<KernelLaunch>& launches) noexcept {
  if (sequence.fails) return false;
  try {
    if (sequence.graph == nullptr) {
      sequence.graph = driver_.make_graph(launches);
    } else {
      for (size_t place = 0; place < launches.size(); ++place) {
        if (launches[place] != sequence.launches[place])
          driver_.change(sequence.graph, place, launches[place]);
      }
    }
  } catch (const std::exception&) {
    drop(sequence);
    sequence.fails = true;
    return false;
  }
  sequence.launches = std::move(launches);
  return true;
}

void KeptGraphs::drop(Sequence& sequence) noexcept {
  if (Graph* graph = std::exchange(sequence.graph, nullptr)) driver_.destroy_graph(graph);
}

void KeptGraphs::launch_each(const std::vector<KernelLaunch>& launches) {
  for (const KernelLaunch& launch : launches) launch.start(launch, stream_);
}

}  // namespace heed::cuda
