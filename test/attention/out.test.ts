/** Tests the reuse of outputs. */
import assert from 'node:assert/strict';
import { attention, attentionDetailsSync, attentionSync } from '../../lib/attention/attention.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { randomInputs } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectSameBits } from '../support/compare.js';
import { poisoned } from '../support/poison.js';
import { Random } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';

eachBackend('out', (backend) => {
  const random = new Random('out');
  const { query, key, value } = randomInputs(random, { batch: 1, heads: 2 });
  const expected = () => attentionSync(query, key, value, { backend });
  const dims = [1, 2, 9, 16];
  const size = 2 * 9 * 16;

  it('is what is returned, written in full and not beyond', async () => {
    const outs = [poisoned('float32', dims), poisoned('float32', dims), poisoned('float32', dims)];
    const [sync, promised, detailed] = outs.map(({ tensor }) => tensor);
    assert.equal(attentionSync(query, key, value, { backend, out: sync }), sync);
    assert.equal(await attention(query, key, value, { backend, out: promised }), promised);
    const { output } = attentionDetailsSync(query, key, value, {
      backend,
      out: detailed,
      include: ['weights'],
    });
    assert.equal(output, detailed);
    for (const { tensor, expectMarginsIntact } of outs) {
      expectSameBits(tensor, expected());
      expectMarginsIntact();
    }
  });

  it('may be used again and again', () => {
    const out = Tensor.zeros('float32', dims);
    for (let i = 0; i < 3; i++) attentionSync(query, key, value, { backend, out });
    expectSameBits(out, expected());
  });

  it('is a new tensor each time when it is not given', () => {
    assert.notEqual(expected().data.buffer, expected().data.buffer);
  });

  it('may lie beside an input in the same buffer', () => {
    const both = new Float32Array(2 * size);
    both.set(query.data as Float32Array);
    const out = new Tensor(both.subarray(size), dims);
    attentionSync(new Tensor(both.subarray(0, size), dims), key, value, { backend, out });
    expectSameBits(out, expected());
  });

  it('may not share memory with any input', () => {
    const shared = new Float32Array(2 * size + 400);
    const out = new Tensor(shared.subarray(100, 100 + size), dims);
    const over = (offset: number, like: Tensor) =>
      new Tensor(shared.subarray(offset, offset + like.size), like.dims);
    const attend = (q: Tensor, k: Tensor, v: Tensor, mask?: Tensor) => () =>
      attentionSync(q, k, v, { backend, out, ...(mask && { mask }) });
    throwsHeed(
      attend(over(100, query), key, value),
      'HEED_OVERLAP',
      'options.out not to share memory with query',
    );
    throwsHeed(attend(over(99 + size, query), key, value), 'HEED_OVERLAP', 'query');
    throwsHeed(attend(query, over(0, key), value), 'HEED_OVERLAP', 'with key');
    throwsHeed(attend(query, key, over(200, value)), 'HEED_OVERLAP', 'with value');
    const mask = new Tensor(new Uint8Array(shared.buffer, 4 * (100 + size) - 1, 13), [13]);
    throwsHeed(attend(query, key, value, mask), 'HEED_OVERLAP', 'with options.mask');
    assert.ok(shared.every((element) => element === 0));
    const apart = new Tensor(new Uint8Array(shared.buffer, 4 * (100 + size), 13), [13]);
    attend(query, key, value, apart)();
  });

  it('may not be disposed', () => {
    const out = Tensor.zeros('float32', dims);
    out.dispose();
    throwsHeed(() => attentionSync(query, key, value, { backend, out }), 'HEED_DISPOSED', 'disposed');
  });
});
