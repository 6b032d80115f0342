/** What is read in a lesson, step by step: sequences of stories, and of random tokens that come again. */
import type { Tokenizer } from '../../lib/demo/language-model/tokenizer.js';
import { type Batch, batches } from './batches.js';
import { echoes } from './echoes.js';
import type { Lesson } from './settings.js';

export function* lessonBatches(
  tokenizer: Tokenizer,
  seed: string,
  { stories, echoes: repeated, length, periods }: Lesson,
): Generator<Batch, never> {
  const told = batches(tokenizer, seed, stories, length);
  const echoed = echoes(tokenizer.size, seed, repeated, length, periods);
  for (;;) {
    const parts = [told.next().value, echoed.next().value];
    yield { tokens: joined(parts.map(({ tokens }) => tokens)), next: joined(parts.map(({ next }) => next)) };
  }
}

function joined([first, second]: readonly Int32Array[]): Int32Array {
  const both = new Int32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
