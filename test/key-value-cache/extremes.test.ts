/** Tests what caches of int8 and float8 make of numbers at the ends of their range, and of those that are not finite. */
import assert from 'node:assert/strict';
import { attentionDetailsSync, attentionSync } from '../../lib/attention/attention.js';
import { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType } from '../../lib/tensor/types.js';
import { backendsAtHand, eachBackend } from '../support/backends.js';
import { storedIn } from '../support/cached.js';
import { toNumbers } from '../support/numbers.js';
import { Random } from '../support/random.js';

const greatest = (2 - 2 ** -23) * 2 ** 127;
const least = 2 ** -149;
const width = 12;

/** Rows whose largest magnitudes are the ends of float32's range and everything between. */
function finiteRows(random: Random): number[][] {
  const magnitudes = [0, least, 2 * least, 127 * least, 128 * least, 180 * least, greatest, greatest / 2];
  for (let exponent = -149; exponent <= 127; exponent++)
    magnitudes.push(Math.fround(2 ** exponent * random.uniform(1, 2)));
  const rows = magnitudes.map((magnitude) => {
    const row = Array.from({ length: width }, () => Math.fround(magnitude * random.uniform(-1, 1)));
    row[random.integer(0, width - 1)] = random.chance(0.5) ? magnitude : -magnitude;
    return row;
  });
  rows.push(new Array(width).fill(-0), new Array(width).fill(greatest), new Array(width).fill(-greatest));
  return rows;
}

/** A cache with each row as key and value of an entry of its own. */
function cacheOf(
  stored: 'int8' | 'float8',
  type: FloatType,
  rows: readonly (readonly number[])[],
): KeyValueCache {
  const cache = new KeyValueCache({ batch: rows.length, heads: 1, width, capacity: 1, type: stored });
  const tensor = new Tensor(Float64Array.from(rows.flat()), [rows.length, 1, 1, width]).cast(type);
  cache.append(tensor, tensor);
  return cache;
}

/** The distance of the multiples around x, in a row up to `largest`. There are no steps finer than the least number. */
const stepOf = {
  int8: (_: number, largest: number) => largest / 127 + least,
  float8: (x: number, largest: number) => Math.max(Math.abs(x) / 8, (largest / 448) * 2 ** -9) + least,
};

/** What queries that ask for one element of the only key get, and the value that belongs to the key. */
function read(backend: 'reference' | 'cpu', cache: KeyValueCache): { keys: number[][]; values: number[][] } {
  const rows = (output: number[]) =>
    Array.from({ length: cache.batch }, (_, entry) => output.slice(entry * width, (entry + 1) * width));
  const query = Tensor.zeros('float32', [cache.batch, 1, width, width]);
  for (let i = 0; i < cache.batch * width; i++) query.data[i * width + (i % width)] = 1;
  const { scores } = attentionDetailsSync(query, cache, { scale: 1, include: ['scores'], backend });
  const nothing = Tensor.zeros('float32', [cache.batch, 1, 1, width]);
  return {
    keys: rows(toNumbers(scores as Tensor)),
    values: rows(toNumbers(attentionSync(nothing, cache, { backend }))),
  };
}

for (const stored of ['int8', 'float8'] as const) {
  eachBackend(
    `a cache of extreme numbers in ${stored}`,
    (on) => {
      const backend = on as 'reference' | 'cpu';

      // A cache rounds float64, which the reference appends, to float32 first; the cpu backend appends all others.
      for (const type of ['float32', 'float64'] as const) {
        it(`keeps each to half a step, and the largest of its row itself, of ${type}`, () => {
          const rows = finiteRows(new Random(`extremes ${backend} ${type} ${stored}`));
          const { keys, values } = read(backend, cacheOf(stored, type, rows));
          for (const [entry, row] of rows.entries()) {
            const largest = Math.max(...row.map(Math.abs));
            for (const kept of [keys[entry], values[entry]]) {
              for (const [d, x] of row.entries()) {
                const isKept = Math.abs(x) === largest && largest > 2 ** -100;
                const step = isKept ? 0 : stepOf[stored](x, largest);
                const error = Math.abs(kept[d] - x);
                const what = `${x} of a row up to ${largest} is ${kept[d]}`;
                assert.ok(error <= step / 2 + largest * 1e-6, what);
              }
            }
          }
        });

        it(`makes NaN of a row with a number that is not finite, and of no other, of ${type}`, () => {
          const random = new Random(`not finite ${backend} ${type} ${stored}`);
          const poisons = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
          if (type === 'float64') poisons.push(3.5e38, -1e300);
          for (const poison of poisons) {
            const rows = finiteRows(random).slice(-20);
            const clean = read(backend, cacheOf(stored, type, rows));
            const spoilt = random.integer(0, rows.length - 1);
            rows[spoilt][random.integer(0, width - 1)] = poison;
            const { keys, values } = read(backend, cacheOf(stored, type, rows));
            for (const entry of rows.keys()) {
              const nothing = new Array(width).fill(Number.NaN);
              assert.deepEqual(keys[entry], entry === spoilt ? nothing : clean.keys[entry], `${poison}`);
              assert.deepEqual(values[entry], entry === spoilt ? nothing : clean.values[entry], `${poison}`);
            }
          }
        });
      }

      for (const type of ['float16', 'bfloat16', 'float64'] as const) {
        it(`keeps ${type} as it keeps the same numbers in float32`, () => {
          const rows = finiteRows(new Random(`alike ${backend} ${type} ${stored}`));
          rows.push([Number.NaN, ...new Array(width - 1).fill(1)]);
          const tensor = new Tensor(Float32Array.from(rows.flat()), [rows.length, width]).cast(type);
          const rounded = toNumbers(tensor);
          const same = rows.map((_, i) => rounded.slice(i * width, (i + 1) * width));
          assert.deepEqual(storedIn(cacheOf(stored, type, same)), storedIn(cacheOf(stored, 'float32', same)));
        });
      }
    },
    'cuda',
  );
}

it('an int8 cache has no −0', () => {
  const cache = cacheOf('int8', 'float32', [[-1, ...new Array(width - 1).fill(-0)]]);
  const query = Tensor.zeros('float32', [1, 1, 1, width]);
  for (const backend of backendsAtHand()) {
    const chosen = attentionSync(query, cache, { select: 'hard', backend });
    assert.deepEqual([...chosen.data], [-1, ...new Array(width - 1).fill(0)]);
  }
});

it('an int8 cache keeps extreme numbers of outlier channels finite, and near', () => {
  const random = new Random('extreme outliers');
  const wide = 40;
  for (let exponent = -149; exponent <= 127; exponent += 3) {
    const magnitude = exponent > 120 ? greatest : Math.fround(2 ** exponent * random.uniform(1, 2));
    // A row with an outlier, and one whose numbers are all as large.
    const rows = [1e-3, 1].map((share) =>
      Array.from({ length: wide }, (_, d) => Math.fround(d === 5 ? -magnitude : magnitude * share)),
    );
    for (const type of ['float32', 'float64'] as const) {
      const cache = new KeyValueCache({ batch: 1, heads: 1, width: wide, capacity: 2, type: 'int8' });
      const key = new Tensor(Float64Array.from(rows.flat()), [1, 1, 2, wide]).cast(type);
      cache.append(key, key);
      for (const [step, { multiples, scale, factors }] of storedIn(cache)[0].keys.entries()) {
        if (magnitude > 1e-30) assert.ok(factors[5] > 1, `${magnitude}`);
        for (const [d, multiple] of multiples.entries()) {
          const kept = Math.fround(multiple * scale) * factors[d];
          assert.ok(Math.abs(kept) <= greatest, `${rows[step][d]} is ${kept}`);
          // Numbers as large as those of other channels are stored coarsely in an outlier channel.
          const error = Math.abs(kept - rows[step][d]);
          const allowed = step === 0 ? magnitude / 254 + least : (magnitude * factors[d]) / 127 + least * 64;
          assert.ok(error <= allowed * 1.000001, `${rows[step][d]} is ${kept}`);
        }
      }
    }
  }
});
