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
// More candidates are told apart by bins first.
constexpr int64_t most_candidates = 2048;
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
    return end_of_probability(highest);
  }

  // Weights of logits so far below the highest, in temperatures, are next to nothing.
  static constexpr double deepest = 25;

  // The last of as few logits as have the share top_p of the probability.
  Candidate end_of_probability(float highest) const {
    const auto per_unit = static_cast<float>(weight_bins / (deepest * sampling_.temperature));
    const std::vector<double> bins = bin({logits_, static_cast<size_t>(count_)}, highest, highest, per_unit);
    std::vector<Candidate> found = candidates(first_candidates);
    // In float64, the weights that are most of the sum are those of the reference.
    const double rough = sum_of(bin(logits_of(found), highest, highest, per_unit));
    const double weight = weigh(found, highest);
    double share = sampling_.top_p * (sum_of(bins) - rough + weight);
    if (weight >= share) return end_of_share(found, share);
    share += rough - weight;
    const int place = bin_of_share(bins, share);
    found.clear();
    for (int64_t first = 0; first < count_; first += logits_per_chunk) {
      if (place_of(largest_[static_cast<size_t>(first / logits_per_chunk)], highest, per_unit) > place)
        continue;
      for (int64_t i = first; i < std::min(count_, first + logits_per_chunk); ++i) {
        if (place_of(logits_[i], highest, per_unit) == place)
          found.push_back({logits_[i], static_cast<int32_t>(i), 0});
      }
    }
    narrow(found, highest, share);
    weigh(found, highest);
    return end_of_share(found, share);
  }

  // Leaves the candidates of one bin out of many, as long as there are many.
  void narrow(std::vector<Candidate>& found, float highest, double& share) const {
    while (static_cast<int64_t>(found.size()) > most_candidates) {
      const auto [lowest, top] = std::ranges::minmax(found, {}, &Candidate::logit);
      const float per_unit = 0.99f * weight_bins / (top.logit - lowest.logit);
      if (!(per_unit < std::numeric_limits<float>::max())) return;
      const int place = bin_of_share(bin(logits_of(found), highest, top.logit, per_unit), share);
      const auto others = std::ranges::remove_if(found, [&, top = top.logit](const Candidate& each) {
        return place_of(each.logit, top, per_unit) != place;
      });
      if (others.empty()) return;
      found.erase(others.begin(), others.end());
    }
  }

  std::vector<double> bin(std::span<const float> logits, float highest, float top, float per_unit) const {
    std::vector<double> bins(weight_bins + 1);
    table_.bin_weights(logits.data(), static_cast<int64_t>(logits.size()), highest, sampling_.temperature,
                       top, per_unit, bins.data());
    return bins;
  }

  // The bin of a logit, as the kernel computes it.
  static int place_of(float logit, float top, float per_unit) {
    const float depth = (top - logit) * per_unit;
    return depth < static_cast<float>(weight_bins) ? static_cast<int>(depth) : weight_bins;
  }

  // The first bin that with those before it has the share; what those have is taken from the share.
  static int bin_of_share(const std::vector<double>& bins, double& share) {
    int place = 0;
    while (place < weight_bins && bins[static_cast<size_t>(place)] < share)
      share -= bins[static_cast<size_t>(place++)];
    return place;
  }

  static double sum_of(const std::vector<double>& bins) {
    double sum = 0;
    for (const double each : bins) sum += each;
    return sum;
  }

  static std::vector<float> logits_of(const std::vector<Candidate>& found) {
    std::vector<float> logits(found.size());
    std::ranges::transform(found, logits.begin(), &Candidate::logit);
    return logits;
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
