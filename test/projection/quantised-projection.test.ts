import assert from 'node:assert/strict';
import type { QuantisedType, QuantisedWeight } from '../../lib/problem/quantised-weight.js';
import { type PackedWeight, packWeight } from '../../lib/projection/packed-weight.js';
import { project, projectSync } from '../../lib/projection/project.js';
import { quantiseWeight } from '../../lib/projection/quantise-weight.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { type FloatType, floatTypes, type TensorLike } from '../../lib/tensor/types.js';
import { typesOf } from '../support/attention.js';
import { eachQuantisingBackend } from '../support/backends.js';
import { expectClose, expectSameBits, relativeError, tolerances } from '../support/compare.js';
import { linearOracle, toHeads } from '../support/linear.js';
import { toNumbers } from '../support/numbers.js';
import { poisoned } from '../support/poison.js';
import { quantisedProductOracle, rowOracle } from '../support/quantised-oracle.js';
import { Random, tensorOf } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';

const anyPackWeight = packWeight as (...args: unknown[]) => PackedWeight;

/** Lengths around the sizes at which kernels change their method. */
const lengths = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 96, 100, 127, 129, 160, 257];
const types = ['int8', 'int4'] as const;

function quantised({ type, data, dims }: Tensor, to: QuantisedType, groupSize?: number): QuantisedWeight {
  const [columns, inner] = dims;
  return quantiseWeight({ name: 'weight', type: type as FloatType, data, columns, inner }, to, groupSize);
}

/** Gaussian rows, and rows of which some channels are far larger than the others. */
function withOutliers(random: Random, type: FloatType, rows: number, inner: number): Tensor {
  const channels = Array.from({ length: Math.ceil(inner / 100) }, () => random.integer(0, inner - 1));
  return tensorOf(type, [rows, inner], (i) => {
    const [row, channel] = [Math.floor(i / inner), i % inner];
    return random.normal() * (row % 2 === 0 && channels.includes(channel) ? random.uniform(15, 60) : 1);
  });
}

eachQuantisingBackend('projections with quantised weights', (backend) => {
  const random = new Random(`quantised projections on ${backend}`);
  const round = (type: FloatType) => (type === 'float64' ? (x: number) => x : Math.fround);

  async function intoPoison(
    input: TensorLike,
    weight: PackedWeight,
    bias: TensorLike | undefined,
    dims: readonly number[],
    heads?: number,
  ): Promise<Tensor> {
    const out = poisoned(input.type as FloatType, dims);
    await project(input, weight, bias, { out: out.tensor, ...(heads && { heads }) });
    out.expectMarginsIntact();
    return out.tensor;
  }

  for (const type of typesOf(backend)) {
    for (const to of types) {
      it(`multiplies what input and weight are rounded to, ${type} with ${to}`, async () => {
        let [once, twice] = [0, 0];
        for (let call = 0; call < 25; call++) {
          const [rows, inner, columns] = [random.pick(lengths), random.pick(lengths), random.pick(lengths)];
          const input = withOutliers(random, type, rows, inner);
          const weight = random.tensor(random.pick(floatTypes), [columns, inner]);
          const bias = random.chance(0.5) ? random.tensor(type, [columns]) : undefined;
          const groupSize = to === 'int4' && random.chance(0.5) ? 8 * random.integer(1, 12) : undefined;
          using packed = packWeight(weight, { type: to, backend, ...(groupSize && { groupSize }) });
          assert.equal(packed.type, to);
          assert.deepEqual(packed.dims, [columns, inner]);
          const numbers = toNumbers(input);
          const expected = quantisedProductOracle(
            numbers,
            quantised(weight, to, groupSize),
            bias && toNumbers(bias),
            round(type),
          );
          const what = `${rows} × ${inner} × ${columns}, groups of ${groupSize}:`;
          const result = await intoPoison(input, packed, bias, [rows, columns]);
          expectClose(result, expected, tolerances[type], what, Math.sqrt(inner));
          for (let row = 0; row < rows; row++) {
            if (rowOracle(numbers.slice(row * inner, (row + 1) * inner), round(type)).twice) twice++;
            else once++;
          }
        }
        assert.ok(once > 0 && twice > 0, `${once} rows were rounded once, ${twice} twice`);
      });
    }
  }

  it('cuts the product into heads', async () => {
    for (const to of types) {
      for (let call = 0; call < 8; call++) {
        const [batch, steps, heads, width] = [3, 9, 5, 20].map((most) => random.integer(1, most));
        const inner = random.pick(lengths);
        const input = random.tensor('float32', [batch, steps, inner]);
        const weight = random.tensor('float32', [heads * width, inner]);
        using packed = packWeight(weight, { type: to, backend });
        const rows = quantisedProductOracle(toNumbers(input), quantised(weight, to));
        const result = await intoPoison(input, packed, undefined, [batch, heads, steps, width], heads);
        expectClose(
          result,
          toHeads(rows, { batch, steps, heads, width }),
          tolerances.float32,
          to,
          Math.sqrt(inner),
        );
      }
    }
  });

  // What is promised: see docs/guides/quantised-weights.md.
  const promised = { int8: 0.015, int4: 0.08 };
  it('is off by at most 1.5 % with int8, and 8 % with int4, for rows with and without outliers', async () => {
    // The integers are the same on every backend, and the reference is slow.
    for (const inner of backend === 'reference' ? [64, 320] : [64, 128, 320, 768, 2048, 4096]) {
      // Outliers make most of a result: so many of their weights that the error deviates by 1 % of itself.
      const columns = Math.ceil(20_000 / Math.ceil(inner / 100));
      // And of every other row, which has none, so many results.
      const rows = 2 * Math.ceil(10_000 / columns);
      const weight = random.tensor('float32', [columns, inner]);
      const input = withOutliers(random, 'float32', rows, inner);
      const exact = linearOracle(toNumbers(input), { weight });
      for (const to of types) {
        using packed = packWeight(weight, { type: to, backend });
        const result = toNumbers(await project(input, packed));
        for (const [parity, which] of ['with', 'without'].entries()) {
          const part = (numbers: readonly number[]) =>
            numbers.filter((_, i) => Math.floor(i / columns) % 2 === parity);
          const chosen = part(result);
          const error = relativeError(
            tensorOf('float64', [chosen.length], (i) => chosen[i]),
            part(exact),
          );
          assert.ok(error <= promised[to], `${to}, inner ${inner}, rows ${which} outliers: ${error}`);
          assert.ok(error > promised[to] / 4, `${to}, inner ${inner}: ${error} is too good to be true`);
        }
      }
    }
  });

  it('gives each row the same bits, whatever else is multiplied with it', () => {
    for (const to of types) {
      for (let call = 0; call < 10; call++) {
        const [inner, columns] = [random.pick(lengths), random.pick(lengths)];
        const rows = random.integer(2, 40);
        const type = random.pick(typesOf(backend));
        const input = withOutliers(random, type, rows, inner);
        using packed = packWeight(random.tensor('float32', [columns, inner]), { type: to, backend });
        const all = projectSync(input, packed);
        for (const row of [0, rows - 1, random.integer(0, rows - 1)]) {
          const alone = projectSync(
            new Tensor(type, input.data.subarray(row * inner, (row + 1) * inner), [1, inner]),
            packed,
          );
          const same = new Tensor(type, all.data.subarray(row * columns, (row + 1) * columns), [1, columns]);
          expectSameBits(alone, same);
        }
      }
    }
  });

  it('gives rows of zeros the bias, and rows that are not finite NaN', async () => {
    for (const to of types) {
      const [columns, inner] = [random.pick(lengths), random.pick(lengths)];
      const weight = random.tensor('float32', [columns, inner]);
      const bias = random.tensor('float32', [columns]);
      using packed = packWeight(weight, { type: to, backend });
      const input = tensorOf('float32', [6, inner], () => random.normal());
      (input.data as Float32Array).fill(0, 0, inner);
      const wrong = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
      for (const [i, x] of wrong.entries()) input.data[(2 + i) * inner + random.integer(0, inner - 1)] = x;
      const result = await project(input, packed, bias);
      const expected = quantisedProductOracle(toNumbers(input), quantised(weight, to), toNumbers(bias));
      expectClose(result, expected, tolerances.float32, to, 1);
      const rows = toNumbers(result);
      assert.deepEqual(rows.slice(0, columns), toNumbers(bias));
      assert.ok(rows.slice(2 * columns, 5 * columns).every(Number.isNaN));
      assert.ok(rows.slice(columns, 2 * columns).every(Number.isFinite));
      assert.ok(rows.slice(5 * columns).every(Number.isFinite));
    }
  });

  it('takes magnitudes from the smallest to the largest, of input and weight', async () => {
    for (const to of types) {
      for (const [size, other] of [
        [1e38, 1e-30],
        [1e-30, 1e38],
        [3e38, 1e-44],
        [1e-44, 3e38],
        [1e-38, 1e30],
        [1e30, 1e-38],
        [1e18, 1e18],
        [1e-18, 1e-18],
      ]) {
        const [rows, columns, inner] = [3, 7, random.pick(lengths)];
        const input = tensorOf('float32', [rows, inner], () => size * random.uniform(-1, 1));
        const weight = tensorOf('float32', [columns, inner], () => other * random.uniform(-1, 1));
        using packed = packWeight(weight, { type: to, backend });
        const unit = 1 / (size * other);
        const expected = quantisedProductOracle(toNumbers(input), quantised(weight, to)).map((y) => y * unit);
        const actual = toNumbers(await project(input, packed)).map((y) => y * unit);
        expectClose(
          tensorOf('float64', [actual.length], (i) => actual[i]),
          expected,
          1e-5,
          `${to} ${size} ${other}`,
          Math.sqrt(inner),
        );
      }
    }
  });

  it('answers with what there is when an axis has no length', async () => {
    for (const to of types) {
      const empty = (...dims: number[]) => Tensor.zeros('float32', dims);
      const bias = random.tensor('float32', [4]);
      using none = packWeight(empty(4, 0), { type: to, backend });
      const biases = await project(empty(2, 0), none, bias);
      assert.deepEqual(toNumbers(biases), [...toNumbers(bias), ...toNumbers(bias)]);
      using narrow = packWeight(empty(4, 3), { type: to, backend });
      assert.deepEqual((await project(empty(0, 3), narrow)).dims, [0, 4]);
      using low = packWeight(empty(0, 3), { type: to, backend });
      assert.deepEqual((await project(empty(5, 3), low)).dims, [5, 0]);
    }
  });

  it('keeps its own copy, and takes less memory than bfloat16', async () => {
    const weight = random.tensor('float32', [64, 256]);
    const input = random.tensor('float32', [3, 256]);
    for (const to of types) {
      const expected = quantisedProductOracle(toNumbers(input), quantised(weight, to));
      const copy = new Tensor(Float32Array.from(weight.data as Float32Array), weight.dims);
      using packed = packWeight(copy, { type: to, backend });
      (copy.data as Float32Array).fill(7);
      expectClose(await project(input, packed), expected, tolerances.float32, to);
      const bytes = { int8: 64 * 256 + 64 * 4, int4: 64 * 128 + 64 * 8 * 4 }[to];
      assert.ok(packed.byteLength >= bytes && packed.byteLength <= 1.1 * bytes, `${packed.byteLength}`);
    }
  });
});

describe('packWeight with a type', () => {
  const random = new Random('packWeight with a type');
  const weight = random.tensor('float32', [6, 40]);

  it('refuses what it does not know', () => {
    const options = (given: object) => () => anyPackWeight(weight, { backend: 'reference', ...given });
    for (const type of ['int2', 'float16', 8, null, {}]) {
      const call = options({ type });
      throwsHeed(call, 'HEED_INVALID_ARGUMENT', "Expected options.type to be 'int8' or 'int4'");
    }
    for (const groupSize of [0, 7, 4104, 12, 32.5, '32', Number.NaN, null]) {
      const call = options({ type: 'int4', groupSize });
      throwsHeed(call, 'HEED_INVALID_ARGUMENT', 'Expected options.groupSize to be');
    }
    for (const given of [{ groupSize: 32 }, { type: 'int8', groupSize: 32 }]) {
      const message = "Expected options.groupSize only with options.type 'int4', received 32";
      throwsHeed(options(given), 'HEED_INVALID_ARGUMENT', message);
    }
    throwsHeed(options({ groupsize: 32 }), 'HEED_UNKNOWN_OPTION', "did you mean 'groupSize'?");
  });

  it('refuses weights that are not finite, by name and place', () => {
    const broken = random.tensor('float16', [6, 40]);
    broken.data[3 * 40 + 11] = 0x7c00;
    for (const type of types) {
      throwsHeed(
        () => packWeight(broken, { type, backend: 'reference' }),
        'HEED_INVALID_ARGUMENT',
        'Expected weight to have only finite elements in the range of float32, received Infinity at [3, 11]',
      );
    }
  });

  it('shows it', async () => {
    const { inspect } = await import('node:util');
    const packed = packWeight(weight, { type: 'int4', backend: 'reference' });
    assert.equal(inspect(packed), 'PackedWeight int4 [6, 40]');
  });
});
