/** The report of `heed attend` in a terminal. */
import type { DeviceInfo } from '../backends/devices.js';
import { formatSeconds, type Painter } from '../cli/terminal.js';
import { embeddingWidth } from './embedding.js';
import type { Foretelling } from './expectations.js';
import { layers, widths } from './heads.js';
import type { Kinds } from './kinds.js';
import { describeHead, type Facts, layOut } from './report-parts.js';
import type { Measured, Speed } from './speed.js';
import type { Word } from './words.js';

export interface Run {
  readonly title: string;
  readonly words: readonly Word[];
  /** Whether these are all the words of the text. */
  readonly complete: boolean;
  /** The position of the word that is reported on. */
  readonly chosen: number;
  readonly causal: boolean;
  readonly kinds: Kinds;
  readonly device: DeviceInfo | undefined;
  readonly speed: Speed;
  /** For each head, how much the chosen word looks at every word. */
  readonly rows: readonly Float32Array[];
  readonly foretelling: Foretelling;
}

/** The backend, the device, and the speed. */
export function describeRun({ words, complete, causal, kinds, device, speed }: Run): Facts {
  const [first, second] = layers;
  const count = words.length;
  const facts: Facts = [];
  if (device) {
    facts.push(['device', `${device.name} (${device.backend} backend)`]);
    if (device.instructionSet) facts.push(['instruction set', device.instructionSet]);
    facts.push(['threads', String(device.threads)]);
  }
  facts.push(
    [
      'text',
      `${count} words${complete ? '' : ', the first of a longer text'}, ${embeddingWidth} numbers each`,
    ],
    [
      'first layer',
      `${first.heads.length} heads: query and key [${count}, ${widths.first}], value [${count}, ${widths.value}]`,
    ],
    [
      'second layer',
      `${second.heads.length} head: query and key [${count}, ${widths.second}], value [${count}, ${widths.value}]`,
    ],
    ['looking ahead', causal ? 'no (causal)' : 'yes (not causal)'],
    ['kind', `${kinds.score} scores, ${kinds.select} selection`],
    ['both layers', describeMeasured(speed.layers)],
    ['attention, fused', describeMeasured(speed.fused)],
    ['attention, unfused', describeMeasured(speed.unfused)],
    ['speed-up', `${(speed.unfused.seconds / speed.fused.seconds).toFixed(2)} × over unfused attention`],
  );
  return facts;
}

function describeMeasured({ seconds, operations }: Measured): string {
  return `${formatSeconds(seconds)}, ${(operations / seconds / 1e9).toPrecision(3)} GFLOP/s`;
}

export function report(run: Run, page: string, painter: Painter): string {
  const bold = (text: string) => painter.paint('bold', text);
  const dim = (text: string) => painter.paint('dim', text);
  const { words, chosen } = run;
  const heads = layers.flatMap((layer) => layer.heads);
  const sections = [
    `${bold(`What “${words[chosen].text}” looks at`)} ${dim(`(word ${chosen + 1} of ${words.length})`)}`,
    ...heads.flatMap(({ title }, head) => ['', ...describeHead(title, run, run.rows[head], painter)]),
    '',
    bold('What follows'),
    ...describeForetelling(run.foretelling).map((line) => `  ${line}`),
  ];
  return layOut({ title: run.title, facts: describeRun(run), sections, page }, painter);
}

function describeForetelling({ tried, right, next }: Foretelling): string[] {
  const lines = [
    tried === 0
      ? 'No word occurs twice, so the last head never predicts one.'
      : `The last head predicted a word ${tried} times, and was right ${right} times (${Math.round((100 * right) / tried)} %).`,
  ];
  if (next !== undefined) lines.push(`After the last word it predicts “${next}”.`);
  return lines;
}
