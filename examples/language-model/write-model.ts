/** Writes the trained model to files. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../lib/package-root.js';
import { save } from '../../lib/safetensors.js';
import { numberToFloat16 } from '../../lib/tensor/elements.js';
import type { TensorLike } from '../../lib/tensor/types.js';
import { configuration, type TrainingSettings } from './settings.js';
import type { Tensorflow, TfTensor } from './tensorflow.js';
import type { Point } from './training-loop.js';
import type { Parameters } from './transformer.js';

/** What is known of a training. */
export interface Trained extends TrainingSettings {
  readonly curve: readonly Point[];
}

/** @param learnt the tokens that follow the bytes */
export async function writeModel(
  tf: Tensorflow,
  folder: string,
  parameters: Parameters,
  learnt: readonly string[],
  trained: Trained,
): Promise<void> {
  const tensors: Record<string, TensorLike> = {};
  for (const [name, parameter] of Object.entries(parameters))
    tensors[name] = await toTensor(tf, name, parameter);
  await mkdir(folder, { recursive: true });
  await save(join(folder, 'model.safetensors'), tensors, {
    description: 'A decoder that tells little stories, trained by examples/language-model/train.ts',
  });
  await writeJson(join(folder, 'config.json'), configuration);
  await writeJson(join(folder, 'tokenizer.json'), { learnt });
  await writeJson(join(folder, 'training.json'), trained);
  await writeFile(join(folder, 'loss.svg'), await drawLoss(trained));
}

/** As checkpoints have it: linear maps are [out, in]. */
async function toTensor(tf: Tensorflow, name: string, parameter: TfTensor): Promise<TensorLike> {
  const linear = name.endsWith('_proj.weight');
  const tensor = linear ? tf.transpose(parameter) : parameter;
  return {
    type: 'float16',
    dims: tensor.shape,
    data: Uint16Array.from(await tensor.data(), numberToFloat16),
  };
}

/** The drawing shares its means with the pictures of the documents. */
export async function drawLoss(trained: Trained): Promise<string> {
  const file = pathToFileURL(join(packageRoot, 'examples/language-model/draw-loss.mjs')).href;
  const { drawLoss: draw } = (await import(file)) as { drawLoss: (trained: Trained) => string };
  return draw(trained);
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, null, 1)}\n`);
}
