import assert from 'node:assert/strict';
import { learnTokens } from '../../../examples/language-model/learn-tokens.js';
import { stories } from '../../../examples/language-model/stories.js';
import { byteTokens, splitPieces, Tokenizer } from '../../../lib/demo/language-model/tokenizer.js';
import { Random } from '../../support/random.js';

describe('tokens', () => {
  const random = new Random('tokens');
  const told = stories(`test ${random.integer(0, 1e9)}`);
  const text = Array.from({ length: 40 }, () => told.next().value).join('\n');
  const learnt = learnTokens(text, 120);
  const tokenizer = new Tokenizer(learnt);

  it('give back every text', () => {
    const characters = [...'aeiou stn.,"\n\t0123', 'é', 'ß', '注', '🦊', '\u0301'];
    for (let i = 0; i < 200; i++) {
      const written = Array.from({ length: random.integer(0, 40) }, () => random.pick(characters)).join('');
      assert.equal(tokenizer.decode(tokenizer.encode(written)), written);
    }
    for (let i = 0; i < 20; i++) {
      const story = told.next().value;
      assert.equal(tokenizer.decode(tokenizer.encode(story)), story);
    }
  });

  it('are bytes first, then what was learnt, each once', () => {
    assert.equal(tokenizer.size, byteTokens + 120);
    assert.equal(new Set(learnt).size, 120);
    for (const [i, token] of learnt.entries()) {
      assert.equal(tokenizer.decode([byteTokens + i]), Buffer.from(token, 'latin1').toString());
    }
    assert.deepEqual(tokenizer.encode('\u0001'), [1]);
  });

  it('are learnt by joining the most frequent pair, then the most frequent of what is there now', () => {
    // "ab" 5 times, "bc" 3 times; then "ab" with "a" 3 times, and "c" with a space never.
    assert.deepEqual(learnTokens('aba aba aba ab ab bc', 2), ['ab', ' ab']);
    assert.deepEqual(learnTokens('xyz xyz xyz', 3), ['xy', 'xyz', ' xyz']);
  });

  it('do not reach across words', () => {
    assert.deepEqual(splitPieces('Who sang? "Rin 12," said\nshe.'), [
      ...['Who', ' sang', '?', ' "', 'Rin', ' 12', ',"', ' said', '\n', 'she', '.'],
    ]);
  });

  it('make a text shorter, the more of them there are', () => {
    const story = told.next().value;
    const lengths = [0, 30, 120].map((count) => new Tokenizer(learnt.slice(0, count)).encode(story).length);
    assert.equal(lengths[0], Buffer.byteLength(story));
    assert.ok(lengths[0] > lengths[1] && lengths[1] > lengths[2], `${lengths}`);
  });
});
