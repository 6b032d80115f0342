/** Words and colours for a terminal; plain words where there is none. */
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Styles text if the output shows colours (and NO_COLOR does not forbid them). */
export class Painter {
  constructor(private readonly coloured: boolean) {}

  static for(stream: NodeJS.WriteStream): Painter {
    return new Painter(stream.isTTY && stream.hasColors());
  }

  paint(style: Style, text: string): string {
    // Newer versions of Node.js would look at stdout by themselves, whatever the text is for.
    return this.coloured ? styleText(style, text, { validateStream: false }) : text;
  }
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A share of `width` columns, to an eighth of a column. */
export function bar(share: number, width: number): string {
  const length = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  return '█'.repeat(length >> 3) + eighths[length & 7];
}

/** Fills up with spaces to a width; what is longer is cut. */
export function pad(text: string, width: number): string {
  const characters = [...text];
  if (characters.length > width) return `${characters.slice(0, width - 1).join('')}…`;
  return text + ' '.repeat(width - characters.length);
}

/** Three digits, as a page has them. */
export function formatWeight(weight: number): string {
  if (weight < 0.001) return '< 0.001';
  return weight >= 0.9995 ? '1.00' : weight.toPrecision(3);
}

export function formatSeconds(seconds: number): string {
  // What three digits would round up to 1000 belongs to the next unit.
  if (seconds >= 0.9995) return `${seconds.toPrecision(3)} s`;
  if (seconds >= 0.9995e-3) return `${(seconds * 1e3).toPrecision(3)} ms`;
  return `${(seconds * 1e6).toPrecision(3)} µs`;
}
