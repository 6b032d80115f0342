/** Decoding many answers to one prompt: the common prefix is read once. */
import { type ForkedShape, forkedContest } from '../contests/caches.js';
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

const common = { entries: 32, keyHeads: 8, width: 128, prefix: 4096, own: 256 };

export const cacheRows: readonly Row[] = [
  forkedRow('decode 32 × H8 D128, 4096 of 4352 keys shared', { ...common, heads: 8 }, 3),
  forkedRow('decode 32 × 32/8 D128, 4096 of 4352 keys shared', { ...common, heads: 32 }),
];
