/**
 * Trains the model of `heed generate`, and writes it and what became of its loss beside this file. In a checkout:
 *
 *     npm run build
 *     npm ci --prefix examples/language-model
 *     node dist/examples/language-model/train.js
 *
 * It takes about half an hour on one core. `--steps` ends every lesson after so many steps, `--out` writes into another folder.
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Progress } from '../../lib/cli/progress.js';
import { byteTokens, Tokenizer } from '../../lib/demo/language-model/tokenizer.js';
import { packageRoot } from '../../lib/package-root.js';
import { initialize } from './initialize.js';
import { learnTokens } from './learn-tokens.js';
import { configuration, stepsOf, type TrainingSettings, training } from './settings.js';
import { stories } from './stories.js';
import { loadTensorflow } from './tensorflow.js';
import { type Point, train } from './training-loop.js';
import { writeModel } from './write-model.js';

/** The tokens that follow the bytes. */
export function learnVocabulary({ seed, storiesForTokens }: TrainingSettings): string[] {
  const told = stories(seed);
  const text = Array.from({ length: storiesForTokens }, () => told.next().value).join('');
  return learnTokens(text, configuration.vocab_size - byteTokens);
}

async function main(folder: string, settings: TrainingSettings): Promise<void> {
  const tf = await loadTensorflow();
  using progress = new Progress(2);
  progress.begin('learning the tokens');
  const learnt = learnVocabulary(settings);
  progress.begin('training');
  const parameters = initialize(tf, configuration, settings.seed);
  const curve: Point[] = [];
  await train(tf, parameters, new Tokenizer(learnt), settings, (point) => {
    curve.push(point);
    progress.advance(point.step / stepsOf(settings));
    const figures = `loss ${point.training.toFixed(4)}, of unseen stories ${point.heldOut.toFixed(4)}`;
    if (!process.stderr.isTTY) console.log(`step ${point.step} of ${stepsOf(settings)}: ${figures}`);
  });
  await writeModel(tf, folder, parameters, learnt, { ...settings, curve });
}

if (require.main === module) {
  const { values } = parseArgs({ options: { out: { type: 'string' }, steps: { type: 'string' } } });
  const folder = resolve(values.out ?? join(packageRoot, 'examples/language-model'));
  const most = Number(values.steps ?? Number.POSITIVE_INFINITY);
  const lessons = training.lessons.map((lesson) => ({ ...lesson, steps: Math.min(lesson.steps, most) }));
  void main(folder, { ...training, lessons }).then(() => console.log(`wrote the model to ${folder}`));
}
