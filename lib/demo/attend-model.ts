/**
 * `heed attend --model`: runs the trained heads of a language model over a text, and reports what they look
 * at.
 */
import { resolve } from 'node:path';
import { devices } from '../backends/devices.js';
import { randomUniform } from '../cli/hashing.js';
import { Progress } from '../cli/progress.js';
import { Painter } from '../cli/terminal.js';
import type { AttendOptions } from './attend.js';
import { choosePosition } from './chosen-word.js';
import { continueText } from './language-model/continue-text.js';
import { describeHead, scoreHeads } from './language-model/head-scores.js';
import { LanguageModel } from './language-model/language-model.js';
import { endOfText, tokensAsWords } from './language-model/tokenizer.js';
import { type ModelRun, modelFacts, reportModel } from './model-report.js';
import { collectPage, stretchAround } from './page/collect.js';
import { renderPage, writePage } from './page/page.js';
import { openText } from './text.js';

/**
 * The seed of the default story and of the random tokens that heads are measured on, so that both are always
 * the same.
 */
const seed = 'heed';

interface Reading {
  readonly title: string;
  readonly tokens: readonly number[];
  /** Whether these are all the tokens of the text. */
  readonly complete: boolean;
}

export async function attendModel(text: readonly string[], options: AttendOptions): Promise<void> {
  using model = await LanguageModel.load();
  const { run, heads } = await examine(model, await read(model, text, options.file), options.word);
  const { words, chosen } = run;
  const stretch = stretchAround(chosen, words.length);
  const page = collectPage({
    title: run.title,
    words,
    stretch,
    chosen,
    causal: true,
    heads: heads.map(({ weights, ...description }) => ({
      ...description,
      causalMeaning: description.meaning,
      causal: weights.subarray(stretch.start * words.length, stretch.end * words.length),
    })),
    facts: modelFacts(run),
  });
  const path = resolve(options.out);
  await writePage(path, await renderPage(page));
  console.log(reportModel(run, path, Painter.for(process.stdout)));
}

async function read(model: LanguageModel, text: readonly string[], file?: string): Promise<Reading> {
  const { tokenizer, configuration } = model;
  const most = configuration.max_position_embeddings;
  if (text.length === 0 && file === undefined) {
    const tokens = [endOfText];
    const options = { length: most - 1, temperature: 0.8, draw: randomUniform(seed) };
    for await (const token of continueText(model, [endOfText], options)) tokens.push(token);
    return { title: 'A story that the model tells', tokens, complete: true };
  }
  const source = await openText(text, file);
  const tokens = [endOfText, ...tokenizer.encode(source.text)];
  return { title: source.title, tokens: tokens.slice(0, most), complete: tokens.length <= most };
}

async function examine(model: LanguageModel, { title, tokens, complete }: Reading, word?: string) {
  using progress = new Progress(2);
  progress.begin('attending');
  const began = performance.now();
  const { logits, heads } = await model.examine(tokens);
  const seconds = (performance.now() - began) / 1000;
  progress.begin('measuring the heads');
  const scores = await scoreHeads(model, seed);

  const words = tokensAsWords(model.tokenizer, tokens);
  const weights = heads.flat();
  const inducing = scores.reduce(
    (best, { induction }, i) => (induction > scores[best].induction ? i : best),
    0,
  );
  const chosen = word === undefined ? mostTelling(weights[inducing], words) : choosePosition(words, word);
  const row = (all: Float32Array) => all.subarray(chosen * words.length, (chosen + 1) * words.length);
  const run: ModelRun = {
    title,
    words,
    complete,
    chosen,
    device: devices().find(({ preferred }) => preferred),
    model: model.configuration,
    parameters: model.parameters,
    seconds,
    heads: scores.map((score, i) => ({ ...describeHead(score), row: row(weights[i]) })),
    next: likeliest(logits.subarray(-model.configuration.vocab_size)).map(({ token, probability }) => ({
      text: model.tokenizer.decode([token]),
      probability,
    })),
  };
  return { run, heads: scores.map((score, i) => ({ ...describeHead(score), weights: weights[i] })) };
}

/**
 * The token that gives most weight to what followed the same token before, as an induction head does; if no
 * token comes again, the one that gives most weight to any other. The first token is left out: it absorbs
 * weight that has no target.
 */
function mostTelling(weights: Float32Array, words: readonly { readonly text: string }[]): number {
  let best = 0;
  let heaviest = 0;
  for (let query = 0; query < words.length; query++) {
    for (let key = 1; key < query; key++) {
      const continues = words[key - 1].text === words[query].text;
      // A weight is 1 at most: one that continues comes before all that do not.
      const worth = weights[query * words.length + key] + (continues ? 1 : 0);
      if (worth < heaviest) continue;
      heaviest = worth;
      best = query;
    }
  }
  return best;
}

function likeliest(logits: Float32Array): { token: number; probability: number }[] {
  const highest = logits.reduce((most, score) => Math.max(most, score));
  const sum = logits.reduce((total, score) => total + Math.exp(score - highest), 0);
  return Array.from(logits, (score, token) => ({ token, probability: Math.exp(score - highest) / sum }))
    .sort((a, b) => b.probability - a.probability)
    .slice(0, 5);
}
