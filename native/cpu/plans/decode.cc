// Decoding as tasks: a chunk of keys of one sequence and key head each; where there are several, a second
// phase joins them.
#include "cpu/plans/decode.h"

#include <algorithm>
#include <utility>

#include "cpu/plans/prefix_states.h"

namespace heed::cpu {

namespace {

struct DecodeTask {
  int64_t batch, key_head, first_key;
  int64_t partial;  // index of this chunk's state
  bool alone;       // it is all that there is to join
};

// The states of one key head, where there are several: of chunks, and of keys that others have too.
struct DecodeGroup {
  int64_t batch, key_head;
  int64_t first_partial, chunks;
  PrefixStates* prefix;
};

// Partial softmax states of all chunks, in one allocation.
class Partials {
 public:
  Partials(int64_t count, int64_t value_width)
      : value_width_(value_width), memory_(count * stride()), choices_(count * decode_rows) {}
  Partial at(int64_t index) {
    float* base = memory_.data() + index * stride();
    const auto column = [&](int64_t i) { return base + decode_rows * (value_width_ + i); };
    return {base, column(0), column(1), column(2), choices_.data() + index * decode_rows};
  }

 private:
  int64_t stride() const { return decode_rows * (value_width_ + 3); }
  int64_t value_width_;
  std::vector<float> memory_;
  std::vector<int64_t> choices_;
};

struct Decoding {
  std::vector<std::unique_ptr<PrefixStates>> prefixes;
  std::vector<std::pair<PrefixStates*, int64_t>> prefix_tasks;
  std::vector<DecodeTask> tasks;
  std::vector<DecodeGroup> groups;
  int64_t partials = 0;
};

// What of a sequence's keys is attended together with others.
struct Together {
  PrefixStates* states = nullptr;
  int64_t keys = 0;
};

std::vector<Together> attend_together(const SolvingAttention& solving, Decoding& decoding) {
  std::vector<Together> together(solving.problem.sequences.size());
  for (const SharedPrefix& prefix : shared_prefixes(solving)) {
    decoding.prefixes.push_back(std::make_unique<PrefixStates>(solving, prefix));
    PrefixStates* states = decoding.prefixes.back().get();
    for (int64_t task = 0; task < states->tasks(); ++task) decoding.prefix_tasks.emplace_back(states, task);
    for (int64_t i = 0; i < prefix.entries; ++i) together[prefix.first_entry + i] = {states, prefix.keys};
  }
  return together;
}

Decoding decode_tasks(const SolvingAttention& solving) {
  Decoding decoding;
  const auto& sequences = solving.problem.sequences;
  const auto together = attend_together(solving, decoding);
  for (int64_t batch = 0; batch < static_cast<int64_t>(sequences.size()); ++batch) {
    const int64_t rows = solving.rows_of(sequences[batch]);
    if (rows == 0 || !is_decoded(solving, sequences[batch])) continue;
    const auto [prefix, first_key] = together[batch];
    const int64_t own = (sequences[batch].key_steps - first_key + decode_chunk_keys - 1) / decode_chunk_keys;
    // Without any key there is still something to be written.
    const int64_t chunks = prefix == nullptr ? std::max<int64_t>(1, own) : own;
    const bool alone = prefix == nullptr && chunks == 1;
    for (int64_t head = 0; head < solving.parameters.key_heads; ++head) {
      if (!alone) decoding.groups.push_back({batch, head, decoding.partials, chunks, prefix});
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        decoding.tasks.push_back(
            {batch, head, first_key + chunk * decode_chunk_keys, decoding.partials++, alone});
      }
    }
  }
  return decoding;
}

}  // namespace

void plan_decode(const std::shared_ptr<const SolvingAttention>& solving, Plan& plan) {
  auto decoding = std::make_shared<const Decoding>(decode_tasks(*solving));
  const auto shared = static_cast<int64_t>(decoding->prefix_tasks.size());
  const auto tasks = shared + static_cast<int64_t>(decoding->tasks.size());
  if (tasks == 0) return;
  auto partials = std::make_shared<Partials>(decoding->partials, solving->parameters.value_width);
  const auto join = [solving](const RowBlock& block, const Partial* states, int64_t count, Scratch& scratch) {
    void* joined = scratch.reserve(sizeof(float) * solving->parameters.value_width + 64);
    solving->table.decode_combine(block, states, count, joined);
  };
  plan.push_back({tasks, [=](const TaskContext& context) {
                    if (context.task < shared) {
                      const auto& [states, task] = decoding->prefix_tasks[context.task];
                      states->run(task, context);
                      return;
                    }
                    const DecodeTask& task = decoding->tasks[context.task - shared];
                    const int64_t rows = solving->rows_of(solving->problem.sequences[task.batch]);
                    const RowBlock block = solving->block_of(task.batch, task.key_head, 0, rows);
                    void* scratch =
                        context.scratch.reserve(solving->table.decode_scratch(solving->parameters, rows));
                    const Partial state = partials->at(task.partial);
                    solving->table.decode_chunk(block, task.first_key, task.first_key + decode_chunk_keys,
                                                state, scratch, stop_of(context));
                    if (task.alone) join(block, &state, 1, context.scratch);
                  }});
  if (decoding->groups.empty()) return;
  plan.push_back({static_cast<int64_t>(decoding->groups.size()), [=](const TaskContext& context) {
                    const DecodeGroup& group = decoding->groups[context.task];
                    const int64_t rows = solving->rows_of(solving->problem.sequences[group.batch]);
                    std::vector<Partial> states;
                    if (group.prefix != nullptr)
                      group.prefix->add_states(group.batch, group.key_head, states);
                    for (int64_t i = 0; i < group.chunks; ++i)
                      states.push_back(partials->at(group.first_partial + i));
                    join(solving->block_of(group.batch, group.key_head, 0, rows), states.data(),
                         static_cast<int64_t>(states.size()), context.scratch);
                  }});
}

}  // namespace heed::cpu
