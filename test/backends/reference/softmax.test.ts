import assert from 'node:assert/strict';
import { softmax } from '../../../lib/backends/reference/softmax.js';

const all = (length: number) => new Uint8Array(length).fill(1);

describe('reference softmax', () => {
  it('agrees with numbers worked out by hand', () => {
    const scores = Float64Array.of(Math.log(1), Math.log(2), Math.log(5));
    const logSumExp = softmax(scores, all(3));
    assert.ok(Math.abs(logSumExp - Math.log(8)) < 1e-15);
    for (const [i, weight] of [1 / 8, 2 / 8, 5 / 8].entries())
      assert.ok(Math.abs(scores[i] - weight) < 1e-15);
  });

  it('gives the sink its share', () => {
    const scores = Float64Array.of(Math.log(1), Math.log(2));
    assert.ok(Math.abs(softmax(scores, all(2), Math.log(5)) - Math.log(8)) < 1e-15);
    assert.ok(Math.abs(scores[0] - 1 / 8) < 1e-15);
  });

  it('does not overflow', () => {
    const scores = Float64Array.of(1e300, 1e300, -1e300);
    assert.equal(softmax(scores, all(3)), 1e300);
    assert.deepEqual([...scores], [0.5, 0.5, 0]);
  });

  it('leaves out what may not be attended', () => {
    const scores = Float64Array.of(Number.NaN, 3, 1e9);
    assert.equal(softmax(scores, Uint8Array.of(0, 1, 0)), 3);
    assert.deepEqual([...scores], [0, 1, 0]);
  });

  it('is nothing where nothing may be attended, or the sink', () => {
    for (const sink of [undefined, 7]) {
      for (const attended of [Uint8Array.of(0, 0), all(2)]) {
        const scores = Float64Array.of(Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY);
        assert.equal(softmax(scores, attended, sink), sink ?? Number.NEGATIVE_INFINITY);
        assert.deepEqual([...scores], [0, 0]);
      }
    }
  });
});
