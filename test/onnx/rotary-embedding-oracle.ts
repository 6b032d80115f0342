/**
 * The ONNX RotaryEmbedding operator (opset 23) by its specification, one pair of elements at a time in
 * float64.
 */
import { at, filled, type NdArray } from './nd-array.js';

export interface RotaryInputs {
  input: NdArray;
  cos_cache: NdArray;
  sin_cache: NdArray;
  position_ids?: NdArray;
}

export interface RotaryAttributes {
  interleaved?: number;
  rotary_embedding_dim?: number;
  num_heads?: number;
}

export function rotaryEmbeddingOracle(inputs: RotaryInputs, attributes: RotaryAttributes = {}): NdArray {
  const { input, cos_cache: cos, sin_cache: sin, position_ids: positions } = inputs;
  const flat = input.dims.length === 3;
  const width = flat ? input.dims[2] / (attributes.num_heads ?? 1) : input.dims[3];
  const rotated = attributes.rotary_embedding_dim || width;
  const half = rotated / 2;
  const angle = (cache: NdArray, b: number, s: number, pair: number) =>
    positions ? at(cache, [at(positions, [b, s]), pair]) : at(cache, [b, s, pair]);

  return filled(input.dims, (index) => {
    const w = index % width;
    const outer = Math.floor(index / width);
    const heads = flat ? (attributes.num_heads ?? 1) : input.dims[1];
    const steps = flat ? input.dims[1] : input.dims[2];
    const s = flat ? Math.floor(outer / heads) % steps : outer % steps;
    const b = Math.floor(outer / heads / steps);
    if (w >= rotated) return input.values[index];
    const pair = attributes.interleaved ? Math.floor(w / 2) : w % half;
    const first = attributes.interleaved ? w % 2 === 0 : w < half;
    const partner = attributes.interleaved ? 1 : half;
    const c = angle(cos, b, s, pair);
    const n = angle(sin, b, s, pair);
    return first
      ? c * input.values[index] - n * input.values[index + partner]
      : n * input.values[index - partner] + c * input.values[index];
  });
}
