import assert from 'node:assert/strict';
import {
  embed,
  embeddingWidth,
  layout,
  longestText,
  placeFrequencies,
  spell,
} from '../../lib/demo/embedding.js';
import { Random } from '../support/random.js';
import { asWords, randomText, randomVocabulary, randomWord } from './random-text.js';

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((sum, value, i) => sum + value * b[i], 0);
}

const lettersOf = (key: string) => spell(key).subarray(0, layout.letters.width);
const wordOf = (key: string) => spell(key).subarray(layout.letters.width);

describe('embedding of words', () => {
  const random = new Random('embedding');
  const vocabulary = randomVocabulary(random, 300);

  it('is laid out without gaps or overlaps', () => {
    let end = 0;
    for (const { start, width } of Object.values(layout)) {
      assert.equal(start, end);
      end += width;
    }
    assert.equal(end, embeddingWidth);
  });

  it('puts spelling and place where the layout says, and leaves the slot for the previous word empty', () => {
    const text = randomText(random, vocabulary, 20);
    const vectors = embed(asWords(text));
    text.forEach((key, position) => {
      const part = (name: keyof typeof layout) => {
        const first = position * embeddingWidth + layout[name].start;
        return vectors.subarray(first, first + layout[name].width);
      };
      assert.deepEqual(part('letters'), Float32Array.from(lettersOf(key)));
      assert.deepEqual(part('word'), Float32Array.from(wordOf(key)));
      const hands = placeFrequencies.flatMap((w) => [Math.cos(w * position), Math.sin(w * position)]);
      assert.deepEqual(part('place'), Float32Array.from(hands));
      assert.ok(part('previous').every((value) => value === 0));
    });
  });

  it('has letters and word of length 1', () => {
    for (const key of [...vocabulary, 'a', '1', '注意']) {
      assert.ok(Math.abs(dot(lettersOf(key), lettersOf(key)) - 1) < 1e-12, key);
      assert.ok(Math.abs(dot(wordOf(key), wordOf(key)) - 1) < 1e-12, key);
    }
  });

  it('has letters whose cosine says how alike words are spelled', () => {
    let wrong = 0;
    for (let i = 0; i < 500; i++) {
      const stem = randomWord(random);
      const form = stem + random.pick(['s', 'ed', 'ing', 'er', 'ly']);
      const other = randomWord(random);
      if (dot(lettersOf(stem), lettersOf(form)) <= dot(lettersOf(stem), lettersOf(other))) wrong++;
    }
    assert.ok(wrong <= 5, `${wrong} of 500 words were less like their own form than like another word`);
  });

  it('has words that are nearly perpendicular however alike they are spelled', () => {
    const sizes = vocabulary.map((key) => Math.abs(dot(wordOf(key), wordOf(`${key}s`))));
    const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
    assert.ok(mean < 0.2, `mean cosine ${mean}`);
    assert.ok(Math.max(...sizes) < 0.85, `largest cosine ${Math.max(...sizes)}`);
  });

  it('tells any two places of the longest text apart', () => {
    // The similarity of two positions depends only on their distance.
    const alike = (distance: number) =>
      placeFrequencies.reduce((sum, w) => sum + Math.sqrt(w) * Math.cos(w * distance), 0) /
      placeFrequencies.reduce((sum, w) => sum + Math.sqrt(w), 0);
    const distances = Array.from({ length: longestText - 1 }, (_, i) => i + 1);
    const most = Math.max(...distances.map(alike));
    assert.ok(most < 0.5, `two places are alike to ${most}`);
  });
});
