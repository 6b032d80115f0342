import assert from 'node:assert/strict';
import { sample } from '../../../lib/demo/language-model/continue-text.js';
import { Random } from '../../support/random.js';

describe('sampling', () => {
  const random = new Random('sampling');

  it('takes the best token at temperature 0', () => {
    for (let i = 0; i < 50; i++) {
      const scores = Float32Array.from({ length: 20 }, () => random.normal());
      const best = scores.indexOf(Math.max(...scores));
      assert.equal(
        sample(scores, 0, () => random.next()),
        best,
      );
    }
  });

  it('draws tokens as often as softmax(scores / temperature) says', () => {
    for (const temperature of [0.5, 1, 2]) {
      const scores = Float32Array.from({ length: 6 }, () => random.normal());
      const weights = Array.from(scores, (score) => Math.exp(score / temperature));
      const sum = weights.reduce((total, weight) => total + weight, 0);
      const counts = new Array<number>(6).fill(0);
      const draws = 20_000;
      for (let i = 0; i < draws; i++) counts[sample(scores, temperature, () => random.next())]++;
      const chiSquare = counts.reduce((total, count, token) => {
        const expected = (draws * weights[token]) / sum;
        return total + (count - expected) ** 2 / expected;
      }, 0);
      // Five degrees of freedom: exceeded once in a hundred million times.
      assert.ok(chiSquare < 46, `χ² is ${chiSquare}`);
    }
  });

  it('takes the first and the last token where the draw says so', () => {
    const scores = Float32Array.of(1, 1, 1);
    assert.equal(
      sample(scores, 1, () => 0),
      0,
    );
    assert.equal(
      sample(scores, 1, () => 1 - 2 ** -32),
      2,
    );
  });
});
