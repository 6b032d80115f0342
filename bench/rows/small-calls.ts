/**
 * Calls whose cost is dominated by call overhead. onnxruntime's calls block the event loop, like
 * attentionSync.
 */
import { smallCalls } from '../contests/small-calls.js';
import type { Row } from '../row.js';

export const smallCallSection = 'Small calls';

const rows = [
  { name: 'small call [1, 1, 16, 64], attentionSync', count: 1, sync: true, bar: 2 },
  { name: 'small call [1, 1, 16, 64], attention', count: 1, sync: false, bar: 1.2 },
  { name: '1,000 small calls at once, attention', count: 1000, sync: false, bar: 1.5 },
];

export const smallCallRows: readonly Row[] = rows.map(({ name, count, sync, bar }) => ({
  name,
  section: smallCallSection,
  opponents: [{ peer: 'onnxruntime Attention', bar }],
  tolerance: 1e-5,
  contest: (random) => smallCalls(count, sync, random),
}));
