// Times the kernels alone, one thread, against the FMA peak and the read bandwidth measured in the same run:
// the tool to tune tiles with. Build with -DHEED_BENCH=ON; the arguments filter rows by name. HEED_CPU_ISA
// forces an instruction set.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "cpu/backend.h"
#include "cpu/instruction_set.h"
#include "machine.h"

namespace {

using namespace heed;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Shortest and median time of a plan run on one thread.
struct Times {
  double shortest, median;
};
Times time(const Plan& plan) {
  Scratch scratch;
  const Cancellation never;
  std::vector<double> times;
  for (const double end = seconds() + 0.5; seconds() < end || times.size() < 5;) {
    const double start = seconds();
    for (const Phase& phase : plan) {
      for (int64_t task = 0; task < phase.tasks; ++task) phase.run({task, scratch, never});
    }
    times.push_back(seconds() - start);
  }
  std::sort(times.begin(), times.end());
  return {times.front(), times[times.size() / 2]};
}

struct Attention {
  int64_t heads, key_heads, queries, keys, width;
  bool causal;
  DType type;
};

std::vector<char> numbers(int64_t count, DType type) {
  std::vector<char> bytes(static_cast<size_t>(count) * size_of(type));
  for (int64_t i = 0; i < count; ++i) {
    const float value = static_cast<float>(std::rand() % 2001 - 1000) / 1000;
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    const uint16_t half =
        static_cast<uint16_t>(type == DType::bfloat16 ? bits >> 16 : 0x2c00 | (std::rand() & 0x83ff));
    std::memcpy(bytes.data() + i * static_cast<int64_t>(size_of(type)),
                type == DType::float32 ? static_cast<const void*>(&value) : &half, size_of(type));
  }
  return bytes;
}

template <class ViewType>
ViewType dense(char* data, const Attention& a, int64_t heads, int64_t steps) {
  return {data, a.type, heads * steps * a.width, steps * a.width, a.width};
}

void bench_attention(const std::string& name, const Attention& a, double peak, bool fused) {
  auto query = numbers(a.heads * a.queries * a.width, a.type),
       key = numbers(a.key_heads * a.keys * a.width, a.type);
  auto value = numbers(a.key_heads * a.keys * a.width, a.type), output = query;
  AttentionProblem p;
  p.query_heads = a.heads;
  p.key_heads = a.key_heads;
  p.width = p.value_width = a.width;
  p.query = dense<View>(query.data(), a, a.heads, a.queries);
  p.key = dense<View>(key.data(), a, a.key_heads, a.keys);
  p.value = dense<View>(value.data(), a, a.key_heads, a.keys);
  p.output = dense<MutableView>(output.data(), a, a.heads, a.queries);
  p.sequences = {{0, a.queries, 0, a.keys, a.keys - a.queries}};
  p.scale = 0.125f;
  p.causal = a.causal;
  Plan plan;
  fused ? cpu::plan_attention(p, plan) : cpu::plan_unfused(p, plan);
  const Times t = time(plan);
  if (a.queries == 1) {
    const double bytes = static_cast<double>(key.size() + value.size());
    std::printf("%-34s %9.3f ms (median %9.3f) %7.1f GB/s\n", name.c_str(), t.shortest * 1e3, t.median * 1e3,
                bytes / t.shortest / 1e9);
    return;
  }
  const double flops = static_cast<double>(a.heads * a.queries * a.keys * a.width) * (a.causal ? 2 : 4);
  std::printf("%-34s %9.3f ms (median %9.3f) %7.1f GFLOP/s %5.1f %% of peak\n", name.c_str(),
              t.shortest * 1e3, t.median * 1e3, flops / t.shortest / 1e9, 100 * flops / t.shortest / peak);
}

void bench_projection(const std::string& name, int64_t rows, DType weight_type, double peak) {
  constexpr int64_t inner = 768, columns = 2304;
  auto input = numbers(rows * inner, DType::float32), output = numbers(rows * columns, DType::float32);
  const auto packed =
      cpu::pack_weight(numbers(columns * inner, weight_type).data(), weight_type, columns, inner);
  ProjectionProblem p;
  p.rows = p.steps = rows;
  p.inner = inner;
  p.columns = columns;
  p.input = input.data();
  p.packed = packed.get();
  p.targets = {{0, columns, columns, {output.data(), DType::float32, 0, 0, columns}}};
  Plan plan;
  cpu::plan_projection(p, plan);
  const Times t = time(plan);
  const double flops = 2.0 * static_cast<double>(rows * inner * columns);
  std::printf("%-34s %9.3f ms (median %9.3f) %7.1f GFLOP/s %5.1f %% of peak\n", name.c_str(),
              t.shortest * 1e3, t.median * 1e3, flops / t.shortest / 1e9, 100 * flops / t.shortest / peak);
}

bool wanted(const std::string& name, const std::vector<std::string>& filters) {
  return filters.empty() || std::any_of(filters.begin(), filters.end(), [&](const std::string& filter) {
           return name.find(filter) != std::string::npos;
         });
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> filters(arguments + 1, arguments + count);
  if (const char* isa = std::getenv("HEED_CPU_ISA")) {
    for (const cpu::InstructionSet set : cpu::available_instruction_sets()) {
      if (cpu::name_of(set) == isa) cpu::set_instruction_set(set);
    }
  }
  const int lanes = static_cast<int>(cpu::kernels().lanes);
  const double peak = bench::fma_peak(lanes, 1);
  std::printf("%s, FMA peak %.1f GFLOP/s, reading %.1f GB/s from cache, %.1f GB/s from memory\n",
              std::string(cpu::name_of(cpu::instruction_set())).c_str(), peak / 1e9,
              bench::read_bandwidth(1 << 18, lanes, 1) / 1e9, bench::read_bandwidth(1 << 29, lanes, 1) / 1e9);

  const struct {
    const char* name;
    Attention shape;
    bool fused;
  } attentions[] = {
      {"dense H12 S128 D64", {12, 12, 128, 128, 64, false, DType::float32}, true},
      {"dense H12 S512 D64", {12, 12, 512, 512, 64, false, DType::float32}, true},
      {"unfused H12 S512 D64", {12, 12, 512, 512, 64, false, DType::float32}, false},
      {"dense H12 S512 D64 float16", {12, 12, 512, 512, 64, false, DType::float16}, true},
      {"dense H12 S512 D64 bfloat16", {12, 12, 512, 512, 64, false, DType::bfloat16}, true},
      {"dense H8 S2048 D128", {8, 8, 2048, 2048, 128, false, DType::float32}, true},
      {"causal H12 S512 D64", {12, 12, 512, 512, 64, true, DType::float32}, true},
      {"causal H12 S2048 D64", {12, 12, 2048, 2048, 64, true, DType::float32}, true},
      {"causal 32/8 S1024 D128", {32, 8, 1024, 1024, 128, true, DType::float32}, true},
      {"decode 32/8 D128 2048 keys", {32, 8, 1, 2048, 128, false, DType::float32}, true},
      {"decode 32/8 D128 8192 keys", {32, 8, 1, 8192, 128, false, DType::float32}, true},
      {"decode 32/8 D128 8192 bfloat16", {32, 8, 1, 8192, 128, false, DType::bfloat16}, true},
      {"decode H12 D64 2048 keys", {12, 12, 1, 2048, 64, false, DType::float32}, true},
  };
  for (const auto& row : attentions) {
    if (wanted(row.name, filters)) bench_attention(row.name, row.shape, peak, row.fused);
  }
  for (const int64_t rows : {1, 8, 128, 512}) {
    for (const DType type : {DType::float32, DType::bfloat16}) {
      const std::string name =
          "project " + std::to_string(rows) + " × 768 × 2304" + (type == DType::float32 ? "" : " bfloat16");
      if (wanted(name, filters)) bench_projection(name, rows, type, peak);
    }
  }
}
