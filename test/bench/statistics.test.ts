import assert from 'node:assert/strict';
import { growth, quantile, timesOf } from '../../bench/statistics.js';
import { Random } from '../support/random.js';

describe('statistics of the benchmark', () => {
  const random = new Random('statistics of the benchmark');

  it('find quantiles, between two values if need be', () => {
    assert.equal(quantile([1, 2, 4], 0.5), 2);
    assert.equal(quantile([1, 2, 4, 8], 0.5), 3);
    assert.equal(quantile([1, 2, 4, 8], 0), 1);
    assert.equal(quantile([1, 2, 4, 8], 1), 8);
    assert.equal(quantile([0, 10], 0.25), 2.5);
    assert.equal(quantile([7], 0.99), 7);
  });

  it('do not depend on the order of times, and sort them as numbers', () => {
    const times = Array.from({ length: 101 }, (_, i) => i);
    const shuffled = times
      .map((time) => [random.next(), time])
      .sort(([a], [b]) => a - b)
      .map(([, time]) => time);
    const expected = { median: 50, shortest: 0, p1: 1, p10: 10, p90: 90, p99: 99, calls: 101 };
    assert.deepEqual(timesOf(shuffled), expected);
  });

  it('find the exponent of a power law, whatever its factor', () => {
    const steps = [512, 1024, 2048, 4096];
    for (const exponent of [0, 1, 1.97, 2]) {
      const factor = random.uniform(0.001, 1000);
      const times = steps.map((count) => factor * count ** exponent);
      assert.ok(Math.abs(growth(steps, times) - exponent) < 1e-9);
    }
  });
});
