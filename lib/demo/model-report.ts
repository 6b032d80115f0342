/** The report of `heed attend --model` in a terminal. */
import type { DeviceInfo } from '../backends/devices.js';
import { bar, formatSeconds, formatWeight, type Painter, pad } from '../cli/terminal.js';
import type { Configuration } from './language-model/configuration.js';
import type { HeadDescription } from './language-model/head-scores.js';
import { describeHead, type Facts, layOut } from './report-parts.js';
import type { Word } from './words.js';

export interface ModelRun {
  readonly title: string;
  /** Its tokens. */
  readonly words: readonly Word[];
  /** Whether these are all the tokens of the text. */
  readonly complete: boolean;
  /** The position of the token that is reported on. */
  readonly chosen: number;
  readonly device: DeviceInfo | undefined;
  readonly model: Configuration;
  readonly parameters: number;
  /** How long the model took to read the text and compute the weights. */
  readonly seconds: number;
  /** `row` is how much the chosen token looks at every token. */
  readonly heads: readonly (HeadDescription & { readonly row: Float32Array })[];
  /** What may follow the last token, the likeliest first. */
  readonly next: readonly { readonly text: string; readonly probability: number }[];
}

export function modelFacts(run: ModelRun): Facts {
  const { device, model, words } = run;
  return [
    ...(device ? [['device', `${device.name} (${device.backend} backend)`] as [string, string]] : []),
    ['text', `${words.length} tokens${run.complete ? '' : ', the first of a longer text'}`],
    [
      'model',
      `${model.num_hidden_layers} layers of ${model.num_attention_heads} heads, ${run.parameters} parameters`,
    ],
    ['looking ahead', 'no (causal)'],
    ['all layers', formatSeconds(run.seconds)],
  ];
}

export function reportModel(run: ModelRun, page: string, painter: Painter): string {
  const bold = (text: string) => painter.paint('bold', text);
  const dim = (text: string) => painter.paint('dim', text);
  const { words, chosen } = run;
  const sections = [
    bold('What the heads do'),
    ...run.heads.map(({ title, meaning }) => `  ${pad(title, 32)}${dim(`a token ${meaning}`)}`),
    '',
    `${bold(`What “${words[chosen].text}” looks at`)} ${dim(`(token ${chosen + 1} of ${words.length}, after “${before(words, chosen)}”)`)}`,
    ...run.heads.flatMap(({ title, row }) => ['', ...describeHead(title, run, row, painter)]),
    '',
    bold('What follows'),
    ...run.next.map(
      ({ text, probability }) =>
        `    ${pad(JSON.stringify(text), 34)}${formatWeight(probability).padStart(7)}  ${painter.paint('cyan', bar(probability, 30))}`,
    ),
  ];
  return layOut({ title: run.title, facts: modelFacts(run), sections, page }, painter);
}

/** A few tokens, as they stand in the text. */
function before(words: readonly Word[], position: number): string {
  return words
    .slice(Math.max(0, position - 6), position)
    .map(({ text, after }) => text + after)
    .join('')
    .trim();
}
