/**
 * How good the model is and how fast: its loss on stories it has never seen, what its heads do, and tokens per second.
 * Where `node bench/setup.mjs` has installed onnxruntime-node, also against that, with the same weights. In a checkout:
 *
 *     npm run build
 *     node dist/examples/language-model/evaluate.js
 */
import { join } from 'node:path';
import { difference, duel } from '../../bench/duel.js';
import type { Contestant } from '../../bench/row.js';
import { timesOf } from '../../bench/statistics.js';
import { threads } from '../../bench/threads.js';
import { pad } from '../../lib/cli/terminal.js';
import { describeHead, scoreHeads } from '../../lib/demo/language-model/head-scores.js';
import { LanguageModel } from '../../lib/demo/language-model/language-model.js';
import { packageRoot } from '../../lib/package-root.js';
import { batches } from './batches.js';
import { lossOf } from './loss.js';
import { OnnxDecoder } from './onnx-decoder.js';
import { heldOutSeed } from './settings.js';

const folder = join(packageRoot, 'examples/language-model');
const sequences = 16;
const seconds = 3;
/** How far logits may lie apart. */
const mostApart = 1e-4;
/** How much of the loss rounding the weights may add. */
const lossOfRounding = [
  ['int8', 0.005],
  ['int4', 0.03],
] as const;
/** Read before writing begins, when the speed of writing is measured. */
const promptLength = 16;

const say = (name: string, text: string) => console.log(`${pad(name, 32)}${text}`);
const perSecond = (tokens: number, milliseconds: number) =>
  `${Math.round((1000 * tokens) / milliseconds)} tokens a second`;

interface Decoder {
  /** Logits of a whole text at once. */
  read(tokens: readonly number[]): Promise<Float32Array>;
  /** The same, the tokens behind the prompt one by one, as if they had just been chosen; the logits of the last. */
  write(tokens: readonly number[]): Promise<Float32Array>;
}

function heedDecoder(model: LanguageModel): Decoder {
  return {
    read: (tokens) => model.forward(tokens),
    write: async (tokens) => {
      using memory = model.makeMemory();
      let logits = await model.forward(tokens.slice(0, promptLength), memory);
      for (const token of tokens.slice(promptLength)) logits = await model.forward([token], memory);
      return logits.slice(-model.configuration.vocab_size);
    },
  };
}

function onnxDecoder(decoder: OnnxDecoder): Decoder {
  return {
    read: (tokens) => {
      decoder.reset();
      return decoder.forward(tokens);
    },
    write: async (tokens) => {
      decoder.reset();
      let logits = await decoder.forward(tokens.slice(0, promptLength));
      for (const token of tokens.slice(promptLength)) logits = await decoder.forward([token]);
      return logits;
    },
  };
}

function contestant(work: () => Promise<Float32Array>): Contestant {
  let result: Float32Array = new Float32Array();
  return {
    run: async () => {
      result = await work();
    },
    result: () => result,
  };
}

async function loadOnnx(model: LanguageModel): Promise<OnnxDecoder | undefined> {
  try {
    return await OnnxDecoder.load(folder, model.configuration, threads);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    return undefined;
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  const end = performance.now() + 1000 * seconds;
  while (times.length < 3 || performance.now() < end) {
    const began = performance.now();
    await work();
    times.push(performance.now() - began);
  }
  return timesOf(times).median;
}

async function main(): Promise<void> {
  using model = await LanguageModel.load(folder);
  const steps = model.configuration.max_position_embeddings;
  const heldOut = batches(model.tokenizer, heldOutSeed, sequences, steps).next().value;
  const tokens = [...heldOut.tokens.subarray(0, steps)];
  const heed = heedDecoder(model);
  const onnx = await loadOnnx(model);

  const loss = await lossOf(heed.read, heldOut, steps);
  say('held-out loss, heed', `${loss.toFixed(4)} nats a token, over ${heldOut.tokens.length} tokens`);
  for (const [type, most] of lossOfRounding) {
    using rounded = await LanguageModel.load(folder, type);
    const roundedLoss = await lossOf((tokens) => rounded.forward(tokens), heldOut, steps);
    const more = roundedLoss / loss - 1;
    say(
      `held-out loss, ${type}`,
      `${roundedLoss.toFixed(4)} nats a token: ${(100 * more).toFixed(2)} % more`,
    );
    if (!(more <= most)) process.exitCode = 1;
    const {
      heed: mine,
      peer,
      ratio,
    } = await duel(
      contestant(() => heedDecoder(rounded).write(tokens)),
      contestant(() => heed.write(tokens)),
      seconds,
    );
    say(
      `writing, ${type}`,
      `${perSecond(steps, mine.median)}, with float32 ${perSecond(steps, peer.median)}`,
    );
    say('writing, ratio', `${ratio.toFixed(2)} × as fast as with float32`);
  }
  for (const score of await scoreHeads(model, heldOutSeed)) {
    const { layer, head, previous, induction } = score;
    say(
      describeHead(score).title,
      `layer ${layer + 1} head ${head + 1}: previous token ${previous.toFixed(3)}, induction ${induction.toFixed(3)}`,
    );
  }
  if (onnx === undefined) {
    say('reading, heed', perSecond(steps, await timed(() => heed.read(tokens))));
    say('writing, heed', perSecond(steps, await timed(() => heed.write(tokens))));
    console.log('onnxruntime-node is not here to be compared with: node bench/setup.mjs installs it');
    return;
  }
  const other = onnxDecoder(onnx);
  say('held-out loss, onnxruntime', `${(await lossOf(other.read, heldOut, steps)).toFixed(4)} nats a token`);
  const apart = difference(await heed.read(tokens), await other.read(tokens));
  say('logits apart', `${apart.absolute.toExponential(1)} at most`);
  if (!(apart.absolute <= mostApart)) process.exitCode = 1;
  for (const [name, work] of [
    ['reading', 'read'],
    ['writing', 'write'],
  ] as const) {
    const mine = contestant(() => heed[work](tokens));
    const theirs = contestant(() => other[work](tokens));
    const { heed: ours, peer, ratio } = await duel(mine, theirs, seconds);
    say(`${name}, heed`, perSecond(steps, ours.median));
    say(`${name}, onnxruntime`, perSecond(steps, peer.median));
    say(`${name}, ratio`, `${ratio.toFixed(2)} × as fast as onnxruntime, ${threads} threads each`);
    say(`${name}, logits apart`, difference(mine.result(), theirs.result()).absolute.toExponential(1));
  }
  await onnx.release();
}

void main();
