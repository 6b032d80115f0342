/**
 * Random attention cases: shapes, options, layouts, types and offsets in memory, drawn by fast-check so that
 * failures shrink.
 */
import fc from 'fast-check';
import type { Selection } from '../../lib/attention/options.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType, TypedArray } from '../../lib/tensor/types.js';
import { dimsOf, withOneReading } from '../support/attention.js';
import { emulatedOnly, type TestedBackend } from '../support/backends.js';
import type { OracleOptions } from '../support/oracle.js';
import { Random } from '../support/random.js';
import { randomScore, type ScoreName, scoreNames } from '../support/random-score.js';

export interface AttentionCase {
  readonly type: FloatType;
  readonly layout: 'bhsd' | 'bshd';
  readonly batch: number;
  readonly keyHeads: number;
  readonly group: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
  readonly valueWidth: number;
  readonly score: ScoreName;
  /** Score weights per head, not shared by all heads. */
  readonly ownWeights: boolean;
  readonly select: 'soft' | 'hard' | 'drawn' | 'local';
  readonly scale: number | undefined;
  readonly softcap: number;
  readonly causal: boolean;
  readonly window: { readonly left?: number; readonly right?: number };
  readonly offset: number | undefined;
  readonly lengths: boolean;
  /** Self attention over sequences that are padded at their ends. */
  readonly padded: boolean;
  readonly mask: 'none' | 'bool' | 'float32' | 'float16' | 'bfloat16';
  /** Which axes of a mask broadcast, and how many leading axes it omits. */
  readonly broadcast: readonly [boolean, boolean, boolean, boolean];
  readonly missingAxes: number;
  readonly alibi: boolean;
  readonly alibiDistance: 'signed' | 'absolute';
  /** Slopes of each batch entry. */
  readonly ownSlopes: boolean;
  readonly sinks: boolean;
  /** Elements before each operand in a larger buffer. */
  readonly shift: number;
  readonly seed: number;
}

const steps = (small: number, large: number) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 0, max: small }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: large }) },
  );

const widths = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 40 }) },
  { weight: 2, arbitrary: fc.constantFrom(8, 16, 32, 40, 64, 80, 96, 128) },
  { weight: 1, arbitrary: fc.constantFrom(127, 160, 192, 256, 257, 512) },
);

const reach = fc.option(fc.integer({ min: 0, max: 60 }), { nil: undefined });

/** Omits unbounded sides. */
const windows = fc.record({ left: reach, right: reach }).map(({ left, right }) => ({
  ...(left !== undefined && { left }),
  ...(right !== undefined && { right }),
}));

export const attentionCases: fc.Arbitrary<AttentionCase> = fc.record({
  type: fc.constantFrom<FloatType>('float32', 'float32', 'float16', 'bfloat16'),
  layout: fc.constantFrom('bhsd', 'bshd'),
  batch: fc.integer({ min: 0, max: 3 }),
  keyHeads: fc.integer({ min: 1, max: 3 }),
  group: fc.integer({ min: 1, max: 4 }),
  queries: steps(9, 70),
  keys: steps(40, 300),
  width: widths,
  valueWidth: widths,
  score: fc.constantFrom('scaled-dot', 'scaled-dot', ...scoreNames),
  ownWeights: fc.boolean(),
  select: fc.constantFrom('soft', 'soft', 'soft', 'hard', 'drawn', 'local'),
  scale: fc.option(fc.double({ min: -0.5, max: 0.5, noNaN: true }), { nil: undefined }),
  softcap: fc.constantFrom(0, 0, 0, 1, 20),
  causal: fc.boolean(),
  window: windows,
  offset: fc.option(fc.integer({ min: -20, max: 80 }), { nil: undefined }),
  lengths: fc.boolean(),
  padded: fc.constant(false),
  mask: fc.constantFrom('none', 'none', 'bool', 'float32', 'float16', 'bfloat16'),
  broadcast: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()),
  missingAxes: fc.integer({ min: 0, max: 3 }),
  alibi: fc.boolean(),
  alibiDistance: fc.constantFrom('signed', 'absolute'),
  ownSlopes: fc.boolean(),
  sinks: fc.boolean(),
  shift: fc.integer({ min: 0, max: 19 }),
  seed: fc.nat(),
});

/** As many keys as queries, of which only the first count. */
export const paddedCases = attentionCases.map((each) => ({
  ...each,
  keys: each.queries,
  offset: undefined,
  lengths: false,
  padded: true,
}));

/** The same elements after `shift` others, with as many after them; all of the others are NaN. */
export function shifted(tensor: Tensor, shift: number): Tensor {
  const { data } = tensor;
  const View = data.constructor as new (
    buffer: ArrayBuffer,
    byteOffset: number,
    length: number,
  ) => TypedArray;
  const margin = shift * data.BYTES_PER_ELEMENT;
  const bytes = new Uint8Array(margin + data.byteLength + margin).fill(0xff);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), margin);
  return new Tensor(tensor.type, new View(bytes.buffer, margin, data.length), tensor.dims);
}

function drawMask(random: Random, each: AttentionCase): Tensor | undefined {
  const { mask, batch, keyHeads, group, queries, keys } = each;
  if (mask === 'none') return undefined;
  const target = [batch, keyHeads * group, queries, keys];
  const drawn = target.map((length, axis) => (each.broadcast[axis] ? 1 : length)).slice(each.missingAxes);
  const dims = withOneReading(drawn, target);
  if (mask === 'bool') return random.mask(dims, 0.6);
  const added = random.tensor(mask, dims);
  // −∞ has the largest exponent of each format and no fraction.
  const excluded = { float32: -Infinity, float16: 0xfc00, bfloat16: 0xff80 }[mask];
  for (let i = 0; i < added.size; i++) if (random.chance(0.2)) added.data[i] = excluded;
  return added;
}

function drawSelection(
  random: Random,
  { select, keyHeads, group, queries, keys, seed }: AttentionCase,
): Selection {
  if (select === 'drawn') return { type: 'hard', seed };
  if (select !== 'local') return select;
  const centers = random.tensor('float32', [keyHeads * group, queries], keys / 3);
  return { type: 'local', centers, halfWidth: random.uniform(0.3, 20) };
}

export interface DrawnCase {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly options: OracleOptions;
}

/** Operands of ordinary magnitude, the options, and dims that follow from the layout. */
export function draw(each: AttentionCase): DrawnCase {
  const random = new Random(`case ${each.seed}`);
  const { type, layout, batch, keyHeads, group, queries, keys, width, valueWidth, shift } = each;
  const heads = keyHeads * group;
  const operand = (count: number, length: number, size: number) =>
    shifted(random.tensor(type, dimsOf(layout, batch, count, length, size)), shift);
  const mask = drawMask(random, each);
  const scored = { heads, keyHeads, width, keyWidth: width, keys, type, perHead: each.ownWeights };
  const score = randomScore(random, each.score, scored, (weight) => shifted(weight, shift));
  const { scale = each.score === 'dot' ? 0.4 : undefined } = each;
  const perHead = (low: number, high: number) =>
    Array.from({ length: heads }, () => random.uniform(low, high));
  const counts = () => Array.from({ length: batch }, () => random.integer(0, keys));
  const options: OracleOptions = {
    layout,
    score,
    select: drawSelection(random, each),
    softcap: each.softcap,
    causal: each.causal,
    window: each.window,
    ...(scale !== undefined && { scale: scale / Math.sqrt(width / 4) }),
    ...(each.offset !== undefined && { queryOffset: each.offset }),
    ...(each.lengths && { kvLengths: counts() }),
    ...(each.padded && { lengths: counts() }),
    ...(mask && { mask: shifted(mask, shift) }),
    ...(each.alibi && {
      // Without entries there are no lists to tell whose slopes they are.
      alibiSlopes:
        each.ownSlopes && batch > 0 ? Array.from({ length: batch }, () => perHead(0, 0.3)) : perHead(0, 0.3),
      alibiDistance: each.alibiDistance,
    }),
    ...(each.sinks && { sinks: perHead(-2, 2) }),
  };
  return {
    query: operand(heads, queries, width),
    key: operand(keyHeads, keys, width),
    value: operand(keyHeads, keys, valueWidth),
    options,
  };
}

/** Removes scores and selections that depend on key positions. */
export function withoutPlaces(each: AttentionCase): AttentionCase {
  return { ...each, select: 'soft', score: each.score === 'location' ? 'scaled-dot' : each.score };
}

/** Removes the choice between keys, which rounding may decide. */
export function undecided(each: AttentionCase): AttentionCase {
  return each.select === 'hard' || each.select === 'drawn' ? { ...each, select: 'soft' } : each;
}

/** The nearest case that the backend supports; test/backends/cuda/refusals.test.ts tests what it rejects. */
export function possibleOn(backend: TestedBackend, each: AttentionCase): AttentionCase {
  if (backend !== 'cuda') return each;
  return {
    ...each,
    select: each.select === 'local' ? 'soft' : each.select,
    score: each.score === 'additive' || each.score === 'location' ? 'scaled-dot' : each.score,
  };
}

/** Sanitized code is slow, and an emulated GPU is slower; both find defects in few runs. */
const share = process.env.HEED_TEST_SANITIZED === '1' ? 0.3 : emulatedOnly ? 0.1 : 1;

/** Runs of a property, with the seed of the whole run. */
export const runs = (numRuns: number) => ({
  numRuns: Math.ceil(share * numRuns),
  seed: Number(process.env.HEED_TEST_SEED) | 0,
});

/** Fewer on the reference, which is slower, but shows defects in just as few runs. */
export const runsOn = (backend: TestedBackend) => runs(backend === 'reference' ? 40 : 80);
