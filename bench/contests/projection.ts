/** A linear map: heed with a packed weight, the others with a weight declared constant. */
import { packWeight, project, Tensor } from '../../lib/index.js';
import { onnxruntime } from '../peers/onnxruntime.js';
import { openBlas } from '../peers/openblas.js';
import type { Random } from '../random.js';
import type { Contest, Contestant } from '../row.js';
import { threads } from '../threads.js';
import type { ProjectionInputs, ProjectionShape } from './projection-shape.js';
import { transposed } from './transposed.js';

function heed(
  { rows, inner, columns, weightType, inputType = 'float32' }: ProjectionShape,
  inputs: ProjectionInputs,
): Contestant {
  const weight = new Tensor(inputs.weight, [columns, inner]);
  const packed = packWeight(weight.cast(weightType ?? 'float32'));
  const input = new Tensor(inputs.input, [rows, inner]).cast(inputType);
  const out = Tensor.zeros(inputType, [rows, columns]);
  return {
    run: () => project(input, packed, undefined, { out }),
    result: () => out.cast('float32').data as Float32Array,
    dispose: () => packed.dispose(),
  };
}

function onnxMatMul({ rows, inner, columns }: ProjectionShape, { input, weight }: ProjectionInputs) {
  const graph = {
    nodes: [{ operator: 'MatMul', domain: '' as const, inputs: ['input', 'weight'], outputs: ['output'] }],
    inputs: [{ name: 'input', type: 'float32' as const, dims: [rows, inner] }],
    outputs: [{ name: 'output', type: 'float32' as const, dims: [rows, columns] }],
    constants: [{ name: 'weight', dims: [inner, columns], data: transposed(weight, columns, inner) }],
  };
  const output = new Float32Array(rows * columns);
  return onnxruntime(graph, [{ input, output }], threads, 'output');
}

export function projectionContest(shape: ProjectionShape, random: Random): Contest {
  const { rows, inner, columns, weightType = 'float32', inputType = 'float32' } = shape;
  const drawn = new Tensor(random.floats(columns * inner, 1 / Math.sqrt(inner)), [columns, inner]);
  const inputs = {
    input: new Tensor(random.floats(rows * inner), [rows, inner]).cast(inputType).cast('float32')
      .data as Float32Array,
    weight: drawn.cast(weightType).cast('float32').data as Float32Array,
  };
  return {
    heed: heed(shape, inputs),
    opponent: async (peer) => {
      if (peer === 'OpenBLAS') return await openBlas(shape, inputs, threads);
      return peer === 'onnxruntime MatMul' ? await onnxMatMul(shape, inputs) : undefined;
    },
  };
}
