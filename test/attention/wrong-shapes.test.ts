/** Tests shapes that do not match. */
import { describeRefusals, type Refusal, zeros } from '../support/refusals.js';

const shapes: readonly Refusal[] = [
  [
    'three axes',
    { query: zeros(8, 9, 16) },
    'HEED_SHAPE_MISMATCH',
    /query\.dims to have 4 axes, \[batch, heads, steps, width\], received \[8, 9, 16\]/,
  ],
  [
    'three axes of bshd',
    { layout: 'bshd', query: zeros(8, 9, 16) },
    'HEED_SHAPE_MISMATCH',
    /\[batch, steps, heads, width\]/,
  ],
  [
    'another batch of keys',
    { key: zeros(3, 2, 13, 16) },
    'HEED_SHAPE_MISMATCH',
    /key\.dims\[0\] to equal query\.dims\[0\] \(2\), received 3/,
  ],
  [
    'another batch of values',
    { value: zeros(1, 2, 13, 5) },
    'HEED_SHAPE_MISMATCH',
    /value\.dims\[0\] to equal query\.dims\[0\] \(2\), received 1/,
  ],
  [
    'another width of keys',
    { key: zeros(2, 2, 13, 8) },
    'HEED_SHAPE_MISMATCH',
    /^Expected key\.dims\[3\] to equal query\.dims\[3\] \(16\), received 8$/,
  ],
  [
    'other heads of values',
    { value: zeros(2, 4, 13, 5) },
    'HEED_SHAPE_MISMATCH',
    /value\.dims\[1\] to equal key\.dims\[1\] \(2\), received 4/,
  ],
  [
    'other steps of values',
    { value: zeros(2, 2, 12, 5) },
    'HEED_SHAPE_MISMATCH',
    /value\.dims\[2\] to equal key\.dims\[2\] \(13\), received 12/,
  ],
  [
    'heads that do not divide',
    { key: zeros(2, 3, 13, 16), value: zeros(2, 3, 13, 5) },
    'HEED_SHAPE_MISMATCH',
    /query\.dims\[1\] to be a multiple of key\.dims\[1\] \(3\), received 4/,
  ],
  [
    'more key heads than heads',
    { key: zeros(2, 8, 13, 16), value: zeros(2, 8, 13, 5) },
    'HEED_SHAPE_MISMATCH',
    /multiple of key\.dims\[1\] \(8\)/,
  ],
  [
    'no key heads',
    { key: zeros(2, 0, 13, 16), value: zeros(2, 0, 13, 5) },
    'HEED_INVALID_DIMS',
    /key\.dims\[1\] to be at least 1/,
  ],
  [
    'heads beyond counting',
    { query: zeros(2, 2 ** 32 + 2, 0, 16) },
    'HEED_INVALID_DIMS',
    /query\.dims\[1\] to be at most 2147483647, received 4294967298/,
  ],
  ['no heads', { query: zeros(2, 0, 9, 16) }, 'HEED_SHAPE_MISMATCH', /query\.dims\[1\].*received 0/],
  [
    'width 0',
    { query: zeros(2, 4, 9, 0), key: zeros(2, 2, 13, 0) },
    'HEED_INVALID_DIMS',
    /query\.dims\[3\] to be from 1 to 576, received 0/,
  ],
  [
    'width 577',
    { query: zeros(2, 4, 9, 577), key: zeros(2, 2, 13, 577) },
    'HEED_INVALID_DIMS',
    /received 577/,
  ],
  [
    'value width 0',
    { value: zeros(2, 2, 13, 0) },
    'HEED_INVALID_DIMS',
    /value\.dims\[3\] to be from 1 to 576, received 0/,
  ],
  ['value width 577', { value: zeros(2, 2, 13, 577) }, 'HEED_INVALID_DIMS', /value\.dims\[3\]/],
];

describeRefusals('attention refuses shapes:', shapes);
