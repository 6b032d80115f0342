/** Texts of made-up words. */
import { readWords, type Word } from '../../lib/demo/words.js';
import type { Random } from '../support/random.js';

const onsets = [
  'b',
  'br',
  'd',
  'dr',
  'f',
  'fl',
  'g',
  'h',
  'k',
  'l',
  'm',
  'n',
  'p',
  'pl',
  'r',
  's',
  'st',
  't',
  'tr',
  'v',
];
const vowels = ['a', 'e', 'i', 'o', 'u', 'ai', 'ea', 'oo'];
const codas = ['', 'b', 'd', 'g', 'ck', 'l', 'm', 'n', 'nt', 'p', 'r', 'rd', 'sk', 'st', 'x'];

export function randomWord(random: Random): string {
  const syllables = random.integer(2, 3);
  return Array.from(
    { length: syllables },
    () => random.pick(onsets) + random.pick(vowels) + random.pick(codas),
  ).join('');
}

/** Exactly `size` different words. */
export function randomVocabulary(random: Random, size: number): string[] {
  const words = new Set<string>();
  while (words.size < size) words.add(randomWord(random));
  return [...words];
}

/** Words drawn from a vocabulary with equal probability. */
export function randomText(random: Random, vocabulary: readonly string[], length: number): string[] {
  return Array.from({ length }, () => random.pick(vocabulary));
}

export function asWords(text: readonly string[]): readonly Word[] {
  return readWords(text.join(' ')).words;
}
