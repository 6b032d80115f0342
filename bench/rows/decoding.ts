/**
 * One query and a cache of keys and values, as when a model writes one word after the other: limited by
 * reading, or by multiply-adds where several query heads share what is read.
 */
import { attentionContest } from '../contests/attention.js';
import { type AttentionShape, keyValueBytes, operations } from '../contests/attention-shape.js';
import type { Opponent, Row } from '../row.js';

export function decodingRow(
  name: string,
  shape: AttentionShape,
  opponents: readonly Opponent[],
  more: Partial<Row>,
): Row {
  return {
    name: `${name}, ${shape.cold ? 'from memory' : 'from cache'}`,
    section: 'Decoding',
    work: [
      { limit: shape.cold ? 'reading from memory' : 'reading from cache', bytes: keyValueBytes(shape) },
      { limit: 'multiply-adds', operations: operations(shape) },
    ],
    opponents,
    tolerance: 1e-5,
    contest: (random) => attentionContest(shape, random),
    ...more,
  };
}

const grouped = (keys: number): AttentionShape => ({ heads: 32, keyHeads: 8, queries: 1, keys, width: 128 });
const single: AttentionShape = { heads: 12, keyHeads: 12, queries: 1, keys: 2048, width: 64 };
const both: readonly Opponent[] = [
  { peer: 'onnxruntime Attention', bar: 2.5 },
  { peer: 'onnxruntime GroupQueryAttention', bar: 3.5 },
];
const long: readonly Opponent[] = [
  { peer: 'onnxruntime Attention', bar: 2.5 },
  { peer: 'onnxruntime GroupQueryAttention', bar: 4.5 },
];

export const decodingRows: readonly Row[] = [false, true].flatMap((cold) => {
  const more = { limitBar: cold ? 0.75 : 0.6 };
  return [
    decodingRow('decode 32/8 D128, 2048 keys', { ...grouped(2048), cold }, both, more),
    decodingRow('decode 32/8 D128, 8192 keys', { ...grouped(8192), cold }, long, more),
    decodingRow(
      'decode H12 D64, 2048 keys',
      { ...single, cold },
      [
        { peer: 'onnxruntime Attention', bar: 1.2 },
        { peer: 'onnxruntime GroupQueryAttention', bar: 1.2 },
      ],
      more,
    ),
  ];
});
