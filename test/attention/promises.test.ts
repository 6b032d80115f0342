/**
 * Tests promises: the event loop stays free, signals cancel operations, and memory may be transferred or
 * collected meanwhile.
 */
import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { attention, attentionDetails, attentionSync } from '../../lib/attention/attention.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { randomInputs } from '../support/attention.js';
import { eachBackend, emulatedOnly } from '../support/backends.js';
import { expectSameBits } from '../support/compare.js';
import { turnsDuring } from '../support/event-loop.js';
import { Random } from '../support/random.js';

eachBackend('promised attention', (backend) => {
  const random = new Random('promised attention');
  const small = randomInputs(random);
  // Several tenths of a second of work on any backend.
  const steps = backend === 'reference' ? 350 : emulatedOnly ? 100 : 4000;
  const long = randomInputs(random, { batch: 1, queries: steps, keys: steps, width: 64 });
  const startLong = () => attention(long.query, long.key, long.value, { backend });
  // Sixteen times as much: an operation that a signal should cancel must not end before, however busy the
  // machine is.
  const endless = random.tensor('float32', [1, 4, 4 * steps, 64]);
  const startEndless = (signal: AbortSignal, out?: Tensor) =>
    attention(endless, endless, endless, { backend, signal, ...(out && { out }) });

  it('is what attentionSync gives', async () => {
    const { query, key, value } = small;
    const output = await attention(query, key, value, { backend, causal: true });
    expectSameBits(output, attentionSync(query, key, value, { backend, causal: true }));
  });

  it('leaves the event loop free', async function () {
    // The machine may stall occasionally, but not every time.
    this.retries(9);
    const { count, p99 } = await turnsDuring(startLong());
    assert.ok(count > 10, 'the loop turned');
    assert.ok(p99 < 20, `p99 ${p99} ms`);
  });

  it('goes on side by side', async () => {
    const order: string[] = [];
    const slow = startLong().then(() => order.push('long'));
    const { query, key, value } = small;
    const quick = attention(query, key, value, { backend }).then(() => order.push('short'));
    await Promise.all([slow, quick]);
    // On a device, which runs one operation after the other, either may end first.
    assert.deepEqual(backend === 'cuda' ? order.sort().reverse() : order, ['short', 'long']);
  });

  it('rejects at once with the reason of a signal that is aborted already', async () => {
    const { query, key, value } = small;
    const reason = { some: 'reason' };
    const out = Tensor.zeros('float32', query.dims);
    const signal = AbortSignal.abort(reason);
    await assert.rejects(attention(query, key, value, { backend, out, signal }), (error) => error === reason);
    await assert.rejects(
      attentionDetails(query, key, value, { backend, signal, include: [] }),
      (error) => error === reason,
    );
    assert.throws(
      () => attentionSync(query, key, value, { backend, signal }),
      (error) => error === reason,
    );
    assert.ok(out.data.every((element: number | bigint) => element === 0));
  });

  it('rejects with the reason when aborted while it waits or runs', async () => {
    const controllers = Array.from({ length: 3 }, () => new AbortController());
    const promises = controllers.map(({ signal }) => startEndless(signal));
    const reason = new Error('enough');
    await nextTurn();
    for (const controller of controllers) controller.abort(reason);
    for (const outcome of await Promise.allSettled(promises)) {
      assert.deepEqual(outcome, { status: 'rejected', reason });
    }
  });

  it('does not touch the output any more once it has rejected', async () => {
    const out = Tensor.zeros('float32', endless.dims);
    const controller = new AbortController();
    const promise = startEndless(controller.signal, out);
    await nextTurn();
    await nextTurn();
    controller.abort();
    await assert.rejects(promise, { name: 'AbortError' });
    const before = Float32Array.from(out.data as Float32Array);
    for (let turn = 0; turn < 50; turn++) await nextTurn();
    assert.ok(before.every((element, i) => element === out.data[i]));
  });

  it('does not mind a signal that aborts too late', async () => {
    const controller = new AbortController();
    const { query, key, value } = small;
    const output = await attention(query, key, value, { backend, signal: controller.signal });
    controller.abort();
    expectSameBits(output, attentionSync(query, key, value, { backend }));
  });

  it('ignores what was put over the methods of a signal', async () => {
    const { signal } = new AbortController();
    const never = () => assert.fail('called');
    Object.defineProperties(signal, {
      aborted: { get: never },
      addEventListener: { value: never },
      removeEventListener: { value: never },
      throwIfAborted: { value: never },
    });
    const { query, key, value } = small;
    await attention(query, key, value, { backend, signal });
  });

  it('works on a copy of resizable memory', async () => {
    const { query, key, value } = small;
    const buffer: ArrayBuffer & { resize?(length: number): void } = Reflect.construct(ArrayBuffer, [
      query.byteLength,
      { maxByteLength: query.byteLength },
    ]);
    const data = new Float32Array(buffer);
    data.set(query.data as Float32Array);
    const promise = attention({ type: 'float32', dims: query.dims, data }, key, value, { backend });
    buffer.resize?.(0);
    expectSameBits(await promise, attentionSync(query, key, value, { backend }));
  });

  it('survives tensors that are disposed and memory that is transferred meanwhile', async () => {
    const copy = (tensor: Tensor) => tensor.cast(tensor.type);
    const inputs = { query: copy(small.query), key: copy(small.key), value: copy(small.value) };
    const promise = attention(inputs.query, inputs.key, inputs.value, { backend });
    for (const tensor of Object.values(inputs)) tensor.dispose();
    expectSameBits(await promise, attentionSync(small.query, small.key, small.value, { backend }));

    const query = copy(long.query);
    const { buffer } = query.data;
    const transferred = attention(query, long.key, long.value, { backend });
    structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
    // Either the memory was kept and the result is right, or the loss is detected.
    const outcome = await transferred.catch((error: unknown) => error);
    if (outcome instanceof Tensor) {
      expectSameBits(outcome, attentionSync(long.query, long.key, long.value, { backend }));
    } else {
      assert.equal((outcome as { code?: unknown }).code, 'HEED_DETACHED');
    }
  });
});
