/** A linear map: heed with a packed weight, the others with a weight declared constant. */
import { chooseBackend } from '../../lib/backends/choose.js';
import { packWeight, project, Tensor } from '../../lib/index.js';
import { PackedWeight } from '../../lib/projection/packed-weight.js';
import { quantiseWeight } from '../../lib/projection/quantise-weight.js';
import { bytesBeyondCaches } from '../limits.js';
import { productOperators } from '../peers/onnx-projection.js';
import { onnxruntime } from '../peers/onnxruntime.js';
import { openBlas } from '../peers/openblas.js';
import type { Random } from '../random.js';
import type { Contest, Contestant } from '../row.js';
import { threads } from '../threads.js';
import type { ProjectionInputs, ProjectionShape } from './projection-shape.js';

function isQuantised(type: string | undefined): type is 'int8' | 'int4' {
  return type === 'int8' || type === 'int4';
}

/** As many weights as turns take one after the other. */
function several<Weight>({ cold }: ProjectionShape, bytes: number, make: () => Weight): Weight[] {
  return Array.from({ length: cold ? Math.ceil(bytesBeyondCaches / bytes) : 1 }, make);
}

/** Each call returns another copy of the weight. Rounding it takes seconds, and is done once. */
function packer({ inner, columns, weightType }: ProjectionShape, data: Float32Array): () => PackedWeight {
  if (!isQuantised(weightType)) {
    const weight = new Tensor(data, [columns, inner]).cast(weightType ?? 'float32');
    return () => packWeight(weight);
  }
  const given = { name: 'weight', data, type: 'float32' as const, columns, inner };
  const rounded = quantiseWeight(given, weightType);
  return () => PackedWeight.pack(chooseBackend(undefined, 'float32', 'cpu'), rounded);
}

function heed(shape: ProjectionShape, inputs: ProjectionInputs): Contestant {
  const { rows, inner, columns, inputType = 'float32' } = shape;
  const pack = packer(shape, inputs.weight);
  const first = pack();
  const weights = [first, ...several(shape, first.byteLength, pack).slice(1)];
  const input = new Tensor(inputs.input, [rows, inner]).cast(inputType);
  const out = Tensor.zeros(inputType, [rows, columns]);
  return {
    run: (turn) => project(input, weights[turn % weights.length], undefined, { out }),
    result: () => out.cast('float32').data as Float32Array,
    dispose: () => {
      for (const packed of weights) packed.dispose();
    },
  };
}

/** Sessions with the same weight, each in memory of its own. */
async function onnxProjection(
  shape: ProjectionShape,
  inputs: ProjectionInputs,
  operator: keyof typeof productOperators,
): Promise<Contestant> {
  const graph = productOperators[operator](shape, inputs);
  const bytes = (graph.constants ?? []).reduce((sum, { data }) => sum + data.byteLength, 0);
  const memory = { input: inputs.input, output: new Float32Array(shape.rows * shape.columns) };
  const sessions = await Promise.all(
    several(shape, bytes, () => onnxruntime(graph, [memory], threads, 'output')),
  );
  return {
    ...sessions[0],
    run: (turn) => sessions[turn % sessions.length].run(turn),
    dispose: async () => {
      for (const session of sessions) await session.dispose?.();
    },
  };
}

export function projectionContest(shape: ProjectionShape, random: Random): Contest {
  const { rows, inner, columns, weightType = 'float32', inputType = 'float32' } = shape;
  const drawn = new Tensor(random.floats(columns * inner, 1 / Math.sqrt(inner)), [columns, inner]);
  const inputs = {
    input: new Tensor(random.floats(rows * inner), [rows, inner]).cast(inputType).cast('float32')
      .data as Float32Array,
    weight: drawn.cast(isQuantised(weightType) ? 'float32' : weightType).cast('float32').data as Float32Array,
  };
  return {
    heed: heed(shape, inputs),
    opponent: async (peer) => {
      if (peer === 'OpenBLAS') return await openBlas(shape, inputs, threads);
      return peer in productOperators
        ? await onnxProjection(shape, inputs, peer as keyof typeof productOperators)
        : undefined;
    },
  };
}
