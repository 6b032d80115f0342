// Whatever numbers arrive, decoding turns them away or gives a plan that stays inside its buffers: problems
// that are right are damaged at random, and what still passes is solved on memory whose surroundings nobody
// may touch.
#include "addon/decode.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <limits>

#include "cpu/backend.h"
#include "support/guarded.h"
#include "support/run.h"

namespace heed::test {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Writes problems as lib/native does.
class Encoded {
 public:
  explicit Encoded(Random& random) : random_(random) {}

  void add(double number) { numbers.push_back(number); }
  void add(std::initializer_list<double> more) { numbers.insert(numbers.end(), more); }

  // A buffer of exactly so many elements; random bits make every kind of number.
  double buffer(int64_t elements, DType type) {
    auto memory =
        std::make_unique<Guarded>(static_cast<size_t>(elements) * size_of(type), random_.chance(0.5));
    for (size_t i = 0; i < memory->bytes(); ++i)
      memory->data()[i] = static_cast<uint8_t>(random_.integer(0, 255));
    memories.push_back({memory->data(), memory->bytes(), nullptr});
    owned_.push_back(std::move(memory));
    return static_cast<double>(memories.size() - 1);
  }

  double packed(int64_t columns, int64_t inner) {
    const std::vector<float> weight(static_cast<size_t>(columns * inner), 1.0f);
    weights_.push_back(cpu::pack_weight(weight.data(), DType::float32, columns, inner));
    memories.push_back({nullptr, 0, weights_.back().get()});
    return static_cast<double>(memories.size() - 1);
  }

  void view(int64_t batch, int64_t heads, int64_t steps, int64_t width, DType type) {
    const double index = buffer(batch * heads * steps * width, type);
    if (random_.chance(0.5)) {
      add({index, number_of(type), double(heads * steps * width), double(steps * width), double(width)});
    } else {
      add({index, number_of(type), double(heads * steps * width), double(width), double(heads * width)});
    }
  }

  static double number_of(DType type) { return static_cast<double>(type); }

  std::vector<double> numbers;
  std::vector<Memory> memories;

 private:
  Random& random_;
  std::vector<std::unique_ptr<Guarded>> owned_;
  std::vector<std::unique_ptr<const PackedWeight>> weights_;
};

struct AttentionShape {
  int64_t batch, query_heads, key_heads, queries, keys, width, value_width;
  DType type;
};

DType random_type(Random& random) {
  return random.pick({DType::float32, DType::float16, DType::bfloat16});
}

AttentionShape random_shape(Random& random) {
  const int64_t key_heads = random.integer(1, 2);
  return {random.integer(1, 2),
          key_heads * random.integer(1, 3),
          key_heads,
          random.integer(0, 20),
          random.integer(0, 40),
          random.integer(1, 20),
          random.integer(1, 20),
          random_type(random)};
}

void add_list(Encoded& to, int64_t count, double low, Random& random) {
  to.add(static_cast<double>(count));
  for (int64_t i = 0; i < count; ++i) to.add(low + static_cast<double>(random.integer(0, 1)));
}

void add_attention(Encoded& to, Random& random, const AttentionShape& s) {
  to.add({double(s.query_heads), double(s.key_heads), double(s.width), double(s.value_width)});
  to.add({0.25, random.chance(0.3) ? 5.0 : 0.0, random.chance(0.5) ? 1.0 : 0.0});
  for (int side = 0; side < 2; ++side) to.add(random.chance(0.5) ? infinity : double(random.integer(0, 30)));
  to.view(s.batch, s.query_heads, s.queries, s.width, s.type);
  to.view(s.batch, s.key_heads, s.keys, s.width, s.type);
  to.view(s.batch, s.key_heads, s.keys, s.value_width, s.type);
  to.view(s.batch, s.query_heads, s.queries, s.value_width, s.type);
  const double sums = to.buffer(s.batch * s.query_heads * s.queries, DType::float32);
  to.add({sums, 0, double(s.query_heads * s.queries), double(s.queries), 1});
  to.add(static_cast<double>(s.batch));
  for (int64_t i = 0; i < s.batch; ++i) {
    to.add({0, double(s.queries), 0, double(random.integer(0, s.keys)), double(random.integer(-5, 40))});
  }
  if (random.chance(0.5)) {
    to.add(-1);
  } else {
    const DType type = random.chance(0.5) ? DType::boolean : DType::float32;
    const double mask = to.buffer(s.queries * s.keys, type);
    to.add({mask, Encoded::number_of(type), 0, 0, double(s.keys), 1});
  }
  add_list(to, random.chance(0.5) ? s.query_heads : 0, 0, random);
  add_list(to, random.chance(0.5) ? s.query_heads : 0, 0, random);
}

void add_rows(Encoded& to, Random& random, const AttentionShape& s) {
  to.add(static_cast<double>(s.keys));
  const int64_t heads = s.query_heads > 1 ? random.integer(0, 3) : 0,
                queries = s.queries > 1 ? random.integer(0, 3) : 0;
  add_list(to, heads, 0, random);
  add_list(to, queries, 0, random);
  for (int i = 0; i < 4; ++i) to.add(to.buffer(s.batch * heads * queries * s.keys, DType::float32));
}

void add_projection(Encoded& to, Random& random) {
  const int64_t batch = random.integer(1, 3), steps = random.integer(1, 9), heads = random.integer(1, 3),
                width = random.integer(1, 9), inner = random.integer(0, 40);
  const int64_t rows = batch * steps, columns = heads * width;
  const DType type = random_type(random);
  to.add({double(rows), double(steps), double(inner), double(columns)});
  to.add(to.buffer(rows * inner, type));
  to.add(Encoded::number_of(type));
  if (random.chance(0.5)) {
    to.add(to.packed(columns, inner));
    to.add(-1);
  } else {
    to.add(to.buffer(columns * inner, type));
    to.add(Encoded::number_of(type));
  }
  add_list(to, random.chance(0.5) ? columns : 0, 0, random);
  to.add({1, 0, double(columns), double(width)});
  to.view(batch, heads, steps, width, type);
}

void add_merge(Encoded& to, Random& random) {
  const int64_t rows = random.integer(0, 20), width = random.integer(0, 20), parts = random.integer(0, 3);
  const DType type = random_type(random);
  to.add({double(rows), double(width), Encoded::number_of(type), double(parts)});
  for (int64_t i = 0; i <= parts; ++i) {
    to.add(to.buffer(rows * width, type));
    to.add(to.buffer(rows, DType::float32));
  }
}

void add_problem(Encoded& to, Random& random) {
  const int64_t kind = random.integer(0, 4);
  to.add(static_cast<double>(kind));
  if (kind == 3) return add_projection(to, random);
  if (kind == 4) return add_merge(to, random);
  const AttentionShape shape = random_shape(random);
  add_attention(to, random, shape);
  if (kind == 2) add_rows(to, random, shape);
}

double hostile(Random& random) {
  return random.pick({-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 1e3, 2147483647.0, 2147483648.0, 4294967295.0,
                      9007199254740991.0, 9007199254740992.0, 9.3e18, 1.9e19, 1e300, -1e300, infinity,
                      -infinity, std::nan("")});
}

void damage(std::vector<double>& numbers, Random& random) {
  for (int64_t times = random.integer(1, 3); times > 0 && !numbers.empty(); --times) {
    const auto place = static_cast<size_t>(random.integer(0, static_cast<int64_t>(numbers.size()) - 1));
    switch (random.integer(0, 5)) {
      case 0:
        numbers[place] = hostile(random);
        break;
      case 1:
        numbers[place] += static_cast<double>(random.integer(-2, 2));
        break;
      case 2:
        numbers[place] *= static_cast<double>(random.integer(2, 9));
        break;
      case 3:
        std::swap(numbers[place], numbers[random.integer(0, static_cast<int64_t>(numbers.size()) - 1)]);
        break;
      case 4:
        numbers.resize(place);
        break;
      case 5:
        numbers.insert(numbers.begin() + static_cast<std::ptrdiff_t>(place), hostile(random));
        break;
    }
  }
}

// Whether it was accepted.
bool try_to_solve(const Encoded& encoded, Random& random) {
  try {
    run(decode(encoded.numbers, encoded.memories), random);
    return true;
  } catch (const InvalidProblem&) {
    return false;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace

TEST_CASE("problems that are right are decoded") {
  Random random(10);
  for (int repeat = 0; repeat < 200; ++repeat) {
    Encoded encoded(random);
    const int64_t problems = random.integer(0, 3);
    encoded.add(static_cast<double>(problems));
    for (int64_t i = 0; i < problems; ++i) add_problem(encoded, random);
    CHECK(try_to_solve(encoded, random));
  }
}

TEST_CASE("problems that are damaged are turned away, or stay inside their buffers") {
  Random random(11);
  int accepted = 0;
  const auto repeats = static_cast<int>(40 * problems());
  for (int repeat = 0; repeat < repeats; ++repeat) {
    Encoded encoded(random);
    encoded.add(1);
    add_problem(encoded, random);
    damage(encoded.numbers, random);
    accepted += try_to_solve(encoded, random);
  }
  std::printf("%d hostile problems: %d turned away, %d solved in bounds\n", repeats, repeats - accepted,
              accepted);
  CHECK(accepted > repeats / 100);
  CHECK(accepted < repeats);
}

TEST_CASE("numbers at random are turned away") {
  Random random(12);
  for (int repeat = 0; repeat < 2000; ++repeat) {
    Encoded encoded(random);
    for (int i = 0; i < 4; ++i) encoded.buffer(random.integer(0, 64), DType::float32);
    encoded.add(1);
    for (int64_t count = random.integer(0, 80); count > 0; --count) {
      encoded.add(random.chance(0.5) ? hostile(random) : static_cast<double>(random.integer(0, 4)));
    }
    encoded.add(std::nan(""));
    CHECK(!try_to_solve(encoded, random));
  }
}

}  // namespace heed::test
