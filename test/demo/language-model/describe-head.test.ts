import assert from 'node:assert/strict';
import { describeHead } from '../../../lib/demo/language-model/head-scores.js';

describe('description of a head', () => {
  const describeScores = (previous: number, induction: number) =>
    describeHead({ layer: 1, head: 2, previous, induction });

  it('names a head after what has most of its weight', () => {
    assert.match(describeScores(0.1, 0.8).title, /^Layer 2, head 3: induction$/);
    assert.match(describeScores(0.9, 0).title, /^Layer 2, head 3: previous token$/);
    assert.match(describeScores(0.3, 0.3).title, /^Layer 2, head 3$/);
  });

  it('tells both scores', () => {
    for (const [previous, induction] of [
      [0.1, 0.8],
      [0.9, 0],
      [0.31, 0.29],
    ]) {
      const expected = `(previous token ${previous.toFixed(2)}, induction ${induction.toFixed(2)})`;
      assert.ok(describeScores(previous, induction).meaning.endsWith(expected));
    }
  });
});
