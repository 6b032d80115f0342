// Plans sampling: a task for each row. Kernels look at every logit; what is decided here concerns the few
// that may be chosen.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "cpu/backend.h"
#include "cpu/instruction_set.h"

namespace heed::cpu {

namespace {

constexpr float no_logit = -std::numeric_limits<float>::infinity();
constexpr int64_t first_candidates = 256;
// So few candidates are sorted at once.
constexpr int64_t sorted_candidates = 64;

struct Candidate {
  float logit;
  int32_t index;
  double weight;
};

// Larger logits come first, and of equal ones the first.
bool comes_before(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.index < b.index);
}

// The logits of one row, as float32, and the largest of each chunk.
class RowOfLogits {
 public:
  // Penalties are applied to a copy.
  RowOfLogits(const KernelTable& table, const SampleProblem& problem, int64_t row, Scratch& scratch)
      : table_(table), sampling_(problem.rows[static_cast<size_t>(row)]), count_(problem.vocabulary) {
    const auto chunks = static_cast<size_t>(tasks_for(count_, logits_per_chunk));
    auto* memory =
        static_cast<float*>(scratch.reserve((chunks + static_cast<size_t>(count_)) * sizeof(float)));
    largest_ = {memory, chunks};
    const bool penalised = sampling_.repetition_penalty != 1 && !sampling_.previous.empty();
    const char* source =
        static_cast<const char*>(problem.logits) + row * count_ * static_cast<int64_t>(size_of(problem.type));
    if (problem.type == DType::float32 && !penalised) {
      logits_ = reinterpret_cast<const float*>(source);
    } else {
      float* copy = memory + chunks;
      table.cast(source, problem.type, copy, DType::float32, count_);
      if (penalised) penalise(copy);
      logits_ = copy;
    }
    table.largest_of_chunks(logits_, count_, largest_.data());
  }

  int32_t choose() const {
    float highest = no_logit;
    for (const float largest : largest_) {
      if (largest != largest) return -1;
      highest = std::max(highest, largest);
    }
    if (highest == no_logit) return -1;
    // Where a logit is infinite, it has all the probability.
    if (sampling_.temperature == 0 || highest > std::numeric_limits<float>::max()) return first_of(highest);
    const Candidate floor = floor_of(highest);
    const DrawnLogits drawn{
        .logits = logits_,
        .count = count_,
        .largest = largest_.data(),
        .highest = highest,
        .temperature = sampling_.temperature,
        .floor = floor.logit,
        .last_at_floor = floor.index,
        .least = std::log(sampling_.min_p),
        .seed = sampling_.seed,
    };
    return static_cast<int32_t>(table_.draw_logit(drawn));
  }

 private:
  void penalise(float* logits) const {
    std::vector<int32_t> previous = sampling_.previous;
    std::ranges::sort(previous);
    const auto repeated = std::ranges::unique(previous);
    previous.erase(repeated.begin(), repeated.end());
    for (const int32_t token : previous) {
      const double logit = logits[token];
      logits[token] = static_cast<float>(logit < 0 ? logit * sampling_.repetition_penalty
                                                   : logit / sampling_.repetition_penalty);
    }
  }

  int32_t first_of(float highest) const {
    const auto chunk = std::ranges::find(largest_, highest) - largest_.begin();
    return static_cast<int32_t>(std::find(logits_ + chunk * logits_per_chunk, logits_ + count_, highest) -
                                logits_);
  }

  // All logits of at least the `count`-th largest of the largest of chunks: `count` at least, and perhaps
  // few more.
  std::vector<Candidate> candidates(int64_t count) const {
    float least = no_logit;
    if (count <= static_cast<int64_t>(largest_.size())) {
      std::vector<float> largest(largest_.begin(), largest_.end());
      std::nth_element(largest.begin(), largest.begin() + (count - 1), largest.end(), std::greater<>());
      least = largest[static_cast<size_t>(count - 1)];
    }
    std::vector<Candidate> found;
    for (int64_t first = 0; first < count_; first += logits_per_chunk) {
      if (largest_[static_cast<size_t>(first / logits_per_chunk)] < least) continue;
      for (int64_t i = first; i < std::min(count_, first + logits_per_chunk); ++i) {
        if (logits_[i] >= least) found.push_back({logits_[i], static_cast<int32_t>(i), 0});
      }
    }
    return found;
  }

  // The last logit that top_k and top_p keep.
  Candidate floor_of(float highest) const {
    const int64_t kept = sampling_.top_k;
    const bool some = kept < count_;
    if (!some && sampling_.top_p >= 1) return {no_logit, static_cast<int32_t>(count_ - 1), 0};
    std::vector<Candidate> found = candidates(some ? kept : first_candidates);
    if (some) {
      std::nth_element(found.begin(), found.begin() + (kept - 1), found.end(), comes_before);
      found.resize(static_cast<size_t>(kept));
      if (sampling_.top_p >= 1) return found.back();
      return end_of_share(found, sampling_.top_p * weigh(found, highest));
    }
    const double whole = table_.sum_of_weights(logits_, count_, highest, sampling_.temperature);
    for (int64_t count = first_candidates;; count *= 8) {
      // The weights of candidates are nearly all of the sum, and in float64 they are those of the reference.
      const double weight = weigh(found, highest);
      const double share = sampling_.top_p * (whole - roughly(found, highest) + weight);
      if (weight >= share || static_cast<int64_t>(found.size()) == count_) return end_of_share(found, share);
      found = candidates(count * 8);
    }
  }

  // The sum of the weights of candidates, and each of them.
  double weigh(std::vector<Candidate>& found, float highest) const {
    double sum = 0;
    for (Candidate& each : found) {
      each.weight =
          std::exp((static_cast<double>(each.logit) - static_cast<double>(highest)) / sampling_.temperature);
      sum += each.weight;
    }
    return sum;
  }

  // The same sum, of the weights that the kernel has summed.
  double roughly(const std::vector<Candidate>& found, float highest) const {
    std::vector<float> logits(found.size());
    std::ranges::transform(found, logits.begin(), &Candidate::logit);
    return table_.sum_of_weights(logits.data(), static_cast<int64_t>(logits.size()), highest,
                                 sampling_.temperature);
  }

  // The last of as few candidates as together weigh `share`; all of them do, but for rounding.
  static Candidate end_of_share(std::vector<Candidate>& found, double share) {
    auto first = found.begin(), last = found.end();
    while (last - first > sorted_candidates) {
      const auto middle = first + (last - first) / 2;
      std::nth_element(first, middle, last, comes_before);
      double weight = 0;
      for (auto each = first; each != middle; ++each) weight += each->weight;
      if (weight >= share) {
        last = middle;
      } else {
        share -= weight;
        first = middle;
      }
    }
    std::sort(first, last, comes_before);
    while (first + 1 != last && first->weight < share) share -= first++->weight;
    return *first;
  }

  const KernelTable& table_;
  const Sampling& sampling_;
  int64_t count_;
  const float* logits_ = nullptr;
  std::span<float> largest_;
};

}  // namespace

void plan(const SampleProblem& problem, Plan& plan) {
  const KernelTable& table = kernels();
  const auto sampled = std::make_shared<const SampleProblem>(problem);
  plan.push_back({static_cast<int64_t>(problem.rows.size()), [sampled, &table](const TaskContext& context) {
                    const RowOfLogits row(table, *sampled, context.task, context.scratch);
                    sampled->tokens[context.task] = row.choose();
                  }});
}

}  // namespace heed::cpu
