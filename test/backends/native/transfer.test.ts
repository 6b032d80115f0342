import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Backend } from '../../../lib/backends/backend.js';
import type { Addon } from '../../../lib/backends/native/addon.js';
import { cpuBackend } from '../../../lib/backends/native/cpu-backend.js';
import { loadAddon } from '../../../lib/backends/native/load.js';
import { Operations } from '../../../lib/backends/native/operations.js';
import { resizableBuffer } from '../../support/resizable.js';
import { attentionProblem, cpu, longShape, randomArrays, type Shape } from './problems.js';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** Transfers the memory away from this thread and drops it. */
function transferAway(array: Float32Array): void {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
  assert.equal(array.length, 0);
}

/** Overwrites the memory that the allocator would hand out again if it was freed too early. */
function churn(): void {
  for (let i = 0; i < 50; i++) new Float32Array(1 << 18).fill(1e30);
  collect();
}

const shape: Shape = { heads: 2, queries: 200, keys: 200 };

function solved(inputs: Shape): Float32Array {
  const arrays = randomArrays(inputs);
  cpu().solveSync([attentionProblem(inputs, arrays)]);
  return arrays.output;
}

describe('memory that JavaScript takes away while a native operation runs', () => {
  it('stays until the operation has ended: inputs', async () => {
    const arrays = randomArrays(longShape);
    const promise = cpu().solve([attentionProblem(longShape, arrays)]);
    for (const array of [arrays.query, arrays.key, arrays.value]) transferAway(array);
    churn();
    await promise;
    assert.deepEqual(arrays.output, solved(longShape));
  });

  it('stays until the operation has ended: the output, too', async () => {
    const arrays = randomArrays(longShape);
    const promise = cpu().solve([attentionProblem(longShape, arrays)]);
    for (const array of Object.values(arrays)) transferAway(array);
    churn();
    await promise;
  });

  it('is filled where it has gone: a transferred output arrives complete at its new owner', async () => {
    const arrays = randomArrays(longShape);
    const promise = cpu().solve([attentionProblem(longShape, arrays)]);
    const { buffer } = arrays.output;
    const arrived = new Float32Array(structuredClone(buffer, { transfer: [buffer as ArrayBuffer] }));
    await promise;
    assert.deepEqual(arrived, solved(longShape));
  });

  it('may lie in SharedArrayBuffers', async () => {
    const arrays = randomArrays(shape, (length) => new Float32Array(new SharedArrayBuffer(length * 4)));
    await cpu().solve([attentionProblem(shape, arrays)]);
    assert.deepEqual(Float32Array.from(arrays.output), solved(shape));
    arrays.output.fill(Number.NaN);
    cpu().solveSync([attentionProblem(shape, arrays)]);
    assert.deepEqual(Float32Array.from(arrays.output), solved(shape));
  });

  it('may be small enough for the heap of JavaScript', async () => {
    const tiny = { queries: 1, keys: 1, width: 4 };
    const arrays = randomArrays(tiny);
    const promise = cpu().solve([attentionProblem(tiny, arrays)]);
    churn();
    await promise;
    assert.deepEqual(arrays.output, solved(tiny));
  });

  it('is copied from resizable ArrayBuffers, which may shrink', async () => {
    const arrays = randomArrays(
      longShape,
      (length) => new Float32Array(resizableBuffer(length * 4, length * 8)),
    );
    const { buffer } = arrays.key;
    const output = new Float32Array(arrays.output.length);
    const promise = cpu().solve([attentionProblem(longShape, { ...arrays, output })]);
    (buffer as ArrayBuffer & { resize(bytes: number): void }).resize(0);
    await promise;
    assert.deepEqual(output, solved(longShape));
  });
});

describe('memory that the addon cannot pin', () => {
  /** Enough work that its bytes are copied instead of computing synchronously. */
  const shape: Shape = { heads: 2, queries: 500, keys: 500 };

  /** Computes only when the event loop turns: by then, tests have transferred the memory away. */
  function withoutPins(): { backend: Backend; counts: { later: number; atOnce: number } } {
    const { addon } = loadAddon();
    assert.ok(addon);
    const counts = { later: 0, atOnce: 0 };
    const unpinned: Addon = {
      ...addon,
      pins: () => false,
      solveSync(...args) {
        counts.atOnce++;
        addon.solveSync(...args);
      },
      solve(numbers, length, buffers, device, written, onEnd) {
        const id = ++counts.later;
        const kept = numbers.slice(0, length);
        setImmediate(() => {
          addon.solveSync(kept, length, buffers, false, device, written);
          onEnd(id, undefined);
        });
        return id;
      },
    };
    return { backend: cpuBackend(unpinned, new Operations(unpinned)), counts };
  }

  it('is not copied where that takes longer than to solve the problem there and then', async () => {
    const decoding: Shape = { heads: 8, queries: 1, keys: 2048 };
    const arrays = randomArrays(decoding);
    const { backend, counts } = withoutPins();
    const promise = backend.solve([attentionProblem(decoding, arrays)], new AbortController().signal);
    for (const array of [arrays.query, arrays.key, arrays.value]) transferAway(array);
    await promise;
    assert.deepEqual(counts, { later: 0, atOnce: 1 });
    assert.deepEqual(arrays.output, solved(decoding));
    // A signal is still effective until the promise is settled.
    const controller = new AbortController();
    const aborted = backend.solve([attentionProblem(decoding, randomArrays(decoding))], controller.signal);
    controller.abort();
    await assert.rejects(aborted, { name: 'AbortError' });
  });

  it('is copied, and the results copied back', async () => {
    const arrays = randomArrays(shape);
    const { backend, counts } = withoutPins();
    const promise = backend.solve([attentionProblem(shape, arrays)]);
    for (const array of [arrays.query, arrays.key, arrays.value]) transferAway(array);
    await promise;
    assert.deepEqual(counts, { later: 1, atOnce: 0 });
    assert.deepEqual(arrays.output, solved(shape));
  });

  it('may be one ArrayBuffer for everything, and what a problem writes another may read', async () => {
    const { queries, heads = 1 } = shape;
    const length = heads * queries * 64;
    const memory = new Float32Array(5 * length + 1);
    let used = 1;
    const arrays = randomArrays(shape, () => {
      used += length;
      return memory.subarray(used - length, used);
    });
    const second = memory.subarray(used, used + length).fill(Number.NaN);
    const problems = (output: Float32Array) => [
      attentionProblem(shape, arrays),
      attentionProblem(shape, { ...arrays, query: memory.subarray(1 + 3 * length, 1 + 4 * length), output }),
    ];
    const expected = new Float32Array(length);
    cpu().solveSync(problems(expected));
    arrays.output.fill(Number.NaN);
    await withoutPins().backend.solve(problems(second));
    assert.deepEqual(second, expected);
    assert.deepEqual(arrays.output, solved(shape));
    assert.equal(memory[0], 0);
  });

  it('is copied from whatever realm it comes', async () => {
    const arrays = randomArrays(shape, (length) => runInNewContext(`new Float32Array(${length})`));
    const promise = withoutPins().backend.solve([attentionProblem(shape, arrays)]);
    for (const array of [arrays.query, arrays.key, arrays.value]) transferAway(array);
    await promise;
    assert.deepEqual(Float32Array.from(arrays.output), solved(shape));
  });

  it('is copied whatever its array says of itself', async () => {
    const arrays = randomArrays(shape);
    const problem = attentionProblem(shape, arrays);
    const inputs = [arrays.query, arrays.key, arrays.value];
    const buffers = inputs.map(({ buffer }) => buffer as ArrayBuffer);
    const lies = { buffer: new SharedArrayBuffer(8), byteOffset: 4, byteLength: 4, length: 1 };
    for (const array of inputs) {
      for (const [name, value] of Object.entries(lies)) Object.defineProperty(array, name, { value });
      Object.defineProperty(array, Symbol.toStringTag, { value: 'Uint8Array' });
    }
    const promise = withoutPins().backend.solve([problem]);
    for (const buffer of buffers) structuredClone(buffer, { transfer: [buffer] });
    await promise;
    assert.deepEqual(arrays.output, solved(shape));
  });

  it('is forgotten where its output has gone meanwhile', async () => {
    const arrays = randomArrays(shape);
    const promise = withoutPins().backend.solve([attentionProblem(shape, arrays)]);
    for (const array of Object.values(arrays)) transferAway(array);
    await promise;
  });

  it('may be nothing at all, and go away as well', async () => {
    const nothing: Shape = { queries: 0, keys: 3 };
    const arrays = randomArrays(nothing);
    const promise = withoutPins().backend.solve(
      [attentionProblem(nothing, arrays)],
      new AbortController().signal,
    );
    for (const array of Object.values(arrays)) transferAway(array);
    await promise;
  });

  it('is not copied where it is shared between threads', async () => {
    const arrays = randomArrays(shape, (length) => new Float32Array(new SharedArrayBuffer(length * 4)));
    await withoutPins().backend.solve([attentionProblem(shape, arrays)]);
    assert.deepEqual(Float32Array.from(arrays.output), solved(shape));
  });
});
