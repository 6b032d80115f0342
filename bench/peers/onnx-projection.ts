/** The operators of onnxruntime that multiply by a constant weight, each with the weight as it takes it. */
import type { ProjectionInputs, ProjectionShape } from '../contests/projection-shape.js';
import { transposed } from '../contests/transposed.js';
import type { Graph, Node } from './onnx-model.js';

type Constants = NonNullable<Graph['constants']>;

export const productOperators = {
  'onnxruntime MatMul': matMul,
  'onnxruntime DynamicQuantizeMatMul': dynamicQuantizeMatMul,
  'onnxruntime MatMulNBits': matMulNBits,
} as const;

function graphOf(
  { rows, inner, columns }: ProjectionShape,
  node: Omit<Node, 'inputs' | 'outputs'>,
  constants: Constants,
): Graph {
  return {
    nodes: [{ ...node, inputs: ['input', ...constants.map(({ name }) => name)], outputs: ['output'] }],
    inputs: [{ name: 'input', type: 'float32', dims: [rows, inner] }],
    outputs: [{ name: 'output', type: 'float32', dims: [rows, columns] }],
    constants,
  };
}

function matMul(shape: ProjectionShape, { weight }: ProjectionInputs): Graph {
  const { inner, columns } = shape;
  return graphOf(shape, { operator: 'MatMul', domain: '' }, [
    { name: 'weight', dims: [inner, columns], data: transposed(weight, columns, inner) },
  ]);
}

/** The largest magnitude of some neighbours. */
function largest(numbers: Float32Array, from: number, count: number): number {
  let most = 0;
  for (let i = from; i < from + count; i++) most = Math.max(most, Math.abs(numbers[i]));
  return most;
}

/**
 * int8 with a scale for each column; it rounds its input to uint8 with one scale. Without VNNI its sums of two products
 * saturate in int16, and results are off by a fifth.
 */
function dynamicQuantizeMatMul(shape: ProjectionShape, { weight }: ProjectionInputs): Graph {
  const { inner, columns } = shape;
  const scales = Float32Array.from({ length: columns }, (_, c) => largest(weight, c * inner, inner) / 127);
  const data = new Int8Array(weight.length);
  for (let c = 0; c < columns; c++) {
    for (let k = 0; k < inner; k++) data[k * columns + c] = Math.round(weight[c * inner + k] / scales[c]);
  }
  return graphOf(shape, { operator: 'DynamicQuantizeMatMul', domain: 'com.microsoft' }, [
    { name: 'weight', dims: [inner, columns], data },
    { name: 'scales', dims: [columns], data: scales },
  ]);
}

/** 4 bits in blocks of 32 along the inner axis: even steps around 8, the first of two in the low half of a byte. */
function matMulNBits(shape: ProjectionShape, { weight }: ProjectionInputs): Graph {
  const { inner, columns } = shape;
  const block = 32;
  const blocks = inner / block;
  const scales = Float32Array.from(
    { length: columns * blocks },
    (_, i) => largest(weight, i * block, block) / 7,
  );
  const level = (i: number) => 8 + Math.round(weight[i] / scales[Math.floor(i / block)]);
  const data = Uint8Array.from(
    { length: weight.length / 2 },
    (_, i) => level(2 * i) | (level(2 * i + 1) << 4),
  );
  const attributes = { K: inner, N: columns, bits: 4, block_size: block, accuracy_level: 4 };
  return graphOf(shape, { operator: 'MatMulNBits', domain: 'com.microsoft', attributes }, [
    { name: 'weight', dims: [columns, blocks, block / 2], data },
    { name: 'scales', dims: [columns * blocks], data: scales },
  ]);
}
