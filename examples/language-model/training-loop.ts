/** Gradient descent: batch after batch of every lesson, the loss of each, and a step against its gradient. */
import { setImmediate } from 'node:timers/promises';
import type { Tokenizer } from '../../lib/demo/language-model/tokenizer.js';
import { type Batch, batches } from './batches.js';
import { lessonBatches } from './lesson-batches.js';
import { Optimizer } from './optimizer.js';
import { configuration, heldOutSeed, stepsOf, type TrainingSettings } from './settings.js';
import type { Tensorflow, TfTensor } from './tensorflow.js';
import { type Parameters, Transformer } from './transformer.js';

/** The loss after so many steps: the mean over the steps since the last such point, and of stories never trained on. */
export interface Point {
  readonly step: number;
  readonly training: number;
  readonly heldOut: number;
}

/** Changes the parameters. */
export async function train(
  tf: Tensorflow,
  parameters: Parameters,
  tokenizer: Tokenizer,
  settings: TrainingSettings,
  onPoint: (point: Point) => void,
): Promise<void> {
  const optimizer = new Optimizer(tf, settings.momentum);
  const measure = heldOutLoss(tf, parameters, tokenizer, settings);
  let step = 0;
  let losses: number[] = [];
  for (const [index, lesson] of settings.lessons.entries()) {
    const { embeddingPace, stories, echoes, length } = lesson;
    const model = new Transformer(tf, configuration, parameters, stories + echoes, length);
    const read = lessonBatches(tokenizer, `${settings.seed}, lesson ${index + 1}`, lesson);
    const end = step + lesson.steps;
    while (step++ < end) {
      const { tokens, next } = read.next().value;
      const rates = { learningRate: learningRateAt(step, settings), embeddingPace };
      // TensorFlow.js on WebAssembly never leaves the thread by itself: signals and files would wait for the end.
      await setImmediate();
      losses.push(await numberOf(optimizer.minimize(() => model.loss(tokens, next), rates)));
      if (step % settings.stepsBetweenPoints !== 0 && step !== stepsOf(settings)) continue;
      const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
      onPoint({ step, training: mean, heldOut: await measure() });
      losses = [];
    }
    step = end;
  }
}

/** @param step counts from 1 */
function learningRateAt(step: number, settings: TrainingSettings): number {
  const { learningRate, warmUpSteps, fallingSteps } = settings;
  const risen = Math.min(1, step / warmUpSteps);
  const fallen = Math.max(0, 1 - (stepsOf(settings) - step + 1) / fallingSteps);
  return learningRate * risen * (0.05 + 0.95 * 0.5 * (1 + Math.cos(Math.PI * fallen)));
}

function heldOutLoss(
  tf: Tensorflow,
  parameters: Parameters,
  tokenizer: Tokenizer,
  { heldOutBatches, heldOutSequences }: TrainingSettings,
): () => Promise<number> {
  const length = configuration.max_position_embeddings;
  const model = new Transformer(tf, configuration, parameters, heldOutSequences, length);
  const unseen = batches(tokenizer, heldOutSeed, heldOutSequences, length);
  const heldOut = Array.from({ length: heldOutBatches }, (): Batch => unseen.next().value);
  return async () => {
    let sum = 0;
    for (const { tokens, next } of heldOut) sum += await numberOf(tf.tidy(() => model.loss(tokens, next)));
    return sum / heldOut.length;
  };
}

async function numberOf(tensor: TfTensor): Promise<number> {
  const [value] = await tensor.data();
  tensor.dispose();
  return value;
}
