import assert from 'node:assert/strict';
import { microsoft } from '../../../lib/onnx.js';
import { Tensor } from '../../../lib/tensor/tensor.js';
import type { FloatType } from '../../../lib/tensor/types.js';
import { eachBackend, many } from '../../support/backends.js';
import { Random } from '../../support/random.js';
import { expectAllClose } from '../compare.js';
import { decode, filled, type NdArray } from '../nd-array.js';
import { surrounded } from '../surrounded.js';
import {
  drawGroupQueryAttention,
  drawMultiHeadAttention,
  drawRotaryEmbedding,
  type MicrosoftNode,
  titleOf,
} from './nodes.js';
import {
  groupQueryAttentionOracle,
  microsoftRotaryEmbeddingOracle,
  multiHeadAttentionOracle,
  roundingTo,
} from './oracles.js';

const types: FloatType[] = ['float32', 'float16', 'bfloat16'];

const decoded = (inputs: Readonly<Record<string, Tensor>>): Record<string, NdArray> =>
  Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, decode(tensor)]));

/** Calls with inputs surrounded by NaN, and checks that none of them changes. */
async function call<Result extends object>(
  { inputs }: MicrosoftNode,
  operator: (inputs: never) => Promise<Result>,
): Promise<Record<string, Tensor>> {
  const placed = Object.entries(inputs).map(([name, input]) => ({ name, ...surrounded(input) }));
  const result = await operator(
    Object.fromEntries(placed.map(({ name, tensor }) => [name, tensor])) as never,
  );
  for (const { expectUntouched } of placed) expectUntouched();
  return { ...result } as Record<string, Tensor>;
}

eachBackend('com.microsoft', (backend) => {
  for (const type of types) {
    it(`GroupQueryAttention is what its definition says for any ${type} node`, async () => {
      const random = new Random(`GroupQueryAttention ${type}`);
      for (let i = 0; i < many(150); i++) {
        const node = drawGroupQueryAttention(random, type, 'heed');
        const attributes = { ...node.attributes } as never;
        const result = await call(node, (inputs) =>
          microsoft.groupQueryAttention(inputs, attributes, { backend }),
        );
        const { scores, weights, ...right } = groupQueryAttentionOracle(
          decoded(node.inputs),
          node.attributes,
          roundingTo(type),
        );
        const shown = { 1: scores, 2: weights }[node.attributes.qk_output ?? 0];
        const expected: Record<string, NdArray> = {
          output: right.output,
          present_key: right.present_key,
          present_value: right.present_value,
          ...(shown && { output_qk: shown }),
        };
        assert.deepEqual(Object.keys(result).sort(), Object.keys(expected).sort());
        for (const [name, wanted] of Object.entries(expected)) {
          expectAllClose(result[name], wanted, type, `${name} of ${titleOf(i, node)}`);
        }
      }
    });

    it(`MultiHeadAttention is what its definition says for any ${type} node`, async () => {
      const random = new Random(`MultiHeadAttention ${type}`);
      for (let i = 0; i < many(150); i++) {
        const node = drawMultiHeadAttention(random, type, 'heed');
        const { hidesRows, ...right } = multiHeadAttentionOracle(
          decoded(node.inputs),
          node.attributes,
          roundingTo(type),
        );
        // float32 keeps three decimals of a score that -10000 is added to.
        const rough = hidesRows && node.attributes.mask_filter_value === undefined;
        const outputs = ['present_key', 'present_value', 'qk'].filter(() => random.chance(0.5)) as never[];
        const byDefault = random.chance(0.3);
        const attributes = { ...node.attributes } as never;
        const result = await call(node, (inputs) =>
          microsoft.multiHeadAttention(inputs, attributes, { backend, ...(!byDefault && { outputs }) }),
        );
        const asked = byDefault ? (node.inputs.past_key ? ['present_key', 'present_value'] : []) : outputs;
        assert.deepEqual(Object.keys(result).sort(), ['output', ...asked].sort());
        for (const [name, tensor] of Object.entries(result)) {
          const wanted = right[name as keyof typeof right];
          const tolerance = rough && type === 'float32' ? 'float16' : type;
          expectAllClose(tensor, wanted, type, `${name} of ${titleOf(i, node)}`, tolerance);
        }
      }
    });

    it(`RotaryEmbedding is what its definition says for any ${type} node`, async () => {
      const random = new Random(`com.microsoft RotaryEmbedding ${type}`);
      for (let i = 0; i < many(150); i++) {
        const node = drawRotaryEmbedding(random, type);
        const attributes = { ...node.attributes } as never;
        const { output } = await call(node, (inputs) =>
          microsoft.rotaryEmbedding(inputs, attributes, { backend }),
        );
        const right = microsoftRotaryEmbeddingOracle(decoded(node.inputs), node.attributes);
        expectAllClose(output, right, type, `output of ${titleOf(i, node)}`);
      }
    });
  }

  it('gives the same synchronously', () => {
    const random = new Random('com.microsoft Sync');
    const gqa = drawGroupQueryAttention(random, 'float32', 'heed');
    const { output } = microsoft.groupQueryAttentionSync(gqa.inputs as never, gqa.attributes as never, {
      backend,
    });
    expectAllClose(
      output,
      groupQueryAttentionOracle(decoded(gqa.inputs), gqa.attributes, Math.fround).output,
      'float32',
      'GQA',
    );
    const x = random.tensor('float32', [2, 3, 8]);
    const mha = microsoft.multiHeadAttentionSync(
      { query: x, key: x, value: x },
      { num_heads: 2 },
      { backend },
    );
    const arrays = { query: decode(x), key: decode(x), value: decode(x) };
    expectAllClose(
      mha.output,
      multiHeadAttentionOracle(arrays, { num_heads: 2 }, Math.fround).output,
      'float32',
      'MHA',
    );
  });

  it('continues from its own cache as if all steps had come at once, with padded entries and several steps', async () => {
    const random = new Random('GroupQueryAttention in turns');
    const [lengths, heads, keyHeads, width] = [[9, 6], 4, 2, 8];
    const longest = Math.max(...lengths);
    const float = (count: number) => random.tensor('float32', [2, longest, count * width]);
    const [query, key, value] = [float(heads), float(keyHeads), float(keyHeads)];
    const [cos_cache, sin_cache] = [1, 2].map(() => random.tensor('float32', [longest, width / 2]));
    const attributes = {
      num_heads: heads,
      kv_num_heads: keyHeads,
      do_rotary: 1,
      local_window_size: 5,
    } as const;
    const int32 = (...values: number[]) => new Tensor('int32', Int32Array.from(values), [values.length]);
    const caches = { cos_cache, sin_cache };
    const { output: whole } = await microsoft.groupQueryAttention(
      {
        ...{ query, key, value, ...caches },
        seqlens_k: int32(...lengths.map((length) => length - 1)),
        total_sequence_length: int32(longest),
      },
      attributes,
      { backend },
    );
    // Each entry advances by steps of its own: first a padded prompt, then two at once, then one.
    const rows = (tensor: Tensor, from: readonly number[], count: number) => {
      const row = tensor.dims[2];
      const data = new Float32Array(2 * count * row);
      for (let b = 0; b < 2; b++) {
        const start = (b * longest + from[b]) * row;
        const end = Math.min(start + count * row, (b + 1) * longest * row);
        data.set((tensor.data as Float32Array).subarray(start, end), b * count * row);
      }
      return new Tensor(data, [2, count, row]);
    };
    let done = [0, 0];
    let past = {};
    for (const [count, ...after] of [
      [5, 5, 2],
      [2, 7, 4],
      [1, 8, 5],
      [1, 9, 6],
    ]) {
      const answer = await microsoft.groupQueryAttention(
        {
          ...{
            query: rows(query, done, count),
            key: rows(key, done, count),
            value: rows(value, done, count),
          },
          ...{ ...past, ...caches },
          seqlens_k: int32(...after.map((length) => length - 1)),
          total_sequence_length: int32(Math.max(...after)),
        },
        attributes,
        { backend },
      );
      for (let b = 0; b < 2; b++) {
        const valid = after[b] - done[b];
        const size = valid * heads * width;
        const cut = (tensor: Tensor, from: number) =>
          new Tensor((tensor.data as Float32Array).slice(from, from + size), [size]);
        const expected = decode(cut(whole, (b * longest + done[b]) * heads * width));
        expectAllClose(cut(answer.output, b * count * heads * width), expected, 'float32', `entry ${b}`);
      }
      past = { past_key: answer.present_key, past_value: answer.present_value };
      done = after;
    }
  });

  it('averages values where a mask hides all keys: by scores, or all alike', async () => {
    const random = new Random('com.microsoft masked rows');
    const [query, key, value] = [1, 2, 3].map(() => random.tensor('float32', [1, 3, 4]));
    const key_padding_mask = Tensor.zeros('int32', [1, 3]);
    const outputOf = async (mask_filter_value: number) => {
      const { output } = await microsoft.multiHeadAttention(
        { query, key, value, key_padding_mask },
        { num_heads: 1, mask_filter_value },
        { backend },
      );
      return output;
    };
    const { output: unmasked } = await microsoft.multiHeadAttention(
      { query, key, value },
      { num_heads: 1 },
      { backend },
    );
    expectAllClose(await outputOf(-16), decode(unmasked), 'float32', 'by scores');
    const values = decode(value).values;
    const mean = filled(
      [1, 3, 4],
      (index) => (values[index % 4] + values[4 + (index % 4)] + values[8 + (index % 4)]) / 3,
    );
    expectAllClose(await outputOf(-3.4028234663852886e38), mean, 'float32', 'alike');
  });

  it('says which memory has gone while it pauses', async () => {
    const steps = 1024;
    const x = Tensor.zeros('float32', [1, steps, 1]);
    const attention_bias = Tensor.zeros('float32', [1, 1, steps, steps]);
    const running = microsoft.multiHeadAttention(
      { query: x, key: x, value: x, attention_bias },
      { num_heads: 1, unidirectional: 1 },
      { backend },
    );
    structuredClone(attention_bias.data.buffer, { transfer: [attention_bias.data.buffer as ArrayBuffer] });
    await assert.rejects(running, { code: 'HEED_DETACHED', message: /attention_bias/ });
  });

  it('does not let steps beyond the lengths touch a result, whatever they hold', async () => {
    const cache = (dims: number[], valid: number, seed: string) => {
      const tensor = new Random(seed).tensor('float32', dims);
      (tensor.data as Float32Array).fill(Number.NaN, valid);
      return tensor;
    };
    const one = new Random('GroupQueryAttention poison');
    const [query, key, value] = [1, 2, 3].map(() => one.tensor('float32', [1, 1, 8]));
    const seqlens_k = new Tensor('int32', Int32Array.of(2), [1]);
    const total_sequence_length = new Tensor('int32', Int32Array.of(3), [1]);
    const nodeWith = (past_key: Tensor, past_value: Tensor) => ({
      ...{ query, key, value, past_key, past_value, seqlens_k, total_sequence_length },
    });
    const poisoned = nodeWith(cache([1, 1, 6, 8], 16, 'k'), cache([1, 1, 6, 8], 16, 'v'));
    const attributes = { num_heads: 1, kv_num_heads: 1 };
    const { output } = await microsoft.groupQueryAttention(poisoned, attributes, { backend });
    const right = groupQueryAttentionOracle(decoded(poisoned), attributes, Math.fround);
    expectAllClose(output, right.output, 'float32', 'output');
  });
});
