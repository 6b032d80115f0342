// Attention problems of given shapes on the emulator.
#pragma once

#include <cmath>
#include <memory>

#include "machine/device_memory.h"
#include "support/half.h"
#include "support/random.h"
#include "support/workspace.h"

namespace heed::emulator {

// Fixed shapes, otherwise plain: dense and causal, with the last step at the last key.
struct DenseAttention {
  DenseAttention(test::Random& random, DType type, int64_t batch, int64_t key_heads, int64_t group,
                 int64_t steps, int64_t keys, int64_t width)
      : query(type, batch * key_heads * group * steps * width),
        key(type, batch * key_heads * keys * width),
        value(type, batch * key_heads * keys * width),
        output(type, batch * key_heads * group * steps * width),
        log_sum_exp(DType::float32, batch * key_heads * group * steps) {
    const int64_t heads = key_heads * group;
    problem.query_heads = heads;
    problem.key_heads = key_heads;
    problem.key_width = problem.query_width = problem.value_width = width;
    problem.query = {query.data(), type, heads * steps * width, steps * width, width};
    problem.key = {key.data(), type, key_heads * keys * width, keys * width, width};
    problem.value = {value.data(), type, key_heads * keys * width, keys * width, width};
    problem.output = {output.data(), type, heads * steps * width, steps * width, width};
    problem.log_sum_exp = {log_sum_exp.data(), DType::float32, heads * steps, steps, 1};
    problem.scoring.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(width)));
    problem.scoring.window.right = 0;
    for (test::Buffer* buffer : {&query, &key, &value}) {
      for (int64_t i = 0; i < buffer->size(); ++i) buffer->set(i, random.normal());
    }
    for (int64_t b = 0; b < batch; ++b) problem.sequences.push_back({0, steps, 0, keys, keys - steps});
  }

  // Calls solve(problem, workspace) on memory that is aligned like CUDA's.
  template <class Solve>
  Counts solve_on(Machine& machine, Solve solve) {
    const auto give = [&](const char* name, RemoteMemory::Use use, test::Buffer& buffer) {
      return std::make_unique<RemoteMemory>(machine, name, use, buffer.data(),
                                            static_cast<size_t>(buffer.size()) * size_of(buffer.type()));
    };
    const auto q = give("query", RemoteMemory::Use::input, query),
               k = give("key", RemoteMemory::Use::input, key),
               v = give("value", RemoteMemory::Use::input, value),
               o = give("output", RemoteMemory::Use::output, output),
               l = give("log-sum-exp", RemoteMemory::Use::output, log_sum_exp);
    AttentionProblem on_device = problem;
    on_device.query.data = q->data();
    on_device.key.data = k->data();
    on_device.value.data = v->data();
    on_device.output.data = o->data();
    on_device.log_sum_exp.data = l->data();
    EmulatedWorkspace workspace(machine, capacity);
    solve(on_device, workspace);
    o->read_back(output.data());
    l->read_back(log_sum_exp.data());
    return machine.counts();
  }

  AttentionProblem problem;
  cuda::DeviceCapacity capacity = EmulatedWorkspace::h200;
  test::Buffer query, key, value, output, log_sum_exp;
};

}  // namespace heed::emulator
