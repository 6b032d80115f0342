/** Random nodes of com.microsoft: any combination of inputs and attributes that the operators have. */
import { Tensor } from '../../../lib/tensor/tensor.js';
import type { FloatType } from '../../../lib/tensor/types.js';
import type { Random } from '../../support/random.js';

export interface MicrosoftNode {
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly attributes: Readonly<Record<string, number>>;
}

/** What a message says of the node that was drawn as number i. */
export function titleOf(i: number, { inputs, attributes }: MicrosoftNode): string {
  const dims = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, tensor.dims]));
  return `node ${i} ${JSON.stringify({ attributes, dims })}`;
}

/** What is drawn: anything, or what the kernels of onnxruntime for CPUs take. */
export type Kernels = 'heed' | 'onnxruntime';

const int32 = (dims: readonly number[], values: readonly number[]) =>
  new Tensor('int32', Int32Array.from(values), dims);
const int64 = (dims: readonly number[], values: readonly number[]) =>
  new Tensor('int64', BigInt64Array.from(values, BigInt), dims);
const list = (length: number, make: (index: number) => number) => Array.from({ length }, (_, i) => make(i));

function drawBias(random: Random, type: FloatType, [batch, heads, queries, keys]: readonly number[]): Tensor {
  const bias = random.tensor(type, [random.pick([1, batch]), random.pick([1, heads]), queries, keys]);
  if (random.chance(0.5)) return bias;
  const negativeInfinity = new Tensor(new Float32Array([-Infinity]), [1]).cast(type).data[0];
  for (let i = 0; i < bias.size; i++) if (random.chance(0.1)) bias.data[i] = negativeInfinity;
  return bias;
}

/** The steps of a call of GroupQueryAttention. */
interface Steps {
  readonly queries: number;
  /** Of the key: as many, or none if a cache has them already. */
  readonly newSteps: number;
  readonly total: number;
  readonly lengths: readonly number[];
  /** The cache's; undefined if there is none. */
  readonly past: number | undefined;
}

function drawSteps(random: Random, batch: number, kernels: Kernels): Steps {
  const kind = random.pick(['first', 'first', 'decode', 'chunk', 'shared'] as const);
  if (kind === 'first') {
    const total = random.integer(1, 7);
    const lengths = list(batch, () => random.integer(1, total));
    const past = random.chance(0.5) ? random.integer(0, 9) : undefined;
    return { queries: total, newSteps: total, total, lengths, past };
  }
  const queries = kind === 'decode' || (kernels === 'onnxruntime' && batch > 1) ? 1 : random.integer(1, 5);
  const lengths = list(batch, () => random.integer(queries, queries + 8));
  const total = Math.max(...lengths, queries + 1);
  const newSteps = kind === 'shared' ? 0 : queries;
  return { queries, newSteps, total, lengths, past: total - newSteps + random.integer(0, 3) };
}

export function drawGroupQueryAttention(random: Random, type: FloatType, kernels: Kernels): MicrosoftNode {
  const strict = kernels === 'onnxruntime';
  const [batch, keyHeads, group] = [random.integer(1, 3), random.integer(1, 2), random.integer(1, 3)];
  const heads = keyHeads * group;
  const rotary = random.chance(0.5);
  const width = strict ? random.pick(rotary ? [16, 32] : [8, 16, 24]) : random.integer(rotary ? 2 : 1, 17);
  const { queries, newSteps, total, lengths, past } = drawSteps(random, batch, kernels);
  const float = (...dims: number[]) => random.tensor(type, dims);
  const packed = newSteps === queries && random.chance(0.3);
  const causal = random.chance(0.85);
  const window = causal && random.chance(0.4);
  const pairs = strict ? random.pick(width === 16 ? [8] : [8, 16]) : random.integer(1, Math.floor(width / 2));
  const positions = total + random.integer(0, 4);
  const first = queries === total;
  const base = random.integer(0, positions - queries);
  const ids = list(batch * queries, (i) => (first && i === 0 ? base : random.integer(0, positions - 1)));
  const inputs = {
    ...(packed
      ? { query: float(batch, queries, (heads + 2 * keyHeads) * width) }
      : {
          query: float(batch, queries, heads * width),
          key: float(batch, newSteps, keyHeads * width),
          value: float(batch, newSteps, keyHeads * width),
        }),
    ...(past !== undefined && {
      past_key: float(batch, keyHeads, past, width),
      past_value: float(batch, keyHeads, past, width),
    }),
    seqlens_k: int32(
      random.chance(0.8) ? [batch] : [batch, 1],
      lengths.map((length) => length - 1),
    ),
    total_sequence_length: int32(random.pick([[], [1]]), [total]),
    ...((rotary || random.chance(0.1)) &&
      (!strict || width % 16 === 0) &&
      width > 1 && {
        cos_cache: float(positions, pairs),
        sin_cache: float(positions, pairs),
        ...(random.chance(0.4) && { position_ids: int64([batch, queries], ids) }),
      }),
    ...(random.chance(0.4) && { attention_bias: drawBias(random, type, [batch, heads, queries, total]) }),
    ...(random.chance(0.3) && { head_sink: float(heads) }),
  };
  const attributes = {
    num_heads: heads,
    kv_num_heads: keyHeads,
    ...(rotary && { do_rotary: 1, ...(random.chance(0.5) && { rotary_interleaved: random.integer(0, 1) }) }),
    ...(!causal ? { causal: 0 } : random.chance(0.2) && { causal: 1 }),
    ...(window && { local_window_size: random.integer(1, 6) }),
    ...(random.chance(0.3) && { scale: random.pick([0, 0.5, -0.7]) }),
    ...(random.chance(0.4) && { softcap: random.pick([0, 0.5, 3]) }),
    ...(random.chance(0.3) && { smooth_softmax: random.integer(-1, 1) }),
    ...(random.chance(0.5) && { qk_output: random.integer(0, 2) }),
    ...(random.chance(0.1) && { qk_norm_epsilon: 1e-6, sliding_window_cache: 0, kv_cache_bit_width: 0 }),
  };
  return { inputs, attributes };
}

function drawPadding(random: Random, [batch, queries, keys]: readonly number[], kernels: Kernels): Tensor {
  const flags = (...dims: number[]) => {
    const kept = random.pick([0.2, 0.7]);
    const size = dims.reduce((product, length) => product * length, 1);
    return int32(
      dims,
      list(size, () => (random.chance(kept) ? random.integer(1, 2) : random.integer(-1, 0))),
    );
  };
  const lengths = list(batch, () => random.integer(0, keys));
  const starts = (each: readonly number[]) =>
    list(batch + 1, (entry) => each.slice(0, entry).reduce((sum, length) => sum + length, 0));
  const choices = [
    () => int32([batch], lengths),
    () => int32([3 * batch + 2], [...lengths, ...starts(list(batch, () => queries)), ...starts(lengths)]),
    () => flags(batch, keys),
    () => flags(batch, queries, keys),
  ];
  return random.pick(kernels === 'onnxruntime' && keys === 0 ? choices.slice(2) : choices)();
}

export function drawMultiHeadAttention(random: Random, type: FloatType, kernels: Kernels): MicrosoftNode {
  const strict = kernels === 'onnxruntime';
  const [batch, heads, queries] = [random.integer(1, 3), random.integer(1, 3), random.integer(1, 5)];
  const width = random.integer(1, 12);
  const float = (...dims: number[]) => random.tensor(type, dims);
  const layout = random.pick(
    strict ? (['three', 'three', 'four'] as const) : (['three', 'four', 'packed', 'packed key'] as const),
  );
  const past = layout !== 'four' && random.chance(0.4) ? random.integer(0, 5) : undefined;
  // Past and biases of onnxruntime have the width of keys.
  const valueWidth =
    layout === 'three' && (past === undefined || !strict)
      ? random.pick([width, random.integer(1, 12)])
      : width;
  const causal = random.chance(0.4);
  const newSteps = layout === 'packed' || (causal && queries > 1) ? queries : random.integer(1, 6);
  const buffers = !strict && past !== undefined && random.chance(0.3);
  const room = buffers ? newSteps + random.integer(0, 2) : 0;
  const total = (past ?? 0) + newSteps;
  const inputs = {
    ...{
      three: () => ({
        query: float(batch, queries, heads * width),
        key: float(batch, newSteps, heads * width),
        value: float(batch, newSteps, heads * valueWidth),
      }),
      four: () => ({
        query: float(batch, queries, heads * width),
        key: float(batch, heads, newSteps, width),
        value: float(batch, heads, newSteps, width),
      }),
      packed: () => ({ query: float(batch, queries, heads, 3, width) }),
      'packed key': () => ({
        query: float(batch, queries, heads * width),
        key: float(batch, newSteps, heads, 2, width),
      }),
    }[layout](),
    ...(past !== undefined && {
      past_key: float(batch, heads, past + room, width),
      past_value: float(batch, heads, past + room, valueWidth),
      ...(buffers && { past_sequence_length: int32([1], [past]) }),
    }),
    ...(layout !== 'packed key' &&
      random.chance(0.5) && {
        bias: random.tensor(type, [heads * (2 * width + valueWidth)], 0.5),
      }),
    ...(random.chance(0.5) && { key_padding_mask: drawPadding(random, [batch, queries, total], kernels) }),
    ...(random.chance(0.4) && { attention_bias: drawBias(random, type, [batch, heads, queries, total]) }),
  };
  const attributes = {
    num_heads: heads,
    ...(causal ? { unidirectional: 1 } : random.chance(0.2) && { unidirectional: 0 }),
    ...(random.chance(0.3) && { scale: random.pick([0, 0.5, -0.7]) }),
    ...(random.chance(0.6) && { mask_filter_value: random.pick([-3.4028234663852886e38, -2, 5, -40]) }),
  };
  return { inputs, attributes };
}

export function drawRotaryEmbedding(random: Random, type: FloatType): MicrosoftNode {
  const flat = random.chance(0.5);
  const [batch, heads, steps] = [random.integer(1, 3), random.integer(1, 3), random.integer(1, 5)];
  const width = 2 * random.integer(1, 8);
  const partial = random.chance(0.5) ? 2 * random.integer(1, width / 2) : 0;
  const pairs = (partial || width) / 2;
  const packed = random.chance(0.3);
  const single = random.chance(0.5);
  const positions = packed && !single ? random.integer(1, 9) : steps + random.integer(0, 4);
  const ids = single
    ? int64(random.pick([[], [1]]), [random.integer(0, positions - steps)])
    : int64(
        [batch, steps],
        list(batch * steps, () => random.integer(0, positions - 1)),
      );
  const inputs = {
    input: random.tensor(type, flat ? [batch, steps, heads * width] : [batch, heads, steps, width]),
    position_ids: ids,
    cos_cache: random.tensor(type, [positions, pairs]),
    sin_cache: random.tensor(type, [positions, pairs]),
  };
  const attributes = {
    ...((partial > 0 || random.chance(0.5)) && { num_heads: heads }),
    ...(partial > 0 && { rotary_embedding_dim: partial }),
    ...(random.chance(0.7) && { interleaved: random.integer(0, 1) }),
    ...(random.chance(0.3) && { scale: 1 }),
    ...(packed ? { is_packed_batching: 1 } : random.chance(0.3) && { is_packed_batching: 0 }),
  };
  return { inputs, attributes };
}
