/**
 * float16 and bfloat16, which are storage types with float32 sums, against heed's own float32; and bfloat16 where a
 * processor multiplies it.
 */
import type { FloatType } from '../../lib/index.js';
import { type AttentionShape, operations } from '../contests/attention-shape.js';
import type { Row } from '../row.js';
import { attentionRow } from './attention.js';
import { decodingRow } from './decoding.js';

const section = 'Half precision';
/** The error of rounding the output to the type, with a margin. */
const tolerances = { float16: 2e-3, bfloat16: 1e-2 } as const;

const sequence = { heads: 12, keyHeads: 12, queries: 512, keys: 512, width: 64 };
const long = { heads: 8, keyHeads: 8, queries: 2048, keys: 2048, width: 128 };
const cache = { heads: 32, keyHeads: 8, queries: 1, keys: 8192, width: 128, cold: true };

function halfRows(type: keyof typeof tolerances & FloatType): Row[] {
  const more = { section, tolerance: tolerances[type] };
  const row = (name: string, shape: AttentionShape) =>
    attentionRow(`${name}, ${type}`, { ...shape, type }, [{ peer: 'heed float32', bar: 0.95 }], more);
  return [
    row('dense H12 S512 D64', sequence),
    row('causal H12 S512 D64', { ...sequence, causal: true }),
    row('dense H8 S2048 D128', long),
    decodingRow(
      `decode 32/8 D128, 8192 keys, ${type}`,
      { ...cache, type },
      [{ peer: 'heed float32', bar: 1.8 }],
      more,
    ),
  ];
}

function productRow(name: string, shape: AttentionShape): Row {
  const opponents = [
    { peer: 'heed float32' as const, bar: 1.6 },
    { peer: 'onnxruntime Attention' as const, bar: 1.9 },
  ];
  return attentionRow(`${name}, products of bfloat16`, { ...shape, type: 'bfloat16' }, opponents, {
    section,
    needs: 'avx512bf16',
    work: [{ limit: 'products of bfloat16', operations: operations(shape) }],
    tolerance: tolerances.bfloat16,
  });
}

export const halfPrecisionRows: readonly Row[] = [
  ...halfRows('float16'),
  ...halfRows('bfloat16'),
  productRow('dense H12 S512 D64', sequence),
  productRow('dense H8 S2048 D128', long),
];
