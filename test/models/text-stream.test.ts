import assert from 'node:assert/strict';
import { TextStream } from '../../lib/models/text-stream.js';
import { Random } from '../support/random.js';

/** Tokens are bytes, so that characters of several are whole with their last alone. */
const decode = (tokens: readonly number[]) => Buffer.from(tokens).toString('utf8');

function streamed(tokens: readonly number[], stops: readonly string[]): string[] {
  const stream = new TextStream(decode, stops);
  const pieces: string[] = [];
  for (const token of tokens) {
    pieces.push(stream.push(token));
    if (stream.stopped) return pieces;
  }
  return [...pieces, stream.end()];
}

describe('TextStream', () => {
  const random = new Random('TextStream');
  const letters = ['a', 'b', 'é', '狗', '🦊'];
  const draw = (most: number) =>
    Array.from({ length: random.integer(0, most) }, () => random.pick(letters)).join('');

  it('gives all of a text, in whole characters, up to the first string that ends it', () => {
    for (let repetition = 0; repetition < 2000; repetition++) {
      const text = draw(20);
      const stops = Array.from({ length: random.integer(0, 3) }, () => draw(2) + random.pick(letters));
      const ends = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
      const pieces = streamed([...Buffer.from(text)], stops);
      const complete = stops
        .map((stop) => text.indexOf(stop) + stop.length)
        .filter((_, i) => text.includes(stops[i]));
      // Of several, that one ends it which is complete first.
      const seen = ends.length > 0 ? text.slice(0, Math.min(...complete)) : text;
      const cut = Math.min(seen.length, ...stops.map((stop) => seen.indexOf(stop)).filter((at) => at >= 0));
      assert.equal(pieces.join(''), seen.slice(0, cut), JSON.stringify({ text, stops }));
      assert.ok(pieces.every((piece) => !piece.includes('\uFFFD')));
    }
  });

  it('gives every character as soon as it is certain', () => {
    assert.deepEqual(streamed([...Buffer.from('aé')], []), ['a', '', 'é', '']);
    assert.deepEqual(streamed([...Buffer.from('xabab')], ['abc']), ['x', '', '', 'ab', '', 'ab']);
    assert.deepEqual(streamed([...Buffer.from('xabcd')], ['abc']), ['x', '', '', '']);
  });

  it('gives what is no whole character at the end', () => {
    assert.deepEqual(streamed([97, 0xc3], []), ['a', '', '\uFFFD']);
  });

  it('knows what depends on the token before, as a space does', () => {
    const words = ['once', 'upon', 'a', 'time'];
    const joined = (tokens: readonly number[]) => tokens.map((token) => words[token]).join(' ');
    const pieces = (before: number[], tokens: number[]) => {
      const stream = new TextStream(joined, [], before);
      return tokens.map((token) => stream.push(token));
    };
    assert.deepEqual(pieces([], [0, 1, 2, 3]), ['once', ' upon', ' a', ' time']);
    assert.deepEqual(pieces([0, 1], [2, 3]), [' a', ' time']);
    // Nothing is known of what ends within a character.
    const stream = new TextStream(decode, [], [97, 0xc3]);
    assert.deepEqual([stream.push(98), stream.push(99)], ['b', 'c']);
  });
});
