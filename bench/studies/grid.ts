/**
 * Compares fused with unfused attention for random shapes, options and types: fusing must never be slower.
 */
import { type AttentionOptions, attentionSync, type FloatType, Tensor } from '../../lib/index.js';
import { duel } from '../duel.js';
import { unfusedAttention } from '../peers/unfused.js';
import { Random } from '../random.js';
import type { Contestant } from '../row.js';

export interface Cell {
  readonly what: string;
  /** Median times in milliseconds. */
  readonly fused: number;
  readonly unfused: number;
  /** unfused / fused. */
  readonly ratio: number;
}

export interface GridResult {
  readonly threads: number;
  /** The worst cells first. */
  readonly cells: readonly Cell[];
}

export const cellCount = 200;
/** The number of score products that takes about ten milliseconds. */
const mostWork = 3e8;
const seconds = 0.1;
/** Measured ratios of two equal functions differ by up to this factor. */
export const noSlower = 0.97;
/** Cells that seem slower are measured again, for longer. */
const suspicious = 1.1;
const secondsOnSuspicion = 1;

interface Case {
  readonly what: string;
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly options: AttentionOptions & { readonly out: Tensor };
}

function shapeOf(random: Random) {
  // Draws lengths on a logarithmic scale, with as many short ones as long ones.
  const steps = (most: number) => Math.round(most ** random.next());
  for (;;) {
    const shape = {
      batch: random.integer(1, 4),
      keyHeads: random.pick([1, 2, 4, 8, 12]),
      group: random.pick([1, 1, 2, 4, 8]),
      queries: random.pick([1, steps(2048)]),
      keys: steps(8192),
      width: random.pick([8, 16, 32, 40, 64, 64, 80, 96, 128, 128, 256]),
    };
    const { batch, keyHeads, group, queries, keys, width } = shape;
    if (batch * keyHeads * group * queries * keys * width <= mostWork) return shape;
  }
}

type Shape = ReturnType<typeof shapeOf>;

function maskOf(kind: string, { queries, keys }: Shape, random: Random): AttentionOptions {
  const dims = [1, 1, queries, keys];
  if (kind === 'additive mask') return { mask: new Tensor(random.floats(queries * keys), dims) };
  const share = kind === 'sparse bool mask' ? 0.1 : 0.9;
  return {
    mask: new Tensor(
      Uint8Array.from({ length: queries * keys }, () => (random.next() < share ? 1 : 0)),
      dims,
    ),
  };
}

/** Up to three options, and their names. */
function optionsOf(shape: Shape, random: Random): readonly [string, AttentionOptions][] {
  const heads = shape.keyHeads * shape.group;
  const perHead = (low: number) => Float64Array.from({ length: heads }, () => low + random.next());
  const some = <Value>(value: Value, probability: number): Value[] =>
    random.next() < probability ? [value] : [];
  const left = random.integer(0, shape.keys);
  const mask = random.pick(['sparse bool mask', 'dense bool mask', 'additive mask']);
  return [
    ...some<[string, AttentionOptions]>(['causal', { causal: true }], 0.4),
    ...some<[string, AttentionOptions]>([`window ${left}`, { window: { left } }], 0.15),
    ...some<[string, AttentionOptions]>([mask, maskOf(mask, shape, random)], 0.3),
    ...some<[string, AttentionOptions]>(['softcap', { softcap: 20 }], 0.15),
    ...some<[string, AttentionOptions]>(['ALiBi', { alibiSlopes: perHead(0) }], 0.15),
    ...some<[string, AttentionOptions]>(['sinks', { sinks: perHead(-1) }], 0.1),
  ];
}

function draw(random: Random): Case {
  const shape = shapeOf(random);
  const { batch, keyHeads, group, queries, keys, width } = shape;
  const type = random.pick<FloatType>(['float32', 'float32', 'float16', 'bfloat16']);
  const tensor = (heads: number, steps: number) =>
    new Tensor(random.floats(batch * heads * steps * width), [batch, heads, steps, width]).cast(type);
  const options = optionsOf(shape, random);
  const query = tensor(keyHeads * group, queries);
  return {
    what: [
      `B${batch} H${keyHeads * group}/${keyHeads} ${queries} × ${keys} D${width} ${type}`,
      ...options.map(([name]) => name),
    ].join(', '),
    query,
    key: tensor(keyHeads, keys),
    value: tensor(keyHeads, keys),
    options: Object.assign({ out: Tensor.zeros(type, query.dims) }, ...options.map(([, values]) => values)),
  };
}

/** Synchronous, so that the cost of handing work over hides no difference. */
async function measureCell({ what, query, key, value, options }: Case): Promise<Cell> {
  const result = () => options.out.data as Float32Array;
  const fused: Contestant = { run: () => attentionSync(query, key, value, options), result };
  const unfused = unfusedAttention([{ query, key, value, options }]);
  let found = await duel(fused, unfused, seconds);
  if (found.ratio < suspicious) found = await duel(fused, unfused, secondsOnSuspicion);
  return { what, fused: found.heed.median, unfused: found.peer.median, ratio: found.ratio };
}

/** @param onCell called with a description of the next measurement */
export async function measureGrid(
  seed: string,
  threads: number,
  onCell: (label: string) => void,
): Promise<GridResult> {
  const random = new Random(seed, 'grid');
  const cells: Cell[] = [];
  for (let i = 0; i < cellCount; i++) {
    const drawn = draw(random);
    onCell(`${i + 1} of ${cellCount}: ${drawn.what}`);
    cells.push(await measureCell(drawn));
  }
  return { threads, cells: cells.sort((a, b) => a.ratio - b.ratio) };
}
