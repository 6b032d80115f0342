/** Linear maps, and layers made of them; in bfloat16 where a processor multiplies that. */
import { layerContest } from '../contests/layer.js';
import { projectionContest } from '../contests/projection.js';
import type { Row } from '../row.js';

const inner = 768;
const columns = 2304;

interface Case {
  readonly rows: number;
  readonly bar: number;
  readonly limitBar?: number;
  readonly weightType?: 'bfloat16';
}

const projections: readonly Case[] = [
  { rows: 1, bar: 1.1 },
  { rows: 8, bar: 1.3 },
  { rows: 128, bar: 1.08, limitBar: 0.95 },
  { rows: 512, bar: 1.08 },
  { rows: 1, bar: 2.3, weightType: 'bfloat16' },
];

export const projectionRows: readonly Row[] = projections.map(({ rows, bar, limitBar, weightType }) => ({
  name: `project ${rows} × ${inner} × ${columns}${weightType ? `, ${weightType} weight` : ''}`,
  section: 'Projections',
  // With one row, every weight is read for a single multiplication.
  work:
    rows === 1
      ? { limit: 'reading from cache', bytes: inner * columns * (weightType ? 2 : 4) }
      : { limit: 'multiply-adds', operations: 2 * rows * inner * columns },
  ...(limitBar !== undefined && { limitBar }),
  opponents: [{ peer: 'onnxruntime MatMul', bar }, ...(weightType ? [] : [{ peer: 'OpenBLAS' as const }])],
  tolerance: 1e-5,
  contest: (random) => projectionContest({ rows, inner, columns, ...(weightType && { weightType }) }, random),
}));

/** Against float32: rounding the inputs, the weights and the output takes a part of this. */
const toleranceOfBfloat16 = 1e-2;

export const bfloat16ProjectionRows: readonly Row[] = [128, 512].map((rows) => ({
  name: `project ${rows} × ${inner} × ${columns}, bfloat16`,
  section: 'Projections',
  needs: 'avx512bf16',
  work: { limit: 'products of bfloat16', operations: 2 * rows * inner * columns },
  opponents: [{ peer: 'onnxruntime MatMul', bar: 1.8 }],
  tolerance: toleranceOfBfloat16,
  contest: (random) =>
    projectionContest({ rows, inner, columns, weightType: 'bfloat16', inputType: 'bfloat16' }, random),
}));

const embed = 768;
const heads = 12;

const layers = [
  { batch: 1, steps: 128, bar: 1.6 },
  { batch: 8, steps: 128, bar: 1.5 },
  { batch: 1, steps: 512, bar: 2.2 },
  { batch: 1, steps: 1024, bar: 2.5, causal: true },
];

/** Four linear maps, and attention in all heads. */
function operationsOf({ batch, steps, causal }: { batch: number; steps: number; causal?: boolean }): number {
  const pairs = causal ? (steps * (steps + 1)) / 2 : steps * steps;
  return batch * (2 * steps * 4 * embed * embed + 4 * embed * pairs);
}

export const bfloat16LayerRows: readonly Row[] = [
  { batch: 1, steps: 128 },
  { batch: 8, steps: 128 },
  { batch: 1, steps: 512 },
].map((shape) => ({
  name: `layer E${embed} H${heads}, ${shape.batch} × ${shape.steps}, bfloat16`,
  section: 'Layers',
  needs: 'avx512bf16',
  work: { limit: 'products of bfloat16', operations: operationsOf(shape) },
  opponents: [{ peer: 'onnxruntime layer', bar: 1.7 }],
  tolerance: toleranceOfBfloat16,
  contest: (random) => layerContest({ ...shape, embed, heads, type: 'bfloat16' }, random),
}));

export const layerRows: readonly Row[] = layers.map(({ bar, ...shape }) => {
  const { batch, steps, causal } = shape;
  return {
    name: `layer E${embed} H${heads}, ${batch} × ${steps}${causal ? ', causal' : ''}`,
    section: 'Layers',
    work: { limit: 'multiply-adds', operations: operationsOf(shape) },
    limitBar: 0.88,
    opponents: [{ peer: 'onnxruntime layer', bar }],
    tolerance: 1e-5,
    contest: (random) => layerContest({ ...shape, embed, heads }, random),
  };
});
