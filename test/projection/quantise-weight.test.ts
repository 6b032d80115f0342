import assert from 'node:assert/strict';
import { int4Levels, joinRows, type QuantisedType, takeRows } from '../../lib/problem/quantised-weight.js';
import { errorOf, quantiseWeight } from '../../lib/projection/quantise-weight.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { type FloatType, floatTypes } from '../../lib/tensor/types.js';
import { toNumbers } from '../support/numbers.js';
import { weightOracle } from '../support/quantised-oracle.js';
import { Random, tensorOf } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';

const given = ({ type, data, dims }: Tensor, name = 'weight') => ({
  name,
  type: type as FloatType,
  data,
  columns: dims[0],
  inner: dims[1],
});

/** ‖difference‖ / ‖expected‖ */
function apart(actual: readonly number[], expected: readonly number[]): number {
  const norm = (numbers: readonly number[]) => Math.hypot(...numbers);
  const size = norm(expected);
  const difference = norm(actual.map((x, i) => x - expected[i]));
  return size === 0 ? difference : difference / size;
}

describe('quantiseWeight', () => {
  const random = new Random('quantiseWeight');

  for (const type of floatTypes) {
    it(`gives int8 the nearest multiples of a scale for each row, in ${type}`, () => {
      for (let round = 0; round < 10; round++) {
        const [columns, inner] = [random.integer(1, 9), random.integer(1, 70)];
        const weight = random.tensor(type, [columns, inner], 10 ** random.integer(-3, 3));
        const { values, scales } = quantiseWeight(given(weight), 'int8');
        const numbers = toNumbers(weight);
        assert.deepEqual([values.length, scales.length], [columns * inner, columns]);
        for (let column = 0; column < columns; column++) {
          const row = numbers.slice(column * inner, (column + 1) * inner);
          const most = Math.max(...row.map(Math.abs));
          assert.equal(scales[column], Math.fround(most / 127));
          for (const [i, x] of row.entries()) {
            const multiple = values[column * inner + i];
            assert.ok(Math.abs(multiple) <= 127);
            assert.ok(Math.abs(x - multiple * scales[column]) <= (scales[column] / 2) * 1.00001);
            if (Math.abs(x) === most) assert.equal(multiple, 127 * Math.sign(x));
          }
        }
      }
    });

    it(`gives int4 a scale for each group, and a code for each element, in ${type}`, () => {
      for (let round = 0; round < 10; round++) {
        const [columns, inner] = [random.integer(1, 9), random.integer(1, 150)];
        const groupSize = 8 * random.integer(1, 10);
        const weight = random.tensor(type, [columns, inner], 10 ** random.integer(-3, 3));
        const quantised = quantiseWeight(given(weight), 'int4', groupSize);
        const { values, scales } = quantised;
        assert.equal(values.length, columns * Math.ceil(inner / 2));
        assert.equal(scales.length, columns * Math.ceil(inner / groupSize));
        const [numbers, decoded] = [toNumbers(weight), weightOracle(quantised)];
        for (const [at, x] of numbers.entries()) {
          const [column, i] = [Math.floor(at / inner), at % inner];
          const scale = scales[column * Math.ceil(inner / groupSize) + Math.floor(i / groupSize)];
          const nearest = Math.min(...[...int4Levels].map((level) => Math.abs(x - level * scale)));
          assert.ok(Math.abs(x - decoded[at]) <= nearest + 1e-6 * Math.abs(x), 'another level is nearer');
        }
      }
    });
  }

  it('is off by at most 1 % in int8 and 7.6 % in int4 for Gaussian weights', () => {
    for (const inner of [64, 256, 4096]) {
      const columns = 2 ** 18 / inner;
      // A deviation of their estimate is 0.1 % of it.
      const weight = tensorOf('float32', [columns, inner], () => random.normal());
      for (const [type, most] of [
        ['int8', 0.01],
        ['int4', 0.076],
      ] as const) {
        const quantised = quantiseWeight(given(weight), type);
        const { errors, squares } = errorOf(given(weight), quantised);
        const error = Math.sqrt(errors / squares);
        assert.ok(error <= most && error > most / 3, `${type}, ${inner}: ${error}`);
        // Its own measure of the error is the right one.
        const numbers = toNumbers(weight).slice(0, 4 * inner);
        const few = takeRows(quantised, [{ first: 0, count: 4 }]);
        const own = errorOf(given(tensorOf('float32', [4, inner], (i) => numbers[i])), few);
        const expected = apart(weightOracle(few), numbers);
        assert.ok(Math.abs(Math.sqrt(own.errors / own.squares) - expected) < 1e-9);
      }
    }
  });

  it('keeps zeros, and what is one magnitude throughout', () => {
    for (const type of ['int8', 'int4'] as const) {
      const signs = tensorOf('float32', [5, 77], () => random.pick([-0.3, 0, 0.3]));
      const decoded = weightOracle(quantiseWeight(given(signs), type));
      const numbers = toNumbers(signs);
      for (const [i, x] of numbers.entries()) if (x === 0) assert.equal(Math.abs(decoded[i]), 0);
      const zeros = quantiseWeight(given(tensorOf('float32', [3, 40], () => 0)), type);
      assert.ok(zeros.scales.every((scale) => scale === 0));
      assert.ok(weightOracle(zeros).every((x) => x === 0));
      const same = tensorOf('float32', [3, 70], () => -0.7);
      assert.ok(apart(weightOracle(quantiseWeight(given(same), type)), toNumbers(same)) < 1e-6);
    }
  });

  it('takes magnitudes from the smallest to the largest', () => {
    // Where float32 itself has few digits, int4 and int8 have no more.
    const most = { int8: [0.02, 0.06], int4: [0.13, 0.15] } as const;
    for (const type of ['int8', 'int4'] as const) {
      for (const size of [3e38, 1e38, 1e20, 1e-20, 1e-37, 1e-38, 1e-40, 1e-42]) {
        const weight = tensorOf('float32', [4, 96], () => size * random.uniform(-1, 1));
        const quantised = quantiseWeight(given(weight), type);
        const numbers = toNumbers(weight).map((x) => x / size);
        const error = apart(
          weightOracle(quantised).map((x) => x / size),
          numbers,
        );
        assert.ok(error < most[type][size < 1e-41 ? 1 : 0], `${type} of ${size}: ${error}`);
      }
      const smallest = tensorOf('float32', [2, 33], () => 2 ** -149 * random.integer(-9, 9));
      const decoded = weightOracle(quantiseWeight(given(smallest), type));
      const far = toNumbers(smallest).map((x, i) => Math.abs(x - decoded[i]) * 2 ** 149);
      assert.ok(Math.max(...far) <= (type === 'int8' ? 0 : 6), `${far}`);
      const beneath = tensorOf('float64', [2, 33], () => 1e-310 * random.uniform(-1, 1));
      assert.ok(weightOracle(quantiseWeight(given(beneath), type)).every((x) => x === 0));
    }
  });

  it('rounds halves of int8 to even', () => {
    const row = [127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5];
    const { values } = quantiseWeight(given(tensorOf('float32', [1, 8], (i) => row[i])), 'int8');
    assert.deepEqual([...values], [127, 0, 2, 2, 0, -2, -2, 126]);
  });

  it('names what is not finite, or would not be as a float32', () => {
    for (const type of ['int8', 'int4'] as const) {
      for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e39, -1e39]) {
        const weight = random.tensor('float64', [5, 70]);
        const at = random.integer(0, 349);
        weight.data[at] = wrong;
        throwsHeed(
          () => quantiseWeight(given(weight, 'the.weight'), type),
          'HEED_INVALID_ARGUMENT',
          `Expected the.weight to have only finite elements in the range of float32, received ${wrong} at [${Math.floor(at / 70)}, ${at % 70}]`,
        );
      }
    }
  });

  it('takes weights without elements, however many rows they have', () => {
    for (const type of ['int8', 'int4'] as const) {
      for (const [columns, inner] of [
        [0, 5],
        [2 ** 40, 0],
        [0, 0],
      ]) {
        const empty = { name: 'w', type: 'float32', data: new Float32Array(0), columns, inner } as const;
        const { values, scales } = quantiseWeight(empty, type);
        assert.deepEqual([values.length, scales.length], [0, 0]);
      }
    }
  });

  it('is of each row alone: rows taken and joined are rows quantised', () => {
    const form: [QuantisedType, number][] = [
      ['int8', 32],
      ['int4', 32],
      ['int4', 8],
    ];
    for (const [type, groupSize] of form) {
      const inner = random.integer(1, 80);
      const weight = random.tensor('float32', [12, inner]);
      const numbers = toNumbers(weight);
      const runs = [
        { first: 7, count: 3 },
        { first: 0, count: 2 },
        { first: 11, count: 1 },
        { first: 4, count: 0 },
      ];
      const rows = runs.flatMap(({ first, count }) => numbers.slice(first * inner, (first + count) * inner));
      const expected = quantiseWeight(
        given(tensorOf('float32', [6, inner], (i) => rows[i])),
        type,
        groupSize,
      );
      const whole = quantiseWeight(given(weight), type, groupSize);
      assert.deepEqual(takeRows(whole, runs), expected);
      assert.deepEqual(joinRows(runs.map((run) => takeRows(whole, [run]))), expected);
    }
  });
});
