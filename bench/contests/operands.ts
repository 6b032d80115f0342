/** The memory of a contest as the tensors and options of heed's attention. */
import { type AttentionOptions, Tensor } from '../../lib/index.js';
import type { FloatType } from '../../lib/tensor/types.js';
import type { AttentionInputs, AttentionShape } from './attention-shape.js';

/** The tensors of one call. */
export interface Operands {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly options: AttentionOptions & { readonly out: Tensor };
}

function maskOf({ queries, keys }: AttentionShape, { documents, added }: AttentionInputs): AttentionOptions {
  const dims = [1, 1, queries, keys];
  if (documents) return { mask: new Tensor('bool', documents, dims) };
  return added ? { mask: new Tensor(added, dims) } : {};
}

/** One call's operands for each set of keys and values. */
export function operands(shape: AttentionShape, inputs: AttentionInputs, type: FloatType): Operands[] {
  const { heads, keyHeads, queries, keys, width, causal, window } = shape;
  const query = new Tensor(inputs.query, [1, heads, queries, width]).cast(type);
  const out = Tensor.zeros(type, query.dims);
  const options = {
    ...(causal && { causal }),
    ...(window && { window }),
    ...maskOf(shape, inputs),
    out,
  };
  const asKeys = (data: Float32Array) => {
    const tensor = new Tensor(data, [1, keyHeads, keys, width]);
    // In place if possible: onnxruntime and heed then read the same memory.
    return type === 'float32' ? tensor : tensor.cast(type);
  };
  return inputs.sets.map(({ key, value }) => ({ query, key: asKeys(key), value: asKeys(value), options }));
}
