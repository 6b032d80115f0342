#include "cuda/runtime/kept_graphs.h"

#include <algorithm>
#include <utility>

namespace heed::cuda {

KeptGraphs::~KeptGraphs() {
  for (Sequence& sequence : sequences_) drop(sequence);
}

void KeptGraphs::run(std::vector<KernelLaunch> launches) {
  const bool fits = launches.size() >= least_launches && launches.size() <= most_launches;
  if (fits && run_graph(launches)) return;
  for (const KernelLaunch& launch : launches) launch.start(launch, stream_);
}

// Whether a graph has launched them. If so, it takes them; if not, they stay.
bool KeptGraphs::run_graph(std::vector<KernelLaunch>& launches) {
  // Held until the graph is launched: no other operation may change it before.
  const std::lock_guard lock(mutex_);
  Sequence* const sequence = find(launches);
  if (sequence == nullptr || sequence->fails) return false;
  try {
    make_ready(*sequence, launches);
    driver_.launch(sequence->graph, stream_);
  } catch (const std::exception&) {
    drop(*sequence);
    sequence->fails = true;
    return false;
  }
  sequence->launches = std::move(launches);
  return true;
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

void KeptGraphs::make_ready(Sequence& sequence, const std::vector<KernelLaunch>& launches) {
  if (sequence.graph == nullptr) {
    sequence.graph = driver_.make_graph(launches);
    return;
  }
  for (size_t place = 0; place < launches.size(); ++place) {
    if (launches[place] != sequence.launches[place]) driver_.change(sequence.graph, place, launches[place]);
  }
}

void KeptGraphs::drop(Sequence& sequence) noexcept {
  if (Graph* graph = std::exchange(sequence.graph, nullptr)) driver_.destroy_graph(graph);
  sequence.launches.clear();
}

}  // namespace heed::cuda
