// Scores and weights of one query row, recomputed from its log-sum-exp, because fused kernels do not store
// them.
#include "cpu/kernels/additive.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/local_weights.h"
#include "cpu/kernels/query_rows.h"
#include "cpu/kernels/scale_scores.h"
#include "cpu/kernels/score_row.h"

namespace heed::cpu::HEED_ISA {

struct RowsScratch {
  float *query, *row;
  float* multiplied;  // the query for keys with outlier channels
  QueryScratch prepared;
  // For additive scores: v, and decode_tile keys at a time.
  float *vector, *matrix, *keys;
  OfferedKeys offered;

  static RowsScratch carve(const AttentionParameters& p, int64_t keys, ScratchCursor& cursor) {
    RowsScratch s{};
    s.query = cursor.take<float>(padded(depth_of(p)));
    s.row = cursor.take<float>(keys + lanes);  // vectors may extend past the end
    s.multiplied = cursor.take<float>(p.key.type == DType::int8 ? padded(p.key_width) : 0);
    s.prepared = QueryScratch::carve(p, 1, cursor);
    if (p.scoring.score.kind != ScoreKind::additive) return s;
    const int64_t pitch = padded(p.scoring.score.hidden);
    s.vector = cursor.take<float>(pitch);
    s.matrix = cursor.take<float>(p.key_width * pitch);
    s.keys = cursor.take<float>(decode_tile * p.key_width);
    s.offered = OfferedKeys::carve(decode_tile, pitch, cursor);
    return s;
  }
};

size_t rows_scratch(const AttentionParameters& p, int64_t keys) {
  ScratchCursor cursor{nullptr};
  RowsScratch::carve(p, keys, cursor);
  return cursor.used();
}

static inline void copy_row(const float* row, int64_t keys, float* to) {
  if (to) __builtin_memcpy(to, row, static_cast<size_t>(keys) * sizeof(float));
}

// Gives all weight to the chosen key.
static inline void write_chosen_weight(const RowsRequest& request) {
  __builtin_memset(request.weights, 0, static_cast<size_t>(request.keys) * sizeof(float));
  const Choices& choices = request.parameters->scoring.selection.choices;
  const double key =
      choices.data[request.batch * choices.batch_stride + request.head * choices.head_stride + request.query];
  // −1 means none. Any other invalid key must not be written to, even if the memory was changed meanwhile.
  if (key >= 0 && key < static_cast<double>(request.keys)) request.weights[static_cast<int64_t>(key)] = 1;
}

static inline void product_row(const RowBlock& block, const RowsScratch& s) {
  const AttentionParameters& p = *block.parameters;
  with_stored_type(p.key.type, [&](auto type) {
    using Type = decltype(type);
    KeptFactors kept;
    const auto multiply_query = [&](const float* factors) {
      multiply_each(s.query, factors, p.key_width, s.multiplied);
    };
    for_runs(p.key, block, first_key_step(block), block.sequence.key_steps,
             [&](const Run& run, int64_t first) {
               const auto score = [&](const Run& part, int64_t at, const float* factors) {
                 dot_rows<Type>(factors ? s.multiplied : s.query, 1, p.key_width, part.as<Type>(),
                                p.key.step_stride, part.count, p.key_width, s.row + first + at, 0);
                 scale_scores<Type>(p, part, factors, 1, s.row + first + at, 0);
               };
               for_alike_keys(run, p.key.step_stride, kept, multiply_query, score);
             });
  });
}

static inline void additive_row(const RowBlock& block, int64_t head, const RowsScratch& s) {
  const AttentionParameters& p = *block.parameters;
  const Score& score = p.scoring.score;
  load_matrix(score.vector, head, 1, score.hidden, s.vector);
  for (int64_t h = 0; h < score.hidden; ++h) s.vector[h] *= p.scoring.scale;
  load_transposed(score.key, block.key_head, score.hidden, p.key_width, s.matrix);
  for (int64_t first = 0; first < block.sequence.key_steps; first += decode_tile) {
    const int64_t left = block.sequence.key_steps - first, count = left < decode_tile ? left : decode_tile;
    const TileRows keys =
        tile_rows_of(p.key, block, block.sequence.key_start + first, count, p.key_width, s.keys);
    offer_keys(p, keys, count, s.matrix, s.offered);
    add_row(s.query, s.vector, score.hidden, s.offered, count, s.row + first);
  }
}

void rows(const RowsRequest& request, void* scratch) {
  const AttentionParameters& p = *request.parameters;
  ScratchCursor cursor{scratch};
  const RowsScratch s = RowsScratch::carve(p, request.keys, cursor);
  const int64_t key_head = request.head / p.head_group(), valid = request.sequence.key_steps;
  const RowBlock block{&p,
                       request.sequence,
                       request.batch,
                       key_head,
                       request.query * p.head_group() + request.head % p.head_group(),
                       1};

  load_query_rows(block, 1, p.scoring.scale, s.prepared, s.query, padded(depth_of(p)));
  if (p.scoring.score.kind == ScoreKind::additive) {
    additive_row(block, request.head, s);
  } else {
    product_row(block, s);
  }
  // Keys past the end of the sequence count as not attended.
  const Row facts = describe_row(block, 0);
  const ScoreRow row{s.row, 0, valid, &facts, &p};
  for (int64_t key = valid; key < request.keys + lanes; ++key) s.row[key] = -infinity;
  copy_row(s.row, request.keys, request.scores);

  cap_row(row, 1 / p.scoring.softcap, p.scoring.softcap);
  for (int64_t key = valid; key < request.keys + lanes; ++key) s.row[key] = -infinity;
  copy_row(s.row, request.keys, request.capped_scores);

  bias_row(row, 1);
  exclude_from_row(row);
  copy_row(s.row, request.keys, request.biased_scores);

  if (!request.weights) return;
  if (p.scoring.selection.is_hard()) {
    write_chosen_weight(request);
    return;
  }
  const float log_sum_exp = static_cast<const float*>(p.log_sum_exp.data)[offset_of(
      p.log_sum_exp, request.batch, request.head, request.sequence.query_start + request.query)];
  for (int64_t key = 0; key < request.keys; key += lanes) {
    const Vec score = load(s.row + key);
    const Vec weight = exp2((score - splat(log_sum_exp)) * splat(log2_e));
    // A key that is not attended has weight 0, even if the other keys give NaN or do not exist.
    store(s.row + key, score == -infinity ? Vec{} : weight);
  }
  if (p.scoring.selection.kind == SelectionKind::local) weigh(row);
  copy_row(s.row, request.keys, request.weights);
}

}  // namespace heed::cpu::HEED_ISA
