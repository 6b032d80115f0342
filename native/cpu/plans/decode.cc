// Plans decoding as tasks, each for a chunk of keys of one sequence and key head. If there are several
// chunks, a second phase combines them.
#include <algorithm>
#include <utility>

#include "cpu/plans/prefix_states.h"

namespace heed::cpu {

namespace {

struct DecodeTask {
  int64_t batch, key_head, first_key;
  int64_t partial;  // index of this chunk's state
  bool alone;       // the only state to combine
};

// The states of one key head with several of them: of its chunks, and of keys that it shares.
struct DecodedHead {
  int64_t batch, key_head;
  int64_t first_partial, chunks;
  PrefixStates* prefix;
};

// The partial softmax states of all chunks, in one allocation.
class Partials {
 public:
  Partials(int64_t count, int64_t value_width)
      : value_width_(value_width), memory_(count * stride()), choices_(count * most_decode_rows) {}
  Partial at(int64_t index) {
    float* base = memory_.data() + index * stride();
    const auto column = [&](int64_t i) { return base + most_decode_rows * (value_width_ + i); };
    return {base, column(0), column(1), column(2), choices_.data() + index * most_decode_rows};
  }

 private:
  int64_t stride() const { return most_decode_rows * (value_width_ + 3); }
  int64_t value_width_;
  std::vector<float> memory_;
  std::vector<int64_t> choices_;
};

struct Decoding {
  std::vector<std::unique_ptr<PrefixStates>> prefixes;
  std::vector<std::pair<PrefixStates*, int64_t>> prefix_tasks;
  std::vector<DecodeTask> tasks;
  std::vector<DecodedHead> joined;
  int64_t partials = 0;
};

// How many keys a sequence shares with others, and the states that attend them for all sequences.
struct SharedKeys {
  PrefixStates* states = nullptr;
  int64_t keys = 0;
};

std::vector<SharedKeys> plan_shared_keys(const PlannedAttention& planned, Decoding& decoding) {
  std::vector<SharedKeys> shared_keys(planned.problem.sequences.size());
  for (const SharedPrefix& prefix : shared_prefixes(planned)) {
    decoding.prefixes.push_back(std::make_unique<PrefixStates>(planned, prefix));
    PrefixStates* states = decoding.prefixes.back().get();
    for (int64_t task = 0; task < states->tasks(); ++task) decoding.prefix_tasks.emplace_back(states, task);
    for (int64_t i = 0; i < prefix.entries; ++i) shared_keys[prefix.first_entry + i] = {states, prefix.keys};
  }
  return shared_keys;
}

Decoding decode_tasks(const PlannedAttention& planned) {
  Decoding decoding;
  const auto& sequences = planned.problem.sequences;
  const auto shared_keys = plan_shared_keys(planned, decoding);
  for (int64_t batch = 0; batch < static_cast<int64_t>(sequences.size()); ++batch) {
    const int64_t rows = planned.rows_of(sequences[batch]);
    if (rows == 0 || !is_decoded(planned, sequences[batch])) continue;
    const auto [prefix, shared] = shared_keys[batch];
    const Keys keys = planned.keys_of(sequences[batch]);
    const int64_t first_key = keys.first + shared;
    const int64_t own = (keys.last - first_key + decode_chunk_keys - 1) / decode_chunk_keys;
    // A sequence without keys still has output to write.
    const int64_t chunks = prefix == nullptr ? std::max<int64_t>(1, own) : own;
    const bool alone = prefix == nullptr && chunks == 1;
    for (int64_t head = 0; head < planned.parameters.key_heads; ++head) {
      if (!alone) decoding.joined.push_back({batch, head, decoding.partials, chunks, prefix});
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        decoding.tasks.push_back(
            {batch, head, first_key + chunk * decode_chunk_keys, decoding.partials++, alone});
      }
    }
  }
  return decoding;
}

}  // namespace

void plan_decode(const std::shared_ptr<const PlannedAttention>& planned, Plan& plan) {
  auto decoding = std::make_shared<const Decoding>(decode_tasks(*planned));
  const auto shared = static_cast<int64_t>(decoding->prefix_tasks.size());
  const auto tasks = shared + static_cast<int64_t>(decoding->tasks.size());
  if (tasks == 0) return;
  auto partials = std::make_shared<Partials>(decoding->partials, planned->parameters.value_width);
  const auto join = [planned](const RowBlock& block, const Partial* states, int64_t count, Scratch& scratch) {
    void* joined = scratch.reserve(sizeof(float) * planned->parameters.value_width + 64);
    planned->table.decode_combine(block, states, count, joined);
  };
  plan.push_back({tasks, [=](const TaskContext& context) {
                    if (context.task < shared) {
                      const auto& [states, task] = decoding->prefix_tasks[context.task];
                      states->run(task, context);
                      return;
                    }
                    const DecodeTask& task = decoding->tasks[context.task - shared];
                    const int64_t rows = planned->rows_of(planned->problem.sequences[task.batch]);
                    const RowBlock block = planned->block_of(task.batch, task.key_head, 0, rows);
                    void* scratch =
                        context.scratch.reserve(planned->table.decode_scratch(planned->parameters, rows));
                    const Partial state = partials->at(task.partial);
                    planned->table.decode_chunk(block, task.first_key, task.first_key + decode_chunk_keys,
                                                state, scratch, stop_of(context));
                    if (task.alone) join(block, &state, 1, context.scratch);
                  }});
  if (decoding->joined.empty()) return;
  plan.push_back({static_cast<int64_t>(decoding->joined.size()), [=](const TaskContext& context) {
                    const DecodedHead& head = decoding->joined[context.task];
                    const int64_t rows = planned->rows_of(planned->problem.sequences[head.batch]);
                    std::vector<Partial> states;
                    if (head.prefix != nullptr) head.prefix->add_states(head.batch, head.key_head, states);
                    for (int64_t i = 0; i < head.chunks; ++i)
                      states.push_back(partials->at(head.first_partial + i));
                    join(planned->block_of(head.batch, head.key_head, 0, rows), states.data(),
                         static_cast<int64_t>(states.size()), context.scratch);
                  }});
}

}  // namespace heed::cpu
