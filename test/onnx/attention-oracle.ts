/**
 * The ONNX Attention operator (opsets 23 to 25) by its specification, one element at a time in float64, with
 * every matrix in full: the reference for the fused operator.
 */
import { at, filled, type NdArray } from './nd-array.js';

export interface AttentionInputs {
  Q: NdArray;
  K: NdArray;
  V: NdArray;
  attn_mask?: NdArray;
  past_key?: NdArray;
  past_value?: NdArray;
  nonpad_kv_seqlen?: NdArray;
}

export interface AttentionAttributes {
  scale?: number;
  is_causal?: number;
  softcap?: number;
  q_num_heads?: number;
  kv_num_heads?: number;
  qk_matmul_output_mode?: number;
  softmax_precision?: number;
  left_window_size?: number;
  right_window_size?: number;
}

/**
 * [batch, steps, heads · width] → [batch, heads, steps, width]; an array of four dimensions is returned
 * unchanged.
 */
function splitHeads(array: NdArray, heads: number | undefined): NdArray {
  if (array.dims.length === 4 || heads === undefined) return array;
  const [batch, steps, hidden] = array.dims;
  const width = hidden / heads;
  return filled([batch, heads, steps, width], (index) => {
    const w = index % width;
    const s = Math.floor(index / width) % steps;
    const h = Math.floor(index / width / steps) % heads;
    const b = Math.floor(index / width / steps / heads);
    return at(array, [b, s, h * width + w]);
  });
}

function joinHeads(array: NdArray): NdArray {
  const [batch, heads, steps, width] = array.dims;
  return filled([batch, steps, heads * width], (index) => {
    const w = index % width;
    const h = Math.floor(index / width) % heads;
    const s = Math.floor(index / width / heads) % steps;
    const b = Math.floor(index / width / heads / steps);
    return at(array, [b, h, s, w]);
  });
}

/** Concatenation along the steps. */
function append(past: NdArray | undefined, incoming: NdArray): NdArray {
  if (past === undefined) return incoming;
  const [batch, heads, steps, width] = incoming.dims;
  const before = past.dims[2];
  const total = before + steps;
  return filled([batch, heads, total, width], (index) => {
    const w = index % width;
    const s = Math.floor(index / width) % total;
    const h = Math.floor(index / width / total) % heads;
    const b = Math.floor(index / width / total / heads);
    return s < before ? at(past, [b, h, s, w]) : at(incoming, [b, h, s - before, w]);
  });
}

export function attentionOracle(
  inputs: AttentionInputs,
  attributes: AttentionAttributes = {},
): Record<'Y' | 'present_key' | 'present_value' | 'qk_matmul_output', NdArray> {
  const Q = splitHeads(inputs.Q, attributes.q_num_heads);
  const K = append(inputs.past_key, splitHeads(inputs.K, attributes.kv_num_heads));
  const V = append(inputs.past_value, splitHeads(inputs.V, attributes.kv_num_heads));
  const [batch, heads, queries, width] = Q.dims;
  const [, keyHeads, keys] = K.dims;
  const valueWidth = V.dims[3];
  const { attn_mask: mask, nonpad_kv_seqlen: nonpad, past_key: past } = inputs;
  const scale = attributes.scale ?? 1 / Math.sqrt(width);
  const softcap = attributes.softcap ?? 0;
  const left = attributes.left_window_size ?? -1;
  const right = attributes.right_window_size ?? -1;

  const bias = (b: number, h: number, i: number, j: number): number => {
    const offset = past ? past.dims[2] : nonpad ? nonpad.values[b] - queries : 0;
    const position = i + offset;
    if (attributes.is_causal === 1 && j > position) return -Infinity;
    if (left >= 0 && j < position - left) return -Infinity;
    if (right >= 0 && j > position + right) return -Infinity;
    if (nonpad && j >= nonpad.values[b]) return -Infinity;
    if (!mask) return 0;
    if (j >= (mask.dims.at(-1) ?? 0)) return -Infinity;
    const value = at(mask, [b, h, i, j]);
    if (mask.bool) return value ? 0 : -Infinity;
    return value;
  };

  const shown = new Float64Array(batch * heads * queries * keys);
  const Y = new Float64Array(batch * heads * queries * valueWidth);
  let row = 0;
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const shared = Math.floor((h * keyHeads) / heads);
      for (let i = 0; i < queries; i++, row++) {
        const stages: number[][] = [[], [], [], []];
        const [raw, capped, biased, weights] = stages;
        for (let j = 0; j < keys; j++) {
          let score = 0;
          for (let w = 0; w < width; w++) score += at(Q, [b, h, i, w]) * at(K, [b, shared, j, w]);
          raw.push(score * scale);
          capped.push(softcap > 0 ? softcap * Math.tanh(raw[j] / softcap) : raw[j]);
          const added = bias(b, h, i, j);
          biased.push(added === -Infinity ? -Infinity : capped[j] + added);
        }
        const top = biased.reduce((a, c) => Math.max(a, c), -Infinity);
        const powers = biased.map((score) => (top === -Infinity ? 0 : Math.exp(score - top)));
        const sum = powers.reduce((a, c) => a + c, 0);
        weights.push(...powers.map((power) => (sum === 0 ? 0 : power / sum)));
        shown.set(stages[attributes.qk_matmul_output_mode ?? 0], row * keys);
        for (let w = 0; w < valueWidth; w++) {
          let mixed = 0;
          for (let j = 0; j < keys; j++) {
            if (biased[j] !== -Infinity) mixed += weights[j] * at(V, [b, shared, j, w]);
          }
          Y[row * valueWidth + w] = mixed;
        }
      }
    }
  }
  const y = { dims: [batch, heads, queries, valueWidth], values: Y };
  return {
    Y: inputs.Q.dims.length === 3 ? joinHeads(y) : y,
    present_key: K,
    present_value: V,
    qk_matmul_output: { dims: [batch, heads, queries, keys], values: shown },
  };
}
