/** `heed generate`: continues a text with the language model that comes with heed, and prints the speed. */
import { randomBytes } from 'node:crypto';
import { randomUniform } from '../cli/hashing.js';
import { formatSeconds, Painter } from '../cli/terminal.js';
import { HeedError } from '../errors.js';
import type { QuantisedType } from '../problem/quantised-weight.js';
import { continueText } from './language-model/continue-text.js';
import { LanguageModel } from './language-model/language-model.js';
import { endOfText } from './language-model/tokenizer.js';

export interface GenerateOptions {
  /** The most tokens to write; default as many as the model can read. */
  readonly length?: number;
  readonly temperature: number;
  readonly seed?: string;
  /** What weights are rounded to; default float32. */
  readonly weights?: QuantisedType;
}

export async function generate(words: readonly string[], options: GenerateOptions): Promise<void> {
  const { temperature, seed = randomBytes(4).toString('hex') } = options;
  const prompt = words.join(' ').trimEnd();
  using model = await LanguageModel.load(undefined, options.weights);
  const { tokenizer } = model;
  const tokens = [endOfText, ...tokenizer.encode(prompt)];
  const room = model.configuration.max_position_embeddings - tokens.length;
  if (room < 1) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected a prompt of fewer than ${tokens.length + room} tokens, received one of ${tokens.length - 1}`,
    );
  }
  process.stdout.write(prompt);
  const times = [performance.now()];
  // A character may end in a later token than it begins in.
  const decoder = new TextDecoder();
  const length = Math.min(room, options.length ?? room);
  for await (const token of continueText(model, tokens, { length, temperature, draw: randomUniform(seed) })) {
    times.push(performance.now());
    process.stdout.write(decoder.decode(tokenizer.bytes(token), { stream: true }));
  }
  process.stdout.write(`${decoder.decode()}\n`);
  console.error(Painter.for(process.stderr).paint('dim', describe(tokens.length - 1, times, seed)));
}

/** @param times when generating began, and when each token was complete */
function describe(prompt: number, times: readonly number[], seed: string): string {
  const written = times.length - 1;
  const [began, first = began] = times;
  const last = times[written];
  const rate = written > 1 ? `, then ${Math.round((1000 * (written - 1)) / (last - first))} a second` : '';
  return `${prompt} tokens read, ${written} written: the first after ${formatSeconds((first - began) / 1000)}${rate}; --seed ${seed}`;
}
