/** Linear maps, and layers made of them. */
import { layerContest } from '../contests/layer.js';
import { projectionContest } from '../contests/projection.js';
import type { Row } from '../row.js';

const inner = 768;
const columns = 2304;

interface Case {
  readonly rows: number;
  readonly bar: number;
  readonly limitBar?: number;
  readonly weightType?: 'bfloat16' | 'int8' | 'int4';
}

const projections: readonly Case[] = [
  { rows: 1, bar: 1.1 },
  { rows: 8, bar: 1.3 },
  { rows: 128, bar: 1.08, limitBar: 0.95 },
  { rows: 512, bar: 1.08 },
  { rows: 1, bar: 2.3, weightType: 'bfloat16' },
  { rows: 1, bar: 3.3, weightType: 'int8' },
  { rows: 128, bar: 3, weightType: 'int8' },
  { rows: 512, bar: 3, weightType: 'int8' },
  { rows: 1, bar: 5, weightType: 'int4' },
];

/** Of a weight, with the scales of int4. */
const bytesPerElement = { float32: 4, bfloat16: 2, int8: 1, int4: 0.5 + 4 / 32 };
/** What weights are rounded to is off by as much. */
const tolerances = { float32: 1e-5, bfloat16: 1e-5, int8: 0.015, int4: 0.08 };

export const projectionRows: readonly Row[] = projections.map(({ rows, bar, limitBar, weightType }) => ({
  name: `project ${rows} × ${inner} × ${columns}${weightType ? `, ${weightType} weight` : ''}`,
  section: 'Projections',
  // With one row, every weight is read for a single multiplication. The limit of integers is not measured.
  ...(rows === 1
    ? {
        work: {
          limit: 'reading from cache',
          bytes: inner * columns * bytesPerElement[weightType ?? 'float32'],
        },
      }
    : weightType === undefined && {
        work: { limit: 'multiply-adds', operations: 2 * rows * inner * columns },
      }),
  ...(limitBar !== undefined && { limitBar }),
  opponents: [{ peer: 'onnxruntime MatMul', bar }, ...(weightType ? [] : [{ peer: 'OpenBLAS' as const }])],
  tolerance: tolerances[weightType ?? 'float32'],
  contest: (random) => projectionContest({ rows, inner, columns, ...(weightType && { weightType }) }, random),
}));

const embed = 768;
const heads = 12;

const layers = [
  { batch: 1, steps: 128, bar: 1.6 },
  { batch: 8, steps: 128, bar: 1.5 },
  { batch: 1, steps: 512, bar: 2.2 },
  { batch: 1, steps: 1024, bar: 2.5, causal: true },
];

export const layerRows: readonly Row[] = layers.map(({ bar, ...shape }) => {
  const { batch, steps, causal } = shape;
  const pairs = causal ? (steps * (steps + 1)) / 2 : steps * steps;
  return {
    name: `layer E${embed} H${heads}, ${batch} × ${steps}${causal ? ', causal' : ''}`,
    section: 'Layers',
    // Four linear maps, and attention in all heads.
    work: {
      limit: 'multiply-adds',
      operations: batch * (2 * steps * 4 * embed * embed + 4 * embed * pairs),
    },
    limitBar: 0.88,
    opponents: [{ peer: 'onnxruntime layer', bar }],
    tolerance: 1e-5,
    contest: (random) => layerContest({ ...shape, embed, heads }, random),
  };
});
