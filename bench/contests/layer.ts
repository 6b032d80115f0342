/** Multi-head attention with its linear maps: one operation in heed, three operators in onnxruntime. */
import { MultiHeadAttention, Tensor } from '../../lib/index.js';
import { onnxruntime } from '../peers/onnxruntime.js';
import type { Random } from '../random.js';
import type { Contest, Contestant } from '../row.js';
import { threads } from '../threads.js';
import { transposed } from './transposed.js';

export interface LayerShape {
  readonly batch: number;
  readonly steps: number;
  readonly embed: number;
  readonly heads: number;
  readonly causal?: boolean;
  /** The type of heed's input, weights and output; the others compute in float32. */
  readonly type?: 'float32' | 'bfloat16';
  /** What heed rounds its weights to. */
  readonly weights?: 'int8';
}

interface LayerInputs {
  readonly input: Float32Array;
  /** [3 · embed, embed] and [3 · embed]: for query, key and value. */
  readonly inWeight: Float32Array;
  readonly inBias: Float32Array;
  readonly outWeight: Float32Array;
  readonly outBias: Float32Array;
}

function heed(
  { batch, steps, embed, heads, causal, type = 'float32', weights }: LayerShape,
  inputs: LayerInputs,
): Contestant {
  const { inWeight, inBias, outWeight, outBias } = inputs;
  const square = embed * embed;
  const part = (i: number) => ({
    weight: new Tensor(inWeight.subarray(i * square, (i + 1) * square), [embed, embed]).cast(type),
    bias: new Tensor(inBias.subarray(i * embed, (i + 1) * embed), [embed]),
  });
  const output = {
    weight: new Tensor(outWeight, [embed, embed]).cast(type),
    bias: new Tensor(outBias, [embed]),
  };
  const layer = new MultiHeadAttention(
    { query: part(0), key: part(1), value: part(2), output },
    { heads, causal: causal ?? false, ...(weights && { weights }) },
  );
  const input = new Tensor(inputs.input, [batch, steps, embed]).cast(type);
  const out = Tensor.zeros(type, [batch, steps, embed]);
  return {
    run: () => layer.forward(input, { out }),
    result: () => out.cast('float32').data as Float32Array,
    dispose: () => layer.dispose(),
  };
}

function onnxLayer({ batch, steps, embed, heads, causal }: LayerShape, inputs: LayerInputs) {
  const { input, inWeight, inBias, outWeight, outBias } = inputs;
  const contrib = {
    operator: 'Attention',
    domain: 'com.microsoft' as const,
    inputs: ['input', 'inWeight', 'inBias'],
    outputs: ['attended'],
    attributes: { num_heads: heads, unidirectional: causal ? 1 : 0 },
  };
  const dims = [batch, steps, embed];
  const graph = {
    nodes: [
      contrib,
      { operator: 'MatMul', domain: '' as const, inputs: ['attended', 'outWeight'], outputs: ['product'] },
      { operator: 'Add', domain: '' as const, inputs: ['product', 'outBias'], outputs: ['output'] },
    ],
    inputs: [{ name: 'input', type: 'float32' as const, dims }],
    outputs: [{ name: 'output', type: 'float32' as const, dims }],
    constants: [
      { name: 'inWeight', dims: [embed, 3 * embed], data: transposed(inWeight, 3 * embed, embed) },
      { name: 'inBias', dims: [3 * embed], data: inBias },
      { name: 'outWeight', dims: [embed, embed], data: transposed(outWeight, embed, embed) },
      { name: 'outBias', dims: [embed], data: outBias },
    ],
  };
  const output = new Float32Array(input.length);
  return onnxruntime(graph, [{ input, output }], threads, 'output');
}

export function layerContest(shape: LayerShape, random: Random): Contest {
  const { batch, steps, embed } = shape;
  const deviation = 1 / Math.sqrt(embed);
  const inputs = {
    input: random.floats(batch * steps * embed),
    inWeight: random.floats(3 * embed * embed, deviation),
    inBias: random.floats(3 * embed, 0.1),
    outWeight: random.floats(embed * embed, deviation),
    outBias: random.floats(embed, 0.1),
  };
  return {
    heed: heed(shape, inputs),
    opponent: async (peer) => (peer === 'onnxruntime layer' ? await onnxLayer(shape, inputs) : undefined),
  };
}
