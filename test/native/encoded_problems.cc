#include "encoded_problems.h"

#include <array>
#include <limits>

#include "core/outliers.h"

namespace heed::test {

namespace {

struct AttentionShape {
  int64_t batch, query_heads, key_heads, queries, keys, width, query_width, value_width;
  ScoreKind score;
  SelectionKind selection;
  DType type;
  bool cached;
};

DType random_type(Random& random) {
  return random.pick({DType::float32, DType::float16, DType::bfloat16});
}

AttentionShape random_shape(Random& random) {
  const int64_t key_heads = random.integer(1, 2), width = random.integer(1, 20);
  const auto score = random.pick(
      {ScoreKind::product, ScoreKind::cosine, ScoreKind::general, ScoreKind::location, ScoreKind::additive});
  const auto selection =
      random.pick({SelectionKind::soft, SelectionKind::hard, SelectionKind::drawn, SelectionKind::local});
  const bool learnt = score == ScoreKind::general || score == ScoreKind::additive;
  return {random.integer(1, 2),
          key_heads * random.integer(1, 3),
          key_heads,
          random.integer(0, 20),
          random.integer(0, 40),
          width,
          learnt ? random.integer(1, 20) : width,
          random.integer(1, 20),
          score,
          selection,
          random_type(random),
          random.chance(0.4)};
}

DType random_stored_type(Random& random) {
  return random.pick({DType::float32, DType::float16, DType::bfloat16, DType::int8, DType::float8});
}

// The pages of a cache: their memory is added first, so that views can refer to it.
class EncodedCache {
 public:
  EncodedCache(Encoded& to, Random& random, int64_t heads, int64_t width, int64_t value_width)
      : to_(to),
        heads_(heads),
        width_(width),
        value_width_(value_width),
        type_(random_stored_type(random)),
        steps_(random.integer(1, 9)),
        per_slab_(random.integer(1, 3)) {
    const bool outliers = random.chance(0.7);
    for (int64_t slab = random.integer(1, 3); slab > 0; --slab) {
      // The last slab may have fewer pages than others.
      const int64_t pages = slab > 1 ? per_slab_ : random.integer(1, per_slab_);
      const int64_t rows = pages * heads * steps_;
      pages_ += pages;
      slabs_.push_back({to.buffer(rows * width, type_), to.buffer(rows * value_width, type_)});
      for (int part = 2; part < 4; ++part)
        slabs_.back()[part] = is_scaled(type_) ? to.buffer(rows, DType::float32) : -1;
      const int64_t bytes = pages * heads * outlier_bytes(width, steps_);
      slabs_.back()[4] = type_ == DType::int8 && outliers ? to.buffer(bytes, DType::boolean) : -1;
    }
  }

  void add_key() { add_view(0, width_); }
  void add_value() { add_view(1, value_width_); }

  // Adds for each entry a list of pages that hold its steps. No page appears twice in one list, because parts
  // of it could be written at the same time.
  void add_pages(const std::vector<int64_t>& lengths, bool positions_for_keys) {
    const int64_t key = positions_for_keys ? 1 : 0, key_width = positions_for_keys ? value_width_ : width_;
    to_.add({double(steps_), double(per_slab_), double(heads_ * steps_ * key_width)});
    to_.add({double(heads_ * steps_ * value_width_), double(slabs_.size())});
    for (const auto& slab : slabs_)
      to_.add({slab[key], slab[1], slab[2 + key], slab[3], key == 0 ? slab[4] : -1});
    for (const int64_t length : lengths) to_.page_list((length + steps_ - 1) / steps_, pages_);
  }

  // The number of steps that have pages, over all entries.
  int64_t room() const { return pages_ * steps_; }
  int64_t steps() const { return steps_; }

 private:
  void add_view(size_t part, int64_t width) {
    to_.add({slabs_[0][part], Encoded::number_of(type_), 0, double(steps_ * width), double(width)});
  }

  Encoded& to_;
  int64_t heads_, width_, value_width_;
  DType type_;
  int64_t steps_, per_slab_, pages_ = 0;
  std::vector<std::array<double, 5>> slabs_;
};

void add_list(Encoded& to, int64_t count, double low, Random& random) {
  to.add(static_cast<double>(count));
  for (int64_t i = 0; i < count; ++i) to.add(low + static_cast<double>(random.integer(0, 1)));
}

void add_attention(Encoded& to, Random& random, const AttentionShape& s) {
  to.add({double(s.query_heads), double(s.key_heads), double(s.width), double(s.query_width)});
  to.add(double(s.value_width));
  to.add({0.25, random.chance(0.3) ? 5.0 : 0.0});
  for (int side = 0; side < 2; ++side)
    to.add(random.chance(0.5) ? std::numeric_limits<double>::infinity() : double(random.integer(0, 30)));
  EncodedCache cache(to, random, s.key_heads, s.width, s.value_width);
  to.view(s.batch, s.query_heads, s.queries, s.query_width, s.type);
  if (s.cached && s.score != ScoreKind::location) {
    cache.add_key();
  } else if (s.score == ScoreKind::location) {
    const double positions = to.buffer(s.keys * s.width, s.type);
    to.add({positions, Encoded::number_of(s.type), 0, 0, double(s.width)});
  } else {
    to.view(s.batch, s.key_heads, s.keys, s.width, s.type);
  }
  if (s.cached) {
    cache.add_value();
  } else {
    to.view(s.batch, s.key_heads, s.keys, s.value_width, s.type);
  }
  to.view(s.batch, s.query_heads, s.queries, s.value_width, s.type);
  const double sums = to.buffer(s.batch * s.query_heads * s.queries, DType::float32);
  to.add({sums, 0, double(s.query_heads * s.queries), double(s.queries), 1});
  to.add(static_cast<double>(s.batch));
  const int64_t pages_each = cache.room() / cache.steps() / s.batch;
  const int64_t most = s.cached ? std::min(s.keys, pages_each * cache.steps()) : s.keys;
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < s.batch; ++i) {
    lengths.push_back(random.integer(0, most));
    to.add({0, double(s.queries), 0, double(lengths.back()), double(random.integer(-5, 40))});
  }
  if (s.cached) {
    cache.add_pages(lengths, s.score == ScoreKind::location);
  } else {
    to.add(-1);
  }
  to.add(static_cast<double>(s.score));
  if (s.score == ScoreKind::general) {
    const double size = double(s.query_width * s.width);
    const double weight = to.buffer(s.query_heads * s.query_width * s.width, s.type);
    to.add({weight, Encoded::number_of(s.type), random.chance(0.5) ? size : 0});
  }
  if (s.score == ScoreKind::additive) {
    const int64_t hidden = random.integer(1, 20);
    const auto matrix = [&](int64_t heads, int64_t size) {
      const double weight = to.buffer(heads * size, s.type);
      to.add({weight, Encoded::number_of(s.type), random.chance(0.5) ? double(size) : 0});
    };
    to.add(static_cast<double>(hidden));
    matrix(s.query_heads, hidden * s.query_width);
    matrix(s.key_heads, hidden * s.width);
    matrix(s.query_heads, hidden);
  }
  if (random.chance(0.5)) {
    to.add(-1);
  } else {
    const DType type = random.chance(0.5) ? DType::boolean : DType::float32;
    const double mask = to.buffer(s.queries * s.keys, type);
    to.add({mask, Encoded::number_of(type), 0, 0, double(s.keys), 1});
  }
  add_list(to, random.pick<int64_t>({0, s.query_heads, s.query_heads * s.batch}), 0, random);
  add_list(to, random.chance(0.5) ? s.query_heads : 0, 0, random);
  to.add(random.chance(0.5) ? 1 : 0);
  to.add(static_cast<double>(s.selection));
  if (s.selection == SelectionKind::drawn) to.add(static_cast<double>(random.integer(0, 1000)));
  if (s.selection == SelectionKind::local) {
    const double centers = to.buffer(s.query_heads * s.queries, DType::float32);
    to.add({centers, 0, 0, double(s.queries), 1, 2.5});
  }
  const int64_t start = random.integer(0, 3);
  const double choices = to.buffer(2 * (start + s.batch * s.query_heads * s.queries), DType::float32);
  to.add({choices, double(start), double(s.query_heads * s.queries), double(s.queries)});
}

void add_rows(Encoded& to, Random& random, const AttentionShape& s) {
  to.add(static_cast<double>(s.keys));
  const int64_t heads = s.query_heads > 1 ? random.integer(0, 3) : 0,
                queries = s.queries > 1 ? random.integer(0, 3) : 0;
  add_list(to, heads, 0, random);
  add_list(to, queries, 0, random);
  for (int i = 0; i < 4; ++i) to.add(to.buffer(s.batch * heads * queries * s.keys, DType::float32));
}

// An epilogue, and its target.
void add_finished_target(Encoded& to, Random& random, std::array<int64_t, 4> dims, DType type) {
  const auto [batch, heads, steps, width] = dims;
  const bool gated = width % 2 == 0 && random.chance(0.5);
  const int64_t written = gated ? width / 2 : width;
  to.add({double(random.integer(0, 4)), double(gated), random.chance(0.5) ? 30.0 : 0.0});
  to.add(random.chance(0.5) ? -1 : to.buffer(batch * heads * steps * written, type));
  to.add({1, 0, double(heads * width), double(width)});
  to.view(batch, heads, steps, written, type);
  to.add({-1, -1});
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
  if (random.chance(0.5)) return add_finished_target(to, random, {batch, heads, steps, width}, type);
  to.add({0, 0, 0, -1});
  to.add({1, 0, double(columns), double(width)});
  to.view(batch, heads, steps, width, type);
  if (random.chance(0.5)) {
    to.add(-1);
  } else {
    const int64_t together = random.chance(0.5) ? heads : 1;
    const bool shared = random.chance(0.5);
    const int64_t elements = width * (shared ? together : heads);
    to.add(to.buffer(elements, DType::float32));
    to.add(random.chance(0.5) ? -1 : to.buffer(elements, DType::float32));
    to.add({double(together), double(random.integer(0, 1)), double(shared), 1e-6});
  }
  if (random.chance(0.5)) {
    to.add(-1);
  } else {
    const int64_t pairs = random.integer(0, width / 2), tables = random.chance(0.5) ? steps : rows;
    to.add({double(2 * pairs), random.chance(0.5) ? 1.0 : 0.0, double(tables)});
    for (int side = 0; side < 2; ++side) to.add(to.buffer(tables * pairs, DType::float32));
  }
}

void add_merge(Encoded& to, Random& random) {
  const int64_t rows = random.integer(0, 20), width = random.integer(0, 20), parts = random.integer(0, 3);
  const DType type = random_type(random);
  to.add({double(rows), double(width), Encoded::number_of(type), double(parts)});
  for (int64_t i = 0; i <= parts; ++i) {
    to.add(to.buffer(rows * width, type));
    to.add(to.buffer(rows, DType::float32));
  }
  add_list(to, random.integer(0, 3), 0, random);
  to.add(static_cast<double>(random.integer(1, 5)));
}

void add_cast(Encoded& to, Random& random) {
  const int64_t count = random.integer(0, 70);
  to.add(static_cast<double>(count));
  for (int side = 0; side < 2; ++side) {
    const DType type = random_type(random);
    to.add({to.buffer(count, type), Encoded::number_of(type)});
  }
}

void add_heads(Encoded& to, Random& random) {
  const int64_t batch = random.integer(0, 3), heads = random.integer(1, 3), steps = random.integer(0, 5),
                width = random.integer(1, 20);
  const DType type = random_type(random);
  to.add({double(batch), double(heads), double(steps), double(width)});
  to.view(batch, heads, steps, width, type);
  to.add(0);
  to.view(batch, heads, steps, width, type);
  if (random.chance(0.5)) {
    to.add(-1);
  } else {
    const int64_t start = random.integer(0, 3);
    to.add({to.buffer(start + heads * width, type), double(start)});
  }
  if (random.chance(0.3)) return to.add(-1);
  const int64_t pairs = random.integer(0, width / 2);
  const bool listed = random.chance(0.5);
  const int64_t rows = listed ? random.integer(2, 6) : batch * steps;
  to.add({double(pairs), random.chance(0.5) ? 1.0 : 0.0, double(rows)});
  for (int side = 0; side < 2; ++side) to.add(to.buffer(rows * pairs, type));
  add_list(to, listed ? batch * steps : 0, 0, random);
}

void add_norm(Encoded& to, Random& random) {
  const int64_t rows = random.integer(0, 9), width = random.integer(0, 70);
  const DType type = random_type(random);
  to.add({double(rows), double(width), Encoded::number_of(type)});
  to.add(to.buffer(rows * width, type));
  const bool added = random.chance(0.5);
  for (int part = 0; part < 2; ++part) to.add(added ? to.buffer(rows * width, type) : -1);
  to.add(random.chance(0.5) ? to.buffer(rows * width, type) : -1);
  to.add(to.buffer(rows * width, type));
  for (const bool given : {true, random.chance(0.5)}) {
    const DType factors = random_type(random);
    given ? to.add({to.buffer(width, factors), Encoded::number_of(factors)}) : to.add(-1);
  }
  to.add({random.chance(0.5) ? 1.0 : 0.0, 1e-6, random.chance(0.5) ? 1.0 : 0.0});
}

void add_sample(Encoded& to, Random& random) {
  const int64_t rows = random.integer(0, 3), vocabulary = random.integer(1, 3000);
  const DType type = random_type(random);
  to.add({double(vocabulary), to.buffer(rows * vocabulary, type), Encoded::number_of(type)});
  to.add({to.buffer(rows, DType::float32), double(rows)});
  for (int64_t row = 0; row < rows; ++row) {
    to.add({random.pick({0.0, 0.5, 1.0, 30.0}), double(random.integer(1, vocabulary))});
    to.add({random.pick({0.0, 0.5, 1.0}), random.pick({0.0, 0.1, 1.0}), random.pick({1.0, 1.3})});
    to.add(double(random.integer(0, 1000)));
    add_list(to, vocabulary > 1 ? random.integer(0, 3) : 0, 0, random);
  }
}

void add_embedding(Encoded& to, Random& random) {
  const int64_t rows = random.integer(0, 9), width = random.integer(0, 40);
  const DType type = random_type(random);
  to.add({double(width), Encoded::number_of(type), 2, to.buffer(rows * width, type)});
  const int64_t tables = random.integer(1, 3);
  to.add(double(tables));
  for (int64_t i = 0; i < tables; ++i) {
    const int64_t length = random.integer(2, 9);
    to.add({to.buffer(length * width, type), double(length)});
    add_list(to, rows, double(random.integer(0, length - 2)), random);
  }
}

void add_pooling(Encoded& to, Random& random) {
  const int64_t sequences = random.integer(0, 4), width = random.integer(0, 40);
  const DType type = random_type(random);
  std::vector<double> starts{0};
  for (int64_t i = 0; i < sequences; ++i) starts.push_back(starts.back() + double(random.integer(0, 5)));
  to.add({double(width), Encoded::number_of(type)});
  to.add(to.buffer(static_cast<int64_t>(starts.back()) * width, type));
  to.add(to.buffer(sequences * width, type));
  to.add({double(random.integer(0, 2)), random.chance(0.5) ? 1.0 : 0.0, double(starts.size())});
  for (const double start : starts) to.add(start);
}

void add_append(Encoded& to, Random& random) {
  const int64_t heads = random.integer(1, 3), width = random.integer(1, 20),
                value_width = random.integer(1, 20);
  const DType type = random_type(random);
  to.add({double(heads), double(width), double(value_width)});
  EncodedCache cache(to, random, heads, width, value_width);
  const int64_t length = random.integer(0, cache.room()), steps = random.integer(0, length);
  to.view(1, heads, steps, width, type);
  to.view(1, heads, steps, value_width, type);
  cache.add_key();
  cache.add_value();
  to.add({1, 1, 0, 0, double(steps), double(length - steps)});
  cache.add_pages({length}, false);
}

}  // namespace

void add_problem(Encoded& to, Random& random) {
  const int64_t kind = random.integer(0, 10);
  to.add(static_cast<double>(kind));
  if (kind == 2) return add_projection(to, random);
  if (kind == 3) return add_merge(to, random);
  if (kind == 4) return add_append(to, random);
  if (kind == 5) return add_cast(to, random);
  if (kind == 6) return add_heads(to, random);
  if (kind == 7) return add_norm(to, random);
  if (kind == 8) return add_sample(to, random);
  if (kind == 9) return add_embedding(to, random);
  if (kind == 10) return add_pooling(to, random);
  const AttentionShape shape = random_shape(random);
  add_attention(to, random, shape);
  if (kind == 1) add_rows(to, random, shape);
}

}  // namespace heed::test
