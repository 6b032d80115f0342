/**
 * Attention in onnxruntime: ONNX's operator, and onnxruntime's operator for text generation with grouped
 * heads.
 */
import type { AttentionInputs, AttentionShape } from '../contests/attention-shape.js';
import type { Contestant } from '../row.js';
import type { Value } from './onnx-model.js';
import { onnxruntime } from './onnxruntime.js';

const float = (name: string, ...dims: number[]): Value => ({ name, type: 'float32', dims });

/**
 * The operator Attention, opset 23. Without a cache, its causal mask begins at the first key, so it cannot
 * express fewer queries than keys.
 */
export function onnxAttention(
  shape: AttentionShape,
  { query, sets, documents, added }: AttentionInputs,
  threads: number,
): Promise<Contestant> {
  const { heads, keyHeads, queries, keys, width, causal } = shape;
  const mask = documents ?? added;
  const graph = {
    nodes: [
      {
        operator: 'Attention',
        domain: '' as const,
        inputs: ['query', 'key', 'value', ...(mask ? ['mask'] : [])],
        outputs: ['output'],
        attributes: causal ? { is_causal: 1 } : {},
      },
    ],
    inputs: [
      float('query', 1, heads, queries, width),
      float('key', 1, keyHeads, keys, width),
      float('value', 1, keyHeads, keys, width),
      ...(documents ? [{ name: 'mask', type: 'bool' as const, dims: [1, 1, queries, keys] }] : []),
      ...(added ? [float('mask', 1, 1, queries, keys)] : []),
    ],
    outputs: [float('output', 1, heads, queries, width)],
  };
  const output = new Float32Array(query.length);
  const memory = sets.map((set) => ({ ...set, query, output, ...(mask && { mask }) }));
  return onnxruntime(graph, memory, threads, 'output');
}

/** [heads, keys, width]: the last key of every head. */
function lastKeys(data: Float32Array, { keyHeads, keys, width }: AttentionShape): Float32Array {
  const last = new Float32Array(keyHeads * width);
  for (let head = 0; head < keyHeads; head++) {
    const end = (head + 1) * keys * width;
    last.set(data.subarray(end - width, end), head * width);
  }
  return last;
}

/**
 * com.microsoft GroupQueryAttention, one query with a cache: the last key and value are the new ones. The
 * extended cache is not fetched: onnxruntime-node would copy all of it to JavaScript, which takes three times
 * as long.
 */
export function onnxGroupQueryAttention(
  shape: AttentionShape,
  { query, sets }: AttentionInputs,
  threads: number,
): Promise<Contestant> {
  const { heads, keyHeads, keys, width } = shape;
  const cache = (name: string) => float(name, 1, keyHeads, keys, width);
  const graph = {
    nodes: [
      {
        operator: 'GroupQueryAttention',
        domain: 'com.microsoft' as const,
        inputs: ['query', 'newKey', 'newValue', 'key', 'value', 'pastLength', 'length'],
        outputs: ['output', 'keyAfter', 'valueAfter'],
        attributes: { num_heads: heads, kv_num_heads: keyHeads },
      },
    ],
    inputs: [
      float('query', 1, 1, heads * width),
      float('newKey', 1, 1, keyHeads * width),
      float('newValue', 1, 1, keyHeads * width),
      cache('key'),
      cache('value'),
      { name: 'pastLength', type: 'int32' as const, dims: [1] },
      { name: 'length', type: 'int32' as const, dims: [1] },
    ],
    outputs: [float('output', 1, 1, heads * width)],
  };
  const memory = sets.map(({ key, value }) => ({
    query,
    key,
    value,
    newKey: lastKeys(key, shape),
    newValue: lastKeys(value, shape),
    pastLength: Int32Array.of(keys - 1),
    length: Int32Array.of(keys),
    output: new Float32Array(query.length),
  }));
  return onnxruntime(graph, memory, threads, 'output');
}
