/** Random nodes of ONNX: any combination of inputs and attributes that an operator set allows. */
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType } from '../../lib/tensor/types.js';
import type { Random } from '../support/random.js';

export interface DrawnAttention {
  readonly inputs: Record<string, Tensor>;
  readonly attributes: Record<string, number>;
  readonly opset: 23 | 24 | 25;
  readonly outputs: string[];
}

interface Shape {
  readonly batch: number;
  readonly heads: number;
  readonly queries: number;
  readonly total: number;
}

/** Any number of axes, each broadcast or not; the last may be shorter if the operator set pads it. */
function drawMask(
  random: Random,
  type: FloatType,
  { batch, heads, queries, total }: Shape,
  shortest: number,
): Tensor {
  const outer = [batch, heads, queries].map((length) => random.pick([length, 1]));
  const covered = random.integer(shortest, total);
  const dims = [...outer, covered].slice(random.integer(0, 3));
  if (random.chance(0.5)) return random.mask(dims, 0.7);
  const mask = random.tensor(type, dims);
  const negativeInfinity = new Tensor(new Float32Array([-Infinity]), [1]).cast(type).data[0];
  for (let i = 0; i < mask.size; i++) if (random.chance(0.1)) mask.data[i] = negativeInfinity;
  return mask;
}

/** A node with any combination of inputs and attributes that its operator set allows. */
export function drawAttention(random: Random, type: FloatType): DrawnAttention {
  const opset = random.pick([23, 24, 25] as const);
  const flat = random.chance(0.5);
  const [batch, keyHeads, group] = [random.integer(1, 3), random.integer(1, 2), random.integer(1, 3)];
  const [queries, keys] = [random.integer(1, 5), random.integer(1, 7)];
  const [width, valueWidth] = [random.integer(1, 9), random.integer(1, 9)];
  const heads = keyHeads * group;
  const dims = (h: number, s: number, w: number) => (flat ? [batch, s, h * w] : [batch, h, s, w]);
  const valueType = type === 'float16' && random.chance(0.2) ? 'float32' : type;
  const inputs: Record<string, Tensor> = {
    Q: random.tensor(type, dims(heads, queries, width)),
    K: random.tensor(type, dims(keyHeads, keys, width)),
    V: random.tensor(valueType, dims(keyHeads, keys, valueWidth)),
  };
  const outputs = ['Y'];
  let total = keys;
  let shortest = opset === 23 ? total : 1;
  if (random.chance(0.4)) {
    const past = random.integer(0, 4);
    total += past;
    if (opset === 23) shortest = total;
    inputs.past_key = random.tensor(type, [batch, keyHeads, past, width]);
    inputs.past_value = random.tensor(valueType, [batch, keyHeads, past, valueWidth]);
  } else if (opset >= 24 && random.chance(0.5)) {
    const lengths = Array.from({ length: batch }, () => random.integer(0, keys));
    inputs.nonpad_kv_seqlen = new Tensor(BigInt64Array.from(lengths, BigInt), [batch]);
    shortest = Math.max(1, ...lengths);
  }
  if (!inputs.nonpad_kv_seqlen && random.chance(0.5)) outputs.push('present_key', 'present_value');
  if (random.chance(0.6))
    inputs.attn_mask = drawMask(random, type, { batch, heads, queries, total }, shortest);
  if (random.chance(0.7)) outputs.push('qk_matmul_output');
  const attributes: Record<string, number> = {
    ...(flat && { q_num_heads: heads, kv_num_heads: keyHeads }),
    ...(random.chance(0.5) && { is_causal: random.integer(0, 1) }),
    ...(random.chance(0.3) && { scale: random.uniform(0, 2) }),
    ...(random.chance(0.4) && { softcap: random.pick([0, 0.5, 3]) }),
    ...(random.chance(0.8) && { qk_matmul_output_mode: random.integer(0, 3) }),
    ...(random.chance(0.3) && { softmax_precision: random.pick([1, 10, 11, 16]) }),
    ...(opset === 25 && random.chance(0.5) && { left_window_size: random.integer(-1, 5) }),
    ...(opset === 25 && random.chance(0.5) && { right_window_size: random.integer(-1, 5) }),
  };
  return { inputs, attributes, opset, outputs };
}

export function drawRotaryEmbedding(
  random: Random,
  type: FloatType,
): { readonly inputs: Record<string, Tensor>; readonly attributes: Record<string, number> } {
  const flat = random.chance(0.5);
  const [batch, heads, steps] = [random.integer(0, 3), random.integer(1, 3), random.integer(0, 4)];
  const width = 2 * random.integer(1, 6);
  const partial = random.chance(0.5) ? 2 * random.integer(0, width / 2) : undefined;
  const half = (partial || width) / 2;
  const positions = random.integer(1, 9);
  const withIds = random.chance(0.5);
  const cacheDims = withIds ? [positions, half] : [batch, steps, half];
  const ids = BigInt64Array.from({ length: batch * steps }, () => BigInt(random.integer(0, positions - 1)));
  const inputs: Record<string, Tensor> = {
    input: random.tensor(type, flat ? [batch, steps, heads * width] : [batch, heads, steps, width]),
    cos_cache: random.tensor(type, cacheDims),
    sin_cache: random.tensor(type, cacheDims),
    ...(withIds && { position_ids: new Tensor(ids, [batch, steps]) }),
  };
  const attributes: Record<string, number> = {
    ...(flat && { num_heads: heads }),
    ...(partial !== undefined && { rotary_embedding_dim: partial }),
    ...(random.chance(0.7) && { interleaved: random.integer(0, 1) }),
  };
  return { inputs, attributes };
}
