/** Invented names and words, made of syllables, so that they can be pronounced. */

const onsets = 'b d f g h j k l m n p r s t v w z br dr gr st tr'.split(' ');
const vowels = 'a e i o u'.split(' ');
const codas = ['', '', '', 'l', 'm', 'n', 'r', 's'];

/** Draws a number in [0, 1). */
export type Draw = () => number;

export function pick<Choice>(draw: Draw, choices: readonly Choice[]): Choice {
  return choices[Math.floor(draw() * choices.length)];
}

export function inventWord(draw: Draw, syllables: number): string {
  const syllable = () => pick(draw, onsets) + pick(draw, vowels) + pick(draw, codas);
  return Array.from({ length: syllables }, syllable).join('');
}

export function inventName(draw: Draw): string {
  const word = inventWord(draw, 2);
  return word[0].toUpperCase() + word.slice(1);
}

/** A few words to be sung. */
export function inventSong(draw: Draw): string {
  const words = pick(draw, [3, 4, 5]);
  return Array.from({ length: words }, () => inventWord(draw, pick(draw, [1, 2]))).join(' ');
}
