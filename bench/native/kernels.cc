// Times the kernels alone, on one thread, against the FMA peak and the read bandwidth measured in the same
// run: a tool for tuning tiles. Build with -DHEED_BENCH=ON; the arguments filter rows by name. HEED_CPU_ISA
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

// The shortest and the median time of a plan on one thread.
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
  p.key_width = p.query_width = p.value_width = a.width;
  p.query = dense<View>(query.data(), a, a.heads, a.queries);
  p.key = dense<View>(key.data(), a, a.key_heads, a.keys);
  p.value = dense<View>(value.data(), a, a.key_heads, a.keys);
  p.output = dense<MutableView>(output.data(), a, a.heads, a.queries);
  p.sequences = {{0, a.queries, 0, a.keys, a.keys - a.queries}};
  p.scoring.scale = 0.125f;
  if (a.causal) p.scoring.window.right = 0;
  Plan plan;
  fused ? cpu::plan(p, plan) : cpu::plan_unfused(p, plan);
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

// Additive scores, compared with the time that their terms and the products with values take at the peak.
void bench_additive(const std::string& name, int64_t steps, int64_t hidden, double peak, double term_peak) {
  constexpr int64_t heads = 12, width = 64;
  const Attention a{heads, heads, steps, steps, width, false, DType::float32};
  auto tensor = numbers(heads * steps * width, a.type), output = tensor;
  const auto matrix = numbers(hidden * width, a.type);
  AttentionProblem p;
  p.query_heads = p.key_heads = heads;
  p.key_width = p.query_width = p.value_width = width;
  p.query = p.key = p.value = dense<View>(tensor.data(), a, heads, steps);
  p.output = dense<MutableView>(output.data(), a, heads, steps);
  p.sequences = {{0, steps, 0, steps, 0}};
  p.scoring.score = {ScoreKind::additive,
                     {matrix.data(), a.type, 0},
                     hidden,
                     {matrix.data(), a.type, 0},
                     {matrix.data(), a.type, 0}};
  Plan plan;
  cpu::plan(p, plan);
  const Times t = time(plan);
  const double pairs = static_cast<double>(heads * steps * steps);
  const double best =
      pairs * static_cast<double>(hidden) / term_peak + 2 * pairs * static_cast<double>(width) / peak;
  std::printf("%-34s %9.3f ms (median %9.3f) %7.2f G terms/s %5.1f %% of peak\n", name.c_str(),
              t.shortest * 1e3, t.median * 1e3, pairs * static_cast<double>(hidden) / t.shortest / 1e9,
              100 * best / t.shortest);
}

// How the product is written.
enum class Placement { rows, heads, rotated_heads };

void bench_projection(const std::string& name, int64_t rows, DType weight_type, Placement placement,
                      bool packs, double peak) {
  constexpr int64_t inner = 768, columns = 2304, width = 64, pairs = width / 2;
  auto input = numbers(rows * inner, DType::float32), output = numbers(rows * columns, DType::float32);
  const auto angles = numbers(rows * pairs, DType::float32);
  const auto weight = numbers(columns * inner, weight_type);
  const auto packed = cpu::pack_weight(weight.data(), weight_type, columns, inner);
  ProjectionProblem p;
  p.rows = p.steps = rows;
  p.inner = inner;
  p.columns = columns;
  p.input = input.data();
  p.packed = packs ? packed.get() : nullptr;
  p.weight = weight.data();
  p.weight_type = weight_type;
  // Query, key and value.
  const int64_t parts = placement == Placement::rows ? 1 : 3;
  for (int64_t part = 0; part < parts; ++part) {
    ProjectionTarget target{};
    target.columns = columns / parts;
    target.first_column = part * target.columns;
    target.head_width = placement == Placement::rows ? columns : width;
    target.view = {output.data() + part * rows * target.columns * int64_t{sizeof(float)}, DType::float32, 0,
                   rows * target.head_width, target.head_width};
    if (placement == Placement::rotated_heads && part < 2) {
      const auto* table = reinterpret_cast<const float*>(angles.data());
      target.rotation = {width, false, rows, table, table};
    }
    p.targets.push_back(target);
  }
  Plan plan;
  cpu::plan(p, plan);
  const Times t = time(plan);
  const double flops = 2.0 * static_cast<double>(rows * inner * columns);
  std::printf("%-34s %9.3f ms (median %9.3f) %7.1f GFLOP/s %5.1f %% of peak\n", name.c_str(),
              t.shortest * 1e3, t.median * 1e3, flops / t.shortest / 1e9, 100 * flops / t.shortest / peak);
}

// Scores and weights of a few query rows out of 2048, from the log-sum-exp: the time should grow with the
// number of rows.
void bench_rows(const std::string& name, int64_t rows) {
  constexpr int64_t heads = 12, steps = 2048, width = 64;
  const auto query = numbers(heads * steps * width, DType::float32),
             key = numbers(heads * steps * width, DType::float32);
  std::vector<float> log_sum_exp(heads * steps, 8.0f), weights(heads * rows * steps);
  RowsProblem p;
  AttentionProblem& a = p.attention;
  a.query_heads = a.key_heads = heads;
  a.key_width = a.value_width = width;
  a.query = a.key = a.value = {query.data(), DType::float32, 0, steps * width, width};
  a.key.data = a.value.data = key.data();
  a.log_sum_exp = {log_sum_exp.data(), DType::float32, heads * steps, steps, 1};
  a.sequences = {{0, steps, 0, steps, 0}};
  a.scoring.scale = 0.125f;
  p.keys = steps;
  for (int32_t head = 0; head < heads; ++head) p.heads.push_back(head);
  for (int32_t row = 0; row < rows; ++row) p.queries.push_back(row * static_cast<int32_t>(steps / rows));
  p.weights = weights.data();
  Plan plan;
  cpu::plan(p, plan);
  const Times t = time(plan);
  std::printf("%-34s %9.3f ms (median %9.3f) %9.3f µs a row\n", name.c_str(), t.shortest * 1e3,
              t.median * 1e3, t.shortest * 1e6 / static_cast<double>(rows * heads));
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
  for (const int64_t hidden : {64, 128}) {
    const std::string name = "additive H12 S512 D64 hidden " + std::to_string(hidden);
    if (wanted(name, filters)) bench_additive(name, 512, hidden, peak, bench::additive_peak(lanes));
  }
  for (const int64_t rows : {1, 3, 8, 16, 128, 512}) {
    const std::string name = "project " + std::to_string(rows) + " × 768 × 2304";
    const auto bench = [&](const std::string& how, DType type, Placement placement, bool packs = true) {
      if (wanted(name + how, filters)) bench_projection(name + how, rows, type, placement, packs, peak);
    };
    bench("", DType::float32, Placement::rows);
    bench(" bfloat16", DType::bfloat16, Placement::rows);
    bench(" heads", DType::float32, Placement::heads);
    bench(" rotated", DType::float32, Placement::rotated_heads);
    bench(" unpacked", DType::float32, Placement::rows, false);
  }
  for (const int64_t rows : {1, 16, 256}) {
    const std::string name = "weights of " + std::to_string(rows) + " rows of 2048";
    if (wanted(name, filters)) bench_rows(name, rows);
  }
}
