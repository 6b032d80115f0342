/** Decoding over caches of int8, and many answers to one prompt, whose common prefix is read once. */

import { operations } from '../contests/attention-shape.js';
import { type ForkedShape, forkedContest, int8Bytes, int8Contest } from '../contests/caches.js';
import type { Row } from '../row.js';

function forkedRow(name: string, shape: ForkedShape, bar?: number): Row {
  return {
    name,
    section: 'Decoding',
    opponents: [{ peer: 'heed without sharing', ...(bar !== undefined && { bar }) }],
    tolerance: 1e-5,
    contest: (random) => forkedContest(shape, random),
  };
}

const long = { heads: 32, keyHeads: 8, keys: 8192, width: 128 };
/** Of rounding keys and values. */
const toleranceOfInt8 = 0.02;

const int8Row: Row = {
  name: 'decode 32/8 D128, 8192 keys, int8, from memory',
  section: 'Decoding',
  work: [
    { limit: 'reading from memory', bytes: int8Bytes(long) },
    { limit: 'multiply-adds', operations: operations({ ...long, queries: 1 }) },
  ],
  opponents: [{ peer: 'heed float32', bar: 3 }],
  tolerance: toleranceOfInt8,
  contest: (random) => int8Contest(long, random),
};

const common = { entries: 32, keyHeads: 8, width: 128, prefix: 4096, own: 256 };

export const cacheRows: readonly Row[] = [
  int8Row,
  forkedRow('decode 32 × H8 D128, 4096 of 4352 keys shared', { ...common, heads: 8 }, 3),
  forkedRow('decode 32 × 32/8 D128, 4096 of 4352 keys shared', { ...common, heads: 32 }),
];
