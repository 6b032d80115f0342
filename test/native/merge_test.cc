// Tests that attention over parts of the keys, merged by log-sum-exp, equals attention over all of them.
#include <doctest/doctest.h>

#include <cmath>

#include "cpu/backend.h"
#include "support/oracle.h"
#include "support/random_attention.h"
#include "support/run.h"

namespace heed::test {

TEST_CASE("merging two halves of the keys gives the whole, wherever the sink is given") {
  for (const cpu::InstructionSet isa : cpu::available_instruction_sets()) {
    cpu::set_instruction_set(isa);
    Random random(2'000'000);
    for (int repeat = 0; repeat < 20; ++repeat) {
      const int64_t rows = random.integer(1, 40), keys = random.integer(0, 90), cut = random.integer(0, keys),
                    width = 24;
      enum class Sink { none, first, second, merged };
      const Sink place = random.pick({Sink::none, Sink::first, Sink::second, Sink::merged});
      const auto sink = static_cast<float>(random.normal());
      Buffer query(DType::float32, rows * width), key(DType::float32, keys * width),
          value(DType::float32, keys * width);
      for (Buffer* buffer : {&query, &key, &value}) {
        for (int64_t i = 0; i < buffer->size(); ++i) buffer->set(i, random.normal());
      }
      AttentionProblem whole;
      whole.query_heads = whole.key_heads = 1;
      whole.key_width = whole.query_width = whole.value_width = width;
      whole.query = {query.data(), DType::float32, 0, 0, width};
      whole.key = {key.data(), DType::float32, 0, 0, width};
      whole.value = {value.data(), DType::float32, 0, 0, width};
      whole.scoring.scale = 0.3f;
      whole.sequences = {{0, rows, 0, keys, 0}};
      // So few keys that many rows have none in one half, and some have none at all.
      whole.scoring.window = {random.integer(0, 20), random.integer(0, 20)};
      const AttentionProblem plain = whole;
      if (place != Sink::none) whole.scoring.sinks = whole.keep({sink});

      MergeProblem merge;
      if (place == Sink::merged) merge.sinks = {sink};
      merge.rows = rows;
      merge.width = width;
      std::vector<Buffer> outputs, sums;
      for (int i = 0; i < 3; ++i) {
        outputs.emplace_back(DType::float32, rows * width);
        sums.emplace_back(DType::float32, rows);
      }
      for (int part = 0; part < 2; ++part) {
        AttentionProblem half = place == (part ? Sink::second : Sink::first) ? whole : plain;
        half.sequences = {{0, rows, part * cut, part ? keys - cut : cut, -part * cut}};
        half.output = {outputs[part].data(), DType::float32, 0, 0, width};
        half.log_sum_exp = {sums[part].data(), DType::float32, 0, 0, 1};
        Plan plan;
        cpu::plan(half, plan);
        run(plan, random);
        merge.parts.push_back({outputs[part].data(), static_cast<const float*>(sums[part].data())});
      }
      merge.output = outputs[2].data();
      merge.log_sum_exp = static_cast<float*>(sums[2].data());
      Plan plan;
      cpu::plan(merge, plan);
      run(plan, random);

      double error = 0, norm = 0;
      for (int64_t row = 0; row < rows; ++row) {
        const OracleRow truth = oracle(whole, 0, 0, row);
        for (int64_t d = 0; d < width; ++d) {
          error += std::pow(outputs[2][row * width + d] - truth.output[d], 2);
          norm += std::pow(truth.output[d], 2);
        }
        const double sum = sums[2][row];
        CHECK((sum == truth.log_sum_exp || std::fabs(sum - truth.log_sum_exp) < 1e-5));
      }
      CHECK(std::sqrt(error) <= 3e-6 * std::sqrt(norm));
    }
  }
}

}  // namespace heed::test
