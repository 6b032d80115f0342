/** The published cases: inputs and expected outputs of the ONNX backend tests (see test/conformance). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TensorLike, TensorType } from '../../lib/tensor/types.js';

export interface PublishedTensor extends TensorLike {
  readonly name: string;
}

export interface PublishedCase {
  readonly name: string;
  readonly op: 'Attention' | 'RotaryEmbedding';
  readonly opset: 23 | 24 | 25;
  readonly attributes: Record<string, number>;
  readonly inputs: readonly PublishedTensor[];
  readonly outputs: readonly PublishedTensor[];
}

interface FileTensor {
  name: string;
  dtype: TensorType;
  shape: number[];
  data: string;
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  bool: Uint8Array,
  int64: BigInt64Array,
};

function tensor({ name, dtype, shape, data }: FileTensor): PublishedTensor {
  if (!(dtype in arrays)) throw new Error(`No array for ${dtype}`);
  const bytes = Uint8Array.from(Buffer.from(data, 'base64'));
  return { name, type: dtype, dims: shape, data: new arrays[dtype as keyof typeof arrays](bytes.buffer) };
}

/** Reads test/conformance/onnx-<operator>.json. */
export function publishedCases(operator: 'attention' | 'rotary-embedding'): PublishedCase[] {
  const path = join(__dirname, '../../../test/conformance', `onnx-${operator}.json`);
  const cases: (Omit<PublishedCase, 'inputs' | 'outputs'> & {
    inputs: FileTensor[];
    outputs: FileTensor[];
  })[] = JSON.parse(readFileSync(path, 'utf8'));
  return cases.map((each) => ({
    ...each,
    inputs: each.inputs.map(tensor),
    outputs: each.outputs.map(tensor),
  }));
}
