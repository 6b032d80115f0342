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
