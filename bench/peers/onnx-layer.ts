/** A multi-head attention layer for onnxruntime: operator by operator, with the weights as constants. */
import type { Linear, MultiHeadAttentionOptions, MultiHeadAttentionWeights } from '../../lib/index.js';
import { transposed } from '../contests/transposed.js';
import type { Graph, Node } from './onnx-model.js';

export interface OnnxLayer {
  readonly weights: MultiHeadAttentionWeights;
  readonly options: MultiHeadAttentionOptions;
  readonly batch: number;
  readonly steps: number;
  /** The length of the context; undefined if keys and values come from the input. */
  readonly contextSteps?: number;
  /** [steps, pairs] each: the rotation of a layer with rotary options at its steps. */
  readonly angles?: { readonly cos: Float32Array; readonly sin: Float32Array };
}

type Constant = NonNullable<Graph['constants']>[number];

/**
 * All tensors are float32. The inputs are 'input' and, if there is a context, 'context'; the output is
 * 'output'.
 */
export function onnxLayer({ weights, options, batch, steps, contextSteps, angles }: OnnxLayer): Graph {
  const { heads, keyValueHeads = heads, normEpsilon = 1e-6, rotary, causal, window } = options;
  const nodes: Node[] = [];
  const constants: Constant[] = [];
  const node = (operator: string, inputs: string[], output: string, attributes?: Record<string, number>) => {
    nodes.push({ operator, domain: '', inputs, outputs: [output], ...(attributes && { attributes }) });
    return output;
  };
  const constant = (name: string, dims: number[], data: Float32Array) => {
    constants.push({ name, dims, data });
    return name;
  };

  const linear = (name: string, from: string, { weight, bias }: Linear): string => {
    const [out, inner] = weight.dims;
    const matrix = transposed(weight.data as Float32Array, out, inner);
    const product = node(
      'MatMul',
      [from, constant(`${name}.weight`, [inner, out], matrix)],
      `${name}.product`,
    );
    if (bias === undefined) return product;
    return node('Add', [product, constant(`${name}.bias`, [out], bias.data as Float32Array)], `${name}.sum`);
  };

  /**
   * The mean of squares of each head, computed by a product with a block matrix that also spreads it over the
   * head.
   */
  const norm = (name: string, from: string, count: number, weight: Float32Array): string => {
    const width = weight.length;
    const all = count * width;
    const sameHead = (i: number) => Math.floor(i / all / width) === Math.floor((i % all) / width);
    const blocks = Float32Array.from({ length: all * all }, (_, i) => (sameHead(i) ? 1 / width : 0));
    const squares = node('Mul', [from, from], `${name}.squares`);
    const means = node('MatMul', [squares, constant(`${name}.blocks`, [all, all], blocks)], `${name}.means`);
    const epsilon = constant(`${name}.epsilon`, [1], Float32Array.of(normEpsilon));
    const roots = node('Sqrt', [node('Add', [means, epsilon], `${name}.raised`)], `${name}.roots`);
    const factors = constant(
      `${name}.weight`,
      [all],
      Float32Array.from({ length: all }, (_, i) => weight[i % width]),
    );
    return node('Mul', [node('Div', [from, roots], `${name}.divided`), factors], `${name}.normalised`);
  };

  const rotated = (name: string, from: string, count: number): string => {
    if (rotary === undefined || angles === undefined) return from;
    const attributes = {
      num_heads: count,
      interleaved: rotary.interleaved ? 1 : 0,
      ...(rotary.dims !== undefined && { rotary_embedding_dim: rotary.dims }),
    };
    return node('RotaryEmbedding', [from, 'cos', 'sin'], `${name}.rotated`, attributes);
  };
  if (angles) {
    const pairs = angles.cos.length / steps;
    const each = (table: Float32Array) =>
      Float32Array.from({ length: batch * table.length }, (_, i) => table[i % table.length]);
    constant('cos', [batch, steps, pairs], each(angles.cos));
    constant('sin', [batch, steps, pairs], each(angles.sin));
  }

  const part = (name: 'query' | 'key', from: string, count: number): string => {
    const heads = linear(name, from, weights[name]);
    const weight = weights[`${name}Norm`]?.weight.data as Float32Array | undefined;
    return rotated(name, weight ? norm(`${name}Norm`, heads, count, weight) : heads, count);
  };
  const source = contextSteps === undefined ? 'input' : 'context';
  const inputs = [
    part('query', 'input', heads),
    part('key', source, keyValueHeads),
    linear('value', source, weights.value),
  ];
  if (window) {
    const { left = steps, right = steps } = window;
    const visible = (i: number) => {
      const distance = (i % steps) - Math.floor(i / steps);
      return distance >= -left && distance <= (causal ? 0 : right);
    };
    const mask = Float32Array.from({ length: steps * steps }, (_, i) =>
      visible(i) ? 0 : Number.NEGATIVE_INFINITY,
    );
    inputs.push(constant('mask', [steps, steps], mask));
  }
  const attended = node('Attention', inputs, 'attended', {
    q_num_heads: heads,
    kv_num_heads: keyValueHeads,
    ...(causal && !window && { is_causal: 1 }),
  });
  const last = weights.output ? linear('output', attended, weights.output) : attended;
  const columns = weights.output?.weight.dims[0] ?? (heads / keyValueHeads) * weights.value.weight.dims[0];
  const end = nodes.findIndex(({ outputs }) => outputs[0] === last);
  nodes[end] = { ...nodes[end], outputs: ['output'] };

  const float = (name: string, ...dims: number[]) => ({ name, type: 'float32' as const, dims });
  return {
    nodes,
    constants,
    inputs: [
      float('input', batch, steps, weights.query.weight.dims[1]),
      ...(contextSteps === undefined
        ? []
        : [float('context', batch, contextSteps, weights.key.weight.dims[1])]),
    ],
    outputs: [float('output', batch, steps, columns)],
  };
}
