/**
 * Tests that the same inputs give the same bits, regardless of the number of threads and the rest of the
 * batch.
 */
import { attention, attentionSync } from '../../lib/attention/attention.js';
import { setThreads } from '../../lib/backends/native/native.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { attend, type Inputs, randomInputs, typesOf } from '../support/attention.js';
import { eachBackend, eachInstructionSet, emulatedOnly } from '../support/backends.js';
import { expectSameBits } from '../support/compare.js';
import { Random } from '../support/random.js';
import { keepThreads } from '../support/threads.js';

const shapes = {
  'many queries': { batch: 3, heads: 4, keyHeads: 2, queries: 200, keys: 300, width: 40 },
  'few queries, many keys': { batch: 3, heads: 8, keyHeads: 2, queries: 1, keys: 5000, width: 64 },
  'a handful of queries': { batch: 3, heads: 4, keyHeads: 4, queries: 5, keys: 2100, width: 32 },
};

function entry(tensor: Tensor, index: number): Tensor {
  const size = tensor.size / tensor.dims[0];
  return new Tensor(tensor.type, tensor.data.subarray(index * size, (index + 1) * size), [
    1,
    ...tensor.dims.slice(1),
  ]);
}

eachBackend('the bits of a result', (backend) => {
  for (const [title, shape] of Object.entries(shapes)) {
    // More than one chunk of keys even then.
    const most = backend === 'reference' ? 400 : emulatedOnly ? 600 : 5000;
    const small = { ...shape, keys: Math.min(shape.keys, most) };

    it(`do not depend on the rest of the batch: ${title}`, () => {
      for (const type of typesOf(backend)) {
        const { query, key, value } = randomInputs(new Random(`${title} ${type}`), { ...small, type });
        const whole = attend(backend, { query, key, value }, { causal: true });
        for (const index of [0, 1, 2]) {
          const own: Inputs = {
            query: entry(query, index),
            key: entry(key, index),
            value: entry(value, index),
          };
          expectSameBits(attend(backend, own, { causal: true }), entry(whole, index));
        }
      }
    });

    it(`do not depend on waiting: ${title}`, async () => {
      const { query, key, value } = randomInputs(new Random(title), small);
      const expected = attentionSync(query, key, value, { backend, causal: true });
      const all = await Promise.all(
        Array.from({ length: 4 }, () => attention(query, key, value, { backend, causal: true })),
      );
      for (const output of all) expectSameBits(output, expected);
    });
  }
});

eachInstructionSet('the bits of a result', () => {
  keepThreads();

  for (const [title, shape] of Object.entries(shapes)) {
    it(`do not depend on the number of threads: ${title}`, () => {
      const inputs = randomInputs(new Random(title), shape);
      setThreads(1);
      const expected = attend('cpu', inputs, { causal: true });
      for (const count of [2, 3, 7]) {
        setThreads(count);
        expectSameBits(attend('cpu', inputs, { causal: true }), expected);
      }
    });
  }
});
