// Problems kept for later, and what they do to the buffers in whose place others stand.
#pragma once

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "core/solver.h"

namespace heed {

class Recorder final : public Solver {
 public:
  // A buffer, by where it begins and how long it is.
  struct Buffer {
    const std::byte* data = nullptr;
    size_t bytes = 0;
    bool written = false;      // some problem writes to it
    bool overwritten = false;  // the first that any problem does with it is to write all of it
    bool touched = false;
  };

  explicit Recorder(std::vector<Buffer> buffers) : buffers_(std::move(buffers)) {}

  void attention(const AttentionProblem& problem) override;
  void unfused(const AttentionProblem& problem) override;
  void rows(const RowsProblem& problem) override;
  void projection(const ProjectionProblem& problem) override;
  void merge(const MergeProblem& problem) override;
  void append(const AppendProblem& problem) override;
  void cast(const CastProblem& problem) override;

  const std::vector<Buffer>& buffers() const { return buffers_; }
  // Gives all problems to the solver, in order.
  void replay(Solver& solver) const;

 private:
  template <class Problem>
  void keep(const Problem& problem, void (Solver::*solve)(const Problem&));
  Buffer* find(const void* data);
  void reads(const void* data);
  void writes(const void* data, int64_t elements, DType type);
  void attends(const AttentionProblem& problem);

  std::vector<Buffer> buffers_;
  std::vector<std::function<void(Solver&)>> problems_;
};

}  // namespace heed
