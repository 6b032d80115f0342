/**
 * GroupQueryAttention and MultiHeadAttention of com.microsoft by their definitions, one element at a time in
 * float64, with every matrix in full. The rotation is that of ONNX, by its own oracle.
 */
import { Tensor } from '../../../lib/tensor/tensor.js';
import type { FloatType } from '../../../lib/tensor/types.js';
import { at, decode, filled, type NdArray } from '../nd-array.js';
import { rotaryEmbeddingOracle } from '../rotary-embedding-oracle.js';

/**
 * Rounds to the type of the node what the operators store in it: the sums with a bias, and what was rotated.
 */
export type Round = (value: number) => number;
export const roundingTo =
  (type: FloatType): Round =>
  (value) =>
    decode(new Tensor('float64', Float64Array.of(value), [1]).cast(type)).values[0];

export type Arrays = Readonly<Partial<Record<string, NdArray>>>;
export type Numbers = Readonly<Partial<Record<string, number>>>;

const lowest = -3.4028234663852886e38;

type Elements = (entry: number, head: number, step: number, element: number) => number;

interface Definition {
  readonly batch: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
  readonly valueWidth: number;
  readonly query: Elements;
  readonly key: Elements;
  readonly value: Elements;
  readonly score: (product: number) => number;
  /** What is added; undefined if the step may not attend the key. */
  readonly added: (entry: number, head: number, step: number, key: number) => number | undefined;
  readonly sink?: (head: number) => number;
}

interface Result {
  /** [batch, steps, heads · width] */
  readonly output: NdArray;
  /** What goes into the softmax, 0 where a step may not attend: [batch, heads, queries, keys]. */
  readonly scores: NdArray;
  readonly weights: NdArray;
}

function attend(d: Definition): Result {
  const matrix = () => filled([d.batch, d.heads, d.queries, d.keys], () => 0);
  const [scores, weights] = [matrix(), matrix()];
  const output = filled([d.batch, d.queries, d.heads * d.valueWidth], () => 0);
  for (let b = 0; b < d.batch; b++) {
    for (let h = 0; h < d.heads; h++) {
      const shared = Math.floor((h * d.keyHeads) / d.heads);
      for (let i = 0; i < d.queries; i++) {
        const row = ((b * d.heads + h) * d.queries + i) * d.keys;
        const attended: { readonly key: number; readonly score: number }[] = [];
        for (let j = 0; j < d.keys; j++) {
          const added = d.added(b, h, i, j);
          if (added === undefined) continue;
          let product = 0;
          for (let w = 0; w < d.width; w++) product += d.query(b, h, i, w) * d.key(b, shared, j, w);
          const score = d.score(product) + added;
          scores.values[row + j] = score;
          if (score !== -Infinity) attended.push({ key: j, score });
        }
        const sink = d.sink?.(h) ?? -Infinity;
        const top = attended.reduce((most, { score }) => Math.max(most, score), sink);
        const sum = attended.reduce(
          (total, { score }) => total + Math.exp(score - top),
          sink === -Infinity ? 0 : Math.exp(sink - top),
        );
        for (const { key, score } of attended) {
          const weight = Math.exp(score - top) / sum;
          weights.values[row + key] = weight;
          for (let w = 0; w < d.valueWidth; w++) {
            const to = (b * d.queries + i) * d.heads * d.valueWidth + h * d.valueWidth + w;
            output.values[to] += weight * d.value(b, shared, key, w);
          }
        }
      }
    }
  }
  return { output, scores, weights };
}

function given<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('an input is missing');
  return value;
}

/** [batch, heads, steps, width] of what lies in [batch, steps, …] at a column for each head. */
function heads(from: NdArray, count: number, width: number, column: (head: number) => number): NdArray {
  const [batch, steps] = from.dims;
  const row = from.dims.slice(2).reduce((product, length) => product * length, 1);
  return filled([batch, count, steps, width], (index) => {
    const w = index % width;
    const s = Math.floor(index / width) % steps;
    const h = Math.floor(index / width / steps) % count;
    const b = Math.floor(index / width / steps / count);
    return from.values[(b * steps + s) * row + column(h) + w];
  });
}

/** The cache after a call: the valid past of each entry, the new steps, zeros. */
function present(
  past: NdArray | undefined,
  incoming: NdArray,
  before: readonly number[],
  steps: number,
): NdArray {
  const [batch, count, newSteps, width] = incoming.dims;
  return filled([batch, count, steps, width], (index) => {
    const w = index % width;
    const s = Math.floor(index / width) % steps;
    const h = Math.floor(index / width / steps) % count;
    const b = Math.floor(index / width / steps / count);
    if (s < before[b]) return at(given(past), [b, h, s, w]);
    return s < before[b] + newSteps ? at(incoming, [b, h, s - before[b], w]) : 0;
  });
}

const element =
  (array: NdArray): Elements =>
  (b, h, s, w) =>
    at(array, [b, h, s, w]);

export function groupQueryAttentionOracle(
  inputs: Arrays,
  attributes: Numbers,
  round: Round,
): Record<'output' | 'present_key' | 'present_value' | 'scores' | 'weights', NdArray> & {
  /** For each [batch, step] whether it is a step of its entry, not padding. */
  readonly valid: (entry: number, step: number) => boolean;
} {
  const { num_heads: count = 0, kv_num_heads: keyHeads = 0, softcap = 0 } = attributes;
  const query = given(inputs.query);
  const [batch, steps] = query.dims;
  const packed = inputs.key === undefined;
  const width = query.dims[2] / (packed ? count + 2 * keyHeads : count);
  const total = given(inputs.total_sequence_length).values[0];
  const lengths = Array.from(given(inputs.seqlens_k).values, (length) => length + 1);
  const first = steps === total;
  const part = (input: NdArray, n: number, start: number) =>
    heads(input, n, width, (h) => (start + h) * width);
  const parts = {
    query: part(query, count, 0),
    key: packed ? part(query, keyHeads, count) : part(given(inputs.key), keyHeads, 0),
    value: packed ? part(query, keyHeads, count + keyHeads) : part(given(inputs.value), keyHeads, 0),
  };
  const newSteps = parts.key.dims[2];
  const offsets = lengths.map((length) => (first ? 0 : length - steps));
  const before = lengths.map((length) => (newSteps === 0 ? length : first ? 0 : length - newSteps));

  const ids = inputs.position_ids;
  const positions = filled([batch, steps], (index) => {
    const [b, s] = [Math.floor(index / steps), index % steps];
    if (first) return (ids?.values[0] ?? 0) + s;
    return ids ? ids.values[index] : offsets[b] + s;
  });
  const rotated = (array: NdArray): NdArray => {
    if (attributes.do_rotary !== 1 || array.values.length === 0) return array;
    const [cos_cache, sin_cache] = [given(inputs.cos_cache), given(inputs.sin_cache)];
    const { dims, values } = rotaryEmbeddingOracle(
      { input: array, cos_cache, sin_cache, position_ids: positions },
      { interleaved: attributes.rotary_interleaved ?? 0, rotary_embedding_dim: 2 * cos_cache.dims[1] },
    );
    return { dims, values: values.map(round) };
  };
  const length = Math.max(total, inputs.past_key?.dims[2] ?? 0);
  const present_key = present(inputs.past_key, rotated(parts.key), before, length);
  const present_value = present(inputs.past_value, parts.value, before, length);
  const scale = attributes.scale || 1 / Math.sqrt(width);
  const window = attributes.local_window_size ?? -1;
  const { attention_bias: bias, head_sink: sink } = inputs;

  const result = attend({
    ...{ batch, heads: count, keyHeads, queries: steps, keys: total, width, valueWidth: width },
    query: element(rotated(parts.query)),
    key: element(present_key),
    value: element(present_value),
    score: (product) => (softcap > 0 ? softcap * Math.tanh((product * scale) / softcap) : product * scale),
    added: (b, h, i, j) => {
      const position = offsets[b] + i;
      if (j >= lengths[b]) return undefined;
      if (attributes.causal !== 0 && j > position) return undefined;
      if (window >= 0 && j <= position - window) return undefined;
      return bias ? at(bias, [b, h, i, j]) : 0;
    },
    ...((sink || attributes.smooth_softmax === 1) && { sink: (h: number) => sink?.values[h] ?? 0 }),
  });
  const valid = (b: number, s: number) => offsets[b] + s < lengths[b];
  return { ...result, present_key, present_value, valid };
}

export function multiHeadAttentionOracle(
  inputs: Arrays,
  attributes: Numbers,
  round: Round,
): Record<'output' | 'present_key' | 'present_value' | 'qk', NdArray> & {
  /** Whether masks hide all keys of some row. */
  readonly hidesRows: boolean;
} {
  const count = attributes.num_heads ?? 0;
  const filter = attributes.mask_filter_value ?? -10000;
  const query = given(inputs.query);
  const [batch, steps] = query.dims;
  const { key, value, bias, attention_bias, key_padding_mask: mask } = inputs;
  const width = query.dims.length === 5 ? query.dims[4] : query.dims[2] / count;
  const side = (input: NdArray) =>
    heads(input, count, input.dims[2] / count, (h) => (h * input.dims[2]) / count);
  const packed = (input: NdArray, parts: number, part: number) =>
    heads(input, count, width, (h) => (h * parts + part) * width);
  const ready = key?.dims.length === 4;
  const parts = !key
    ? { query: packed(query, 3, 0), key: packed(query, 3, 1), value: packed(query, 3, 2) }
    : !value
      ? { query: side(query), key: packed(key, 2, 0), value: packed(key, 2, 1) }
      : { query: side(query), key: ready ? key : side(key), value: ready ? value : side(value) };
  const valueWidth = parts.value.dims[3];
  const plus = (array: NdArray, start: number): NdArray => {
    const [, n, s, w] = array.dims;
    const added = (index: number) =>
      bias?.values[start + (Math.floor(index / w / s) % n) * w + (index % w)] ?? 0;
    return { dims: array.dims, values: array.values.map((x, index) => round(x + added(index))) };
  };
  const incoming = ready ? parts.key : plus(parts.key, count * width);
  const incomingValue = ready ? parts.value : plus(parts.value, 2 * count * width);
  const newSteps = incoming.dims[2];
  const past = inputs.past_sequence_length?.values[0] ?? inputs.past_key?.dims[2] ?? 0;
  const total = past + newSteps;
  const longest = inputs.past_sequence_length ? (inputs.past_key?.dims[2] ?? 0) : total;
  const before = Array.from({ length: batch }, () => past);
  const present_key = present(inputs.past_key, incoming, before, longest);
  const present_value = present(inputs.past_value, incomingValue, before, longest);
  const scale = attributes.scale || 1 / Math.sqrt(width);

  const hidden = (b: number, i: number, j: number): boolean => {
    if (!mask) return false;
    if (mask.dims.length === 1) return j >= mask.values[b];
    return at(mask, mask.dims.length === 3 ? [b, i, j] : [b, j]) <= 0;
  };
  const later = (i: number, j: number) => attributes.unidirectional === 1 && steps > 1 && j > past + i;
  const { output, scores } = attend({
    ...{ batch, heads: count, keyHeads: count, queries: steps, keys: total, width, valueWidth },
    query: element(plus(parts.query, 0)),
    key: element(present_key),
    value: element(present_value),
    score: (product) => product * scale,
    added: (b, h, i, j) => {
      const added = attention_bias ? at(attention_bias, [b, h, i, j]) : 0;
      return added + (later(i, j) ? lowest : hidden(b, i, j) ? filter : 0);
    },
  });
  // At about -10000 float32 has no more than three decimals for scores.
  const rows = Array.from({ length: batch * count * steps }, (_, row) =>
    Array.from(scores.values.subarray(row * total, (row + 1) * total)),
  );
  const hidesRows = rows.some((row) => Math.max(...row) < -1000);
  // The lowest float32 is infinite in a half.
  const qk = { dims: scores.dims, values: scores.values.map(round) };
  return { output, present_key, present_value, qk, hidesRows };
}

export function microsoftRotaryEmbeddingOracle(inputs: Arrays, attributes: Numbers): NdArray {
  const [input, cos_cache] = [given(inputs.input), given(inputs.cos_cache)];
  const ids = given(inputs.position_ids).values;
  const { dims } = input;
  const steps = dims[dims.length - 2];
  const position_ids = filled([dims[0], steps], (index) =>
    ids.length === 1 ? ids[0] + (index % steps) : ids[index],
  );
  const num_heads = attributes.num_heads ?? dims[2] / (2 * cos_cache.dims[1]);
  return rotaryEmbeddingOracle(
    { input, cos_cache, sin_cache: given(inputs.sin_cache), position_ids },
    { ...attributes, num_heads },
  );
}
