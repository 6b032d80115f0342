/** Attention by heed and by all other contenders that support it. */
import { type AttentionOptions, attention } from '../../lib/index.js';
import { onnxAttention, onnxGroupQueryAttention } from '../peers/onnx-attention.js';
import { tfjsAttention } from '../peers/tfjs.js';
import { unfusedAttention } from '../peers/unfused.js';
import type { Random } from '../random.js';
import type { Contest, Contestant, PeerName } from '../row.js';
import { threads } from '../threads.js';
import { type AttentionShape, drawInputs } from './attention-shape.js';
import { type Operands, operands } from './operands.js';

function heed(calls: readonly Operands[], more: AttentionOptions = {}): Contestant {
  const each = calls.map((call) => ({ ...call, options: { ...call.options, ...more } }));
  return {
    run: (turn) => {
      const { query, key, value, options } = each[turn % each.length];
      return attention(query, key, value, options);
    },
    result: () => calls[0].options.out.cast('float32').data as Float32Array,
  };
}

export function attentionContest(shape: AttentionShape, random: Random): Contest {
  const type = shape.type ?? 'float32';
  const inputs = drawInputs(shape, random);
  const others: Partial<Record<PeerName, () => Promise<Contestant> | Contestant>> = {
    'onnxruntime Attention': () => onnxAttention(shape, inputs, threads),
    'onnxruntime GroupQueryAttention': () => onnxGroupQueryAttention(shape, inputs, threads),
    'tfjs wasm': () => tfjsAttention(shape, inputs),
    'heed unfused': () => unfusedAttention(operands(shape, inputs, type)),
    'heed reference': () => heed(operands(shape, inputs, type), { backend: 'reference' }),
    'heed float32': () => heed(operands(shape, inputs, 'float32')),
    'heed without window': () => heed(operands({ ...shape, window: undefined }, inputs, type)),
  };
  return {
    heed: heed(operands(shape, inputs, type)),
    opponent: async (peer) => others[peer]?.(),
  };
}
