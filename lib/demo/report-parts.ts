/** The common parts of the reports of `heed attend`. */

import { bar, formatWeight, type Painter, pad } from '../cli/terminal.js';
import { influencesOf } from './influences.js';
import type { Word } from './words.js';

export type Facts = [name: string, value: string][];

interface Parts {
  readonly title: string;
  readonly facts: Facts;
  /** Lines. */
  readonly sections: readonly string[];
  /** Where the page is. */
  readonly page: string;
}

export function layOut({ title, facts, sections, page }: Parts, painter: Painter): string {
  return [
    '',
    painter.paint('bold', title),
    '',
    ...facts.map(([name, value]) => `  ${painter.paint('dim', pad(name, 20))}${value}`),
    '',
    ...sections,
    '',
    `${painter.paint('bold', 'The page')} with heat maps and lines: ${painter.paint('underline', page)}`,
    '',
  ].join('\n');
}

const listed = 4;

/** @param row how much the chosen word looks at every word */
export function describeHead(
  title: string,
  { words, chosen }: { readonly words: readonly Word[]; readonly chosen: number },
  row: Float32Array,
  painter: Painter,
): string[] {
  const { words: heaviest, rest, nothing } = influencesOf(row, listed);
  const line = (name: string, where: string, weight: number) =>
    `    ${pad(name, 22)}${painter.paint('dim', pad(where, 12))}${formatWeight(weight).padStart(7)}  ${painter.paint('cyan', bar(weight, 30))}`;
  const lines = heaviest.map(({ position, weight }) =>
    line(words[position].text, distance(position - chosen), weight),
  );
  if (rest >= 0.001) lines.push(line('(all other words)', '', rest));
  if (nothing >= 0.001) lines.push(line('(nothing)', '', nothing));
  return [`  ${painter.paint('bold', title)}`, ...lines];
}

function distance(steps: number): string {
  if (steps === 0) return 'itself';
  return steps < 0 ? `${-steps} before` : `${steps} after`;
}
