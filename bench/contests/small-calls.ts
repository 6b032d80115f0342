/** Work so small that the call costs more than the computation. */
import { attention, attentionSync, Tensor } from '../../lib/index.js';
import { onnxAttention } from '../peers/onnx-attention.js';
import type { Random } from '../random.js';
import type { Contest, Contestant } from '../row.js';
import { threads } from '../threads.js';
import { drawInputs } from './attention-shape.js';
import { operands } from './operands.js';

export const smallShape = { heads: 1, keyHeads: 1, queries: 16, keys: 16, width: 64 };

/** One call, or many at once, each with its own keys, values and results. */
export function smallCalls(count: number, sync: boolean, random: Random): Contest {
  const one = drawInputs(smallShape, random);
  const [{ key, value }] = one.sets;
  const sets = Array.from({ length: count }, () => ({ key: key.slice(), value: value.slice() }));
  const inputs = { ...one, sets };
  const call = sync ? attentionSync : attention;
  const calls = operands(smallShape, inputs, 'float32').map(({ query, key, value, options }) => {
    const out = Tensor.zeros('float32', query.dims);
    return { out, start: () => call(query, key, value, { ...options, out }) };
  });
  return {
    heed: {
      run: () => atOnce(calls, ({ start }) => start()),
      result: () => calls[0].out.data as Float32Array,
    },
    opponent: async (): Promise<Contestant> => {
      const peer = await onnxAttention(smallShape, inputs, threads);
      return { ...peer, run: () => atOnce(sets, (_, i) => peer.run(i)) };
    },
  };
}

function atOnce<Call>(calls: readonly Call[], start: (call: Call, index: number) => unknown): unknown {
  return calls.length === 1 ? start(calls[0], 0) : Promise.all(calls.map(start));
}
