/** Linear maps, and layers made of them; in bfloat16 where a processor multiplies that. */
import { layerContest } from '../contests/layer.js';
import { projectionContest } from '../contests/projection.js';
import type { Opponent, Row } from '../row.js';

const inner = 768;
const columns = 2304;

interface Case {
  readonly rows: number;
  /** Of a weight other than inner × columns. */
  readonly square?: number;
  /** The weight comes from memory. */
  readonly cold?: boolean;
  readonly bar: number;
  readonly limitBar?: number;
  readonly weightType?: 'bfloat16' | 'int8' | 'int4';
  readonly needs?: 'avx512vnni';
  readonly others?: readonly Opponent[];
}

/** Both round, each in its own way. */
const dynamic: Opponent = { peer: 'onnxruntime DynamicQuantizeMatMul', bar: 1.15, tolerance: 0.03 };
const fourBits: Opponent = { peer: 'onnxruntime MatMulNBits', bar: 1.2, tolerance: 0.15 };

const ofOneRow = (square?: number): Case[] => {
  const shape = { rows: 1, cold: true, ...(square && { square }) };
  return [
    { ...shape, bar: 1 },
    { ...shape, bar: 1.9, weightType: 'bfloat16' },
    { ...shape, bar: 3.3, weightType: 'int8' },
    { ...shape, bar: 5, weightType: 'int4', others: [fourBits] },
  ];
};

const projections: readonly Case[] = [
  ...[1, 8, 16].map((rows) => ({ rows, bar: 1 })),
  { rows: 128, bar: 1, limitBar: 0.88 },
  { rows: 512, bar: 1, limitBar: 0.88 },
  ...[128, 512].map(
    (rows): Case => ({ rows, bar: 3, weightType: 'int8', needs: 'avx512vnni', others: [dynamic] }),
  ),
  ...ofOneRow(),
  ...ofOneRow(4096),
];

/** Of a weight, with the scales of int4. */
const bytesPerElement = { float32: 4, bfloat16: 2, int8: 1, int4: 0.5 + 4 / 32 };
/** What weights are rounded to is off by as much. */
const tolerances = { float32: 1e-5, bfloat16: 1e-5, int8: 0.015, int4: 0.08 };

function projectionRow({ rows, square, cold, bar, limitBar, weightType, needs, others = [] }: Case): Row {
  const shape = { rows, inner: square ?? inner, columns: square ?? columns, ...(cold && { cold }) };
  const elements = shape.inner * shape.columns;
  // With few rows, reading the weight may take longer. The limit of integers is not measured.
  const byIntegers = weightType === 'int8' || weightType === 'int4';
  const read = {
    limit: cold ? ('reading from memory' as const) : ('reading from cache' as const),
    bytes: elements * bytesPerElement[weightType ?? 'float32'],
  };
  const multiplied = { limit: 'multiply-adds' as const, operations: 2 * rows * elements };
  const openBlas: Opponent[] = weightType || cold ? [] : [{ peer: 'OpenBLAS' }];
  return {
    name: [
      `project ${rows} × ${shape.inner} × ${shape.columns}`,
      ...(weightType ? [`${weightType} weight`] : []),
      ...(cold ? ['from memory'] : []),
    ].join(', '),
    section: 'Projections',
    ...((rows === 1 || !byIntegers) && { work: byIntegers ? [read] : [read, multiplied] }),
    ...(limitBar !== undefined && { limitBar }),
    ...(needs && { needs }),
    opponents: [{ peer: 'onnxruntime MatMul', bar }, ...others, ...openBlas],
    tolerance: tolerances[weightType ?? 'float32'],
    contest: (random) => projectionContest({ ...shape, ...(weightType && { weightType }) }, random),
  };
}

export const projectionRows: readonly Row[] = projections.map(projectionRow);

/** Against float32: rounding the inputs, the weights and the output takes a part of this. */
const toleranceOfBfloat16 = 1e-2;

export const bfloat16ProjectionRows: readonly Row[] = [128, 512].map((rows) => ({
  name: `project ${rows} × ${inner} × ${columns}, bfloat16`,
  section: 'Projections',
  needs: 'avx512bf16',
  work: [{ limit: 'products of bfloat16', operations: 2 * rows * inner * columns }],
  opponents: [{ peer: 'onnxruntime MatMul', bar: 1.8 }],
  tolerance: toleranceOfBfloat16,
  contest: (random) =>
    projectionContest({ rows, inner, columns, weightType: 'bfloat16', inputType: 'bfloat16' }, random),
}));

const embed = 768;
const heads = 12;

const layers = [
  { batch: 1, steps: 128, bar: 1.02 },
  { batch: 8, steps: 128, bar: 1.02 },
  { batch: 1, steps: 512, bar: 1.02 },
  { batch: 1, steps: 1024, bar: 1.35, causal: true },
];

/** Four linear maps, and attention in all heads. */
function operationsOf({ batch, steps, causal }: { batch: number; steps: number; causal?: boolean }): number {
  const pairs = causal ? (steps * (steps + 1)) / 2 : steps * steps;
  return batch * (2 * steps * 4 * embed * embed + 4 * embed * pairs);
}

const withoutMask = [
  { batch: 1, steps: 128 },
  { batch: 8, steps: 128 },
  { batch: 1, steps: 512 },
];

export const bfloat16LayerRows: readonly Row[] = withoutMask.map((shape) => ({
  name: `layer E${embed} H${heads}, ${shape.batch} × ${shape.steps}, bfloat16`,
  section: 'Layers',
  needs: 'avx512bf16',
  work: [{ limit: 'products of bfloat16', operations: operationsOf(shape) }],
  opponents: [{ peer: 'onnxruntime layer', bar: 1.7 }],
  tolerance: toleranceOfBfloat16,
  contest: (random) => layerContest({ ...shape, embed, heads, type: 'bfloat16' }, random),
}));

/** Two products, and scores of rounded queries and keys. */
const toleranceOfInt8Layer = 0.03;

export const int8LayerRows: readonly Row[] = withoutMask.map((shape) => ({
  name: `layer E${embed} H${heads}, ${shape.batch} × ${shape.steps}, int8 weights`,
  section: 'Layers',
  needs: 'avx512vnni',
  opponents: [{ peer: 'onnxruntime layer', bar: 2 }],
  tolerance: toleranceOfInt8Layer,
  contest: (random) => layerContest({ ...shape, embed, heads, weights: 'int8' }, random),
}));

export const layerRows: readonly Row[] = layers.map(({ bar, ...shape }) => {
  const { batch, steps, causal } = shape;
  return {
    name: `layer E${embed} H${heads}, ${batch} × ${steps}${causal ? ', causal' : ''}`,
    section: 'Layers',
    work: [{ limit: 'multiply-adds', operations: operationsOf(shape) }],
    limitBar: 0.88,
    opponents: [{ peer: 'onnxruntime layer', bar }],
    tolerance: 1e-5,
    contest: (random) => layerContest({ ...shape, embed, heads }, random),
  };
});
