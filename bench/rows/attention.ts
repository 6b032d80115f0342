/** Attention over whole sequences. */
import { attentionContest } from '../contests/attention.js';
import { type AttentionShape, operations } from '../contests/attention-shape.js';
import type { Opponent, Row } from '../row.js';

const section = 'Attention';
/** Both sum in float32. */
const tolerance = 1e-5;

export function attentionRow(
  name: string,
  shape: AttentionShape,
  opponents: readonly Opponent[],
  more: Partial<Row> = {},
): Row {
  return {
    name,
    section,
    // The work that a document mask leaves is known only after it is drawn.
    ...(shape.mask !== 'documents' && { work: [{ limit: 'multiply-adds', operations: operations(shape) }] }),
    opponents,
    tolerance,
    contest: (random) => attentionContest(shape, random),
    ...more,
  };
}

const heads = (count: number, steps: number, width: number) => ({
  heads: count,
  keyHeads: count,
  queries: steps,
  keys: steps,
  width,
});
const grouped = { heads: 32, keyHeads: 8, queries: 1024, keys: 1024, width: 128 };
const attention = (bar: number): Opponent => ({ peer: 'onnxruntime Attention', bar });
const unfused: Opponent = { peer: 'heed unfused', bar: 1 };

export const attentionRows: readonly Row[] = [
  attentionRow(
    'dense H12 S128 D64',
    heads(12, 128, 64),
    [attention(1.15), unfused, { peer: 'tfjs wasm' }, { peer: 'heed reference' }],
    { limitBar: 0.8 },
  ),
  attentionRow('dense H12 S512 D64', heads(12, 512, 64), [attention(1.25), unfused, { peer: 'tfjs wasm' }], {
    limitBar: 0.86,
  }),
  attentionRow('dense H8 S2048 D128', heads(8, 2048, 128), [attention(1.15), unfused], { limitBar: 0.86 }),
  attentionRow('causal H12 S512 D64', { ...heads(12, 512, 64), causal: true }, [attention(2), unfused], {
    limitBar: 0.8,
  }),
  attentionRow('causal H12 S2048 D64', { ...heads(12, 2048, 64), causal: true }, [attention(2.7), unfused], {
    limitBar: 0.8,
  }),
  attentionRow('causal 32/8 S1024 D128', { ...grouped, causal: true }, [attention(2.4), unfused], {
    limitBar: 0.8,
  }),
  attentionRow('document mask H12 S512 D64', { ...heads(12, 512, 64), mask: 'documents' }, [
    attention(3),
    unfused,
  ]),
  attentionRow('additive mask H12 S512 D64', { ...heads(12, 512, 64), mask: 'added' }, [
    attention(1.05),
    unfused,
  ]),
  attentionRow(
    'window 256 H12 S4096 D64, causal',
    { ...heads(12, 4096, 64), causal: true, window: { left: 256 } },
    [{ peer: 'heed without window', bar: 6, differs: true }, unfused],
  ),
  attentionRow('dense H12 S512 D64, AVX2', heads(12, 512, 64), [unfused], {
    limitBar: 0.76,
    instructionSet: 'avx2',
  }),
];
