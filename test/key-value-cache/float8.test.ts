/** Tests caches of float8 against E4M3's definition: what they store, to the byte, and what every code is read as. */
import assert from 'node:assert/strict';
import { attentionDetailsSync, attentionSync } from '../../lib/attention/attention.js';
import { CacheEntries } from '../../lib/key-value-cache/entries.js';
import { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import type { Pages } from '../../lib/problem/problem.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { eachBackend, locationOf } from '../support/backends.js';
import { filledCache, storedIn } from '../support/cached.js';
import { relativeError } from '../support/compare.js';
import { float8Numbers, nearestFloat8 } from '../support/float8.js';
import { toNumbers } from '../support/numbers.js';
import { attentionOracle } from '../support/oracle.js';
import { Random } from '../support/random.js';

/** Rows of zeros, of tiny and of huge numbers, some with elements of all magnitudes, and some that are not finite. */
function rows(random: Random, count: number, width: number): number[][] {
  return Array.from({ length: count }, () => {
    const size = random.pick([
      0,
      1,
      1,
      1,
      2 ** -149,
      2 ** -135,
      2 ** 127 * 1.99,
      2 ** random.integer(-140, 120),
    ]);
    const spread = random.pick([0, 4, 20]);
    const row = Array.from({ length: width }, () =>
      Math.fround(size * random.uniform(-1, 1) * 2 ** -random.integer(0, spread)),
    );
    if (random.chance(0.1))
      row[random.integer(0, width - 1)] = random.pick([Number.NaN, Number.POSITIVE_INFINITY, -1 / 0]);
    return row;
  });
}

/** What is stored of a row: the scale by which its largest magnitude becomes 448, and the nearest codes. */
function expectedOf(row: readonly number[]): { scale: number; codes: number[] } {
  const zeros = new Array(row.length).fill(0);
  const largest = Math.max(...row.map(Math.abs));
  if (!row.every(Number.isFinite)) return { scale: Number.NaN, codes: zeros };
  if (largest === 0) return { scale: 0, codes: zeros };
  const float = new Float32Array([largest / 448]);
  const bits = new Uint32Array(float.buffer);
  // The nearest float32, unless 448 would be infinite, or be less than the number for want of smaller scales.
  if (448 * float[0] > (2 - 2 ** -23) * 2 ** 127) bits[0]--;
  else if (float[0] < 2 ** -126 && 448 * float[0] < largest) bits[0]++;
  return { scale: float[0], codes: row.map((x) => nearestFloat8(Math.fround(x / float[0]))) };
}

/** Exactly, but for the sign of 0. */
function expectNumber(x: number, expected: number): void {
  assert.ok(x === expected || (Number.isNaN(x) && Number.isNaN(expected)), `${x}, expected ${expected}`);
}

/** Writes codes and scales where a cache of one entry and head keeps a row. */
function writeRow(cache: KeyValueCache, part: 'key' | 'value', step: number, codes: number[], scale: number) {
  const snapshot = CacheEntries.of(KeyValueCache.stateOf(cache)).snapshot();
  const { steps, lists, perSlab, stride, slabs, scales } = snapshot[part].pages as Pages;
  const page = lists[0].ids[Math.floor(step / steps)];
  const [slab, place] = [Math.floor(page / perSlab), page % perSlab];
  (slabs[slab] as Uint8Array).set(codes, place * stride + (step % steps) * codes.length);
  (scales as Float32Array[])[slab][place * steps + (step % steps)] = scale;
  snapshot.release();
}

// On GPUs, test/emulator compares the bytes.
eachBackend(
  'a cache of float8',
  (on) => {
    const backend = on as 'reference' | 'cpu';

    it('stores the nearest numbers of each row, to the byte', () => {
      const random = new Random(`float8 ${backend}`);
      for (const width of [1, 5, 16, 33, 64, 130]) {
        for (const type of ['float32', 'float16', 'bfloat16', 'float64'] as const) {
          const given = rows(random, 40, width);
          const tensor = new Tensor(Float64Array.from(given.flat()), [1, 1, 40, width]).cast(type);
          const rounded = toNumbers(tensor);
          const cache = new KeyValueCache({
            ...{ batch: 1, heads: 1, width, capacity: 40, type: 'float8' },
            pageSize: random.pick([1, 7, 40]),
          });
          cache.append(tensor, tensor);
          const { keys, values } = storedIn(cache)[0];
          for (const [step, { multiples, scale, factors }] of keys.entries()) {
            const row = rounded.slice(step * width, (step + 1) * width);
            const expected = expectedOf(row);
            assert.equal(scale, expected.scale, `${row}`);
            assert.deepEqual(multiples, expected.codes, `${row}`);
            assert.ok(factors.every((factor) => factor === 1));
          }
          assert.deepEqual(values, keys);
        }
      }
    });

    it('reads each of the 256 codes as its number, and nothing but NaN as NaN', () => {
      const random = new Random(`codes ${backend}`);
      for (const width of [1, 4, 7, 12, 31, 64, 256]) {
        for (const queries of [1, 3, 50]) {
          const cache = new KeyValueCache({ batch: 1, heads: 1, width, capacity: 1, type: 'float8' });
          const nothing = Tensor.zeros('float32', [1, 1, 1, width]);
          cache.append(nothing, nothing);
          for (let first = 0; first < 256; first += width) {
            const codes = Array.from({ length: width }, (_, d) => (first + d) % 256);
            const numbers = codes.map((code) => float8Numbers[code] * 0.5);
            writeRow(cache, 'key', 0, codes, 0.5);
            writeRow(cache, 'value', 0, codes, 0.5);
            const at = random.integer(0, width - 1);
            const query = Tensor.zeros('float32', [1, 1, queries, width]);
            for (let row = 0; row < queries; row++) query.data[row * width + at] = 1;
            const { output, scores } = attentionDetailsSync(query, cache, {
              ...{ scale: 1, include: ['scores'], backend },
            });
            for (const score of toNumbers(scores as Tensor))
              expectNumber(score, numbers.some(Number.isNaN) ? Number.NaN : numbers[at]);
            for (const [i, x] of toNumbers(output).entries()) {
              // A score of NaN makes NaN of all.
              if (!numbers.some(Number.isNaN)) expectNumber(x, numbers[i % width]);
            }
            writeRow(cache, 'key', 0, new Array(width).fill(0), 1);
            const values = toNumbers(attentionSync(query, cache, { backend }));
            for (const [i, x] of values.entries()) expectNumber(x, numbers[i % width]);
          }
        }
      }
    });

    it('keeps a value of NaN from rows that do not attend it', () => {
      const cache = new KeyValueCache({ batch: 1, heads: 1, width: 8, capacity: 70, type: 'float8' });
      const random = new Random(`NaN ${backend}`);
      const [key, value] = [0, 1].map(() => random.tensor('float32', [1, 1, 70, 8]));
      cache.append(key, value);
      const query = random.tensor('float32', [1, 1, 70, 8]);
      const clean = toNumbers(attentionSync(query, cache, { causal: true, backend }));
      writeRow(cache, 'value', 40, [0, 0, 0x7f, 0, 0, 0xff, 0, 0], 1);
      const spoilt = toNumbers(attentionSync(query, cache, { causal: true, backend }));
      assert.deepEqual(spoilt.slice(0, 40 * 8), clean.slice(0, 40 * 8));
      for (let i = 40 * 8; i < 70 * 8; i++) assert.equal(Number.isNaN(spoilt[i]), [2, 5].includes(i % 8));
    });
  },
  'cuda',
);

eachBackend('attention over a cache of float8', (backend) => {
  it('is as exact as the guide says, beside int8', function () {
    this.timeout(60_000);
    const random = new Random(`accuracy ${backend}`);
    const [heads, steps, width] = [6, 150, 64];
    const dims = (count: number) => [1, heads, count, width];
    const query = random.tensor('float32', dims(4));
    const key = random.tensor('float32', dims(steps));
    const errorOf = (type: 'int8' | 'float8', value: Tensor, column?: number) => {
      const cache = filledCache(random, key, value, { type, location: locationOf(backend) });
      const expected = attentionOracle(query, key, value, {}).output;
      const output = toNumbers(attentionSync(query, cache, { backend }));
      const some = (numbers: readonly number[]) => numbers.filter((_, i) => i % width !== column);
      const kept = some(output);
      return relativeError(new Tensor(Float64Array.from(kept), [kept.length]), some([...expected]));
    };
    const value = random.tensor('float32', dims(steps));
    const [integers, floats] = [errorOf('int8', value), errorOf('float8', value)];
    assert.ok(integers > 0.002 && integers < 0.015, `${integers} with int8`);
    assert.ok(floats > 0.015 && floats < 0.06, `${floats} with float8`);
    // Beside one large element, float8 keeps the others as before.
    for (let i = 5; i < value.size; i += width) value.data[i] = (value.data[i] as number) * 200;
    const [coarse, same] = [errorOf('int8', value, 5), errorOf('float8', value, 5)];
    assert.ok(coarse > 0.2, `${coarse} with int8, beside large elements`);
    assert.ok(same < 0.06, `${same} with float8, beside large elements`);
  });
});
