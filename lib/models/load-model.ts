/** Models from folders: config.json, weights, and what reads and writes their texts. */
import { join } from 'node:path';
import { readOptions } from '../checks/options.js';
import { choiceOption, invalid, signalOption } from '../checks/values.js';
import { type CacheType, cacheTypes } from '../key-value-cache/slabs.js';
import { readPath } from '../safetensors/paths.js';
import { open, type SafetensorsFile } from '../safetensors.js';
import { type FloatType, isFloatType } from '../tensor/types.js';
import { ModelCheckpoint } from './checkpoint.js';
import { type ReadConfig, readConfig, readTokens } from './config.js';
import { DecoderModel } from './decoder-model.js';
import { EncoderModel } from './encoder-model.js';
import { type Loading, loadHead, loadStack } from './load-stack.js';
import { readJson, readTokenizer } from './tokenizer.js';

/** What the weights of a model may be. */
const weightTypes = ['float32', 'bfloat16', 'float16', 'int8', 'int4'] as const;

/** The options of {@link loadModel}. */
export interface LoadModelOptions {
  /**
   * What weights are: a floating-point type, which everything is computed in; or 'int8' or 'int4', to which those of
   * linear maps are rounded, and everything else is float32. Default: as the rows of the tokens are stored.
   */
  weights?: (typeof weightTypes)[number];
  /** What keys and values of earlier steps are rounded to. Default: the type of the rows. */
  cache?: CacheType;
  /** Ends loading: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Is told which share of the blocks is loaded, from 0 to 1. */
  onProgress?: (share: number) => void;
}

/**
 * Loads a model from a folder, as Hugging Face's libraries save it: `config.json`, `model.safetensors` or several files
 * with `model.safetensors.index.json`, and where they are there `tokenizer.json` (read by the package
 * `@huggingface/tokenizers`), `tokenizer_config.json`, `chat_template.jinja` and `generation_config.json`. The guide
 * "Run a model" lists the families of models. What a file says that heed does not know, and that may change numbers, is
 * refused by its name.
 *
 * @param folder its path, or a `file:` URL of it
 * @returns a decoder, which generates, or an encoder, which embeds: `kind` says which
 * @throws HeedError (as a rejection) HEED_FILE_ERROR for a missing file, HEED_MALFORMED_FILE for a broken one,
 *   HEED_INVALID_ARGUMENT for a model that heed does not run, HEED_UNKNOWN_TENSOR and HEED_SHAPE_MISMATCH for tensors
 *   that are not those of config.json, HEED_MISSING_PACKAGE where `@huggingface/tokenizers` is not installed and the
 *   folder has a tokenizer.json; when aborted, the signal's reason
 *
 * @example
 * using model = await loadModel('SmolLM2-135M-Instruct');
 * if (model.kind === 'decoder') console.log(await model.logits([1, 2, 3]));
 */
export async function loadModel(
  folder: string | URL,
  options?: LoadModelOptions,
): Promise<DecoderModel | EncoderModel> {
  const values = readOptions(options, ['weights', 'cache', 'signal', 'onProgress']);
  const path = readPath(folder, 'folder');
  const weights =
    values.weights === undefined
      ? undefined
      : choiceOption(values.weights, 'options.weights', weightTypes, 'float32');
  const cache =
    values.cache === undefined
      ? undefined
      : choiceOption(values.cache, 'options.cache', cacheTypes, 'float32');
  const signal = signalOption(values.signal, 'options.signal');
  const { onProgress } = values;
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw invalid('options.onProgress', 'a function', onProgress);
  }
  signal?.throwIfAborted();
  const config = await readConfig(path);
  const generation = await readJson(join(path, 'generation_config.json'));
  const ends = readTokens('generation_config.json', 'eos_token_id', generation?.eos_token_id);
  const tokenizer = await readTokenizer(path);
  const file = await open(path);
  try {
    const type = typeOf(file, config, weights);
    const loading: Loading = {
      folder: path,
      file,
      checkpoint: new ModelCheckpoint(file, config.family, type),
      config,
      type,
      quantised: weights === 'int8' || weights === 'int4' ? weights : undefined,
      signal,
      onProgress: onProgress as Loading['onProgress'],
    };
    const stack = await loadStack(loading);
    try {
      const head = config.family.logits && (await loadHead(loading, config.family.logits.map, stack));
      loading.checkpoint.expectAllKnown();
      return head
        ? new DecoderModel(stack, head, ends.length > 0 ? ends : config.endOfText, tokenizer, cache)
        : new EncoderModel(stack, tokenizer);
    } catch (error) {
      stack[Symbol.dispose]();
      throw error;
    }
  } finally {
    await file.close();
  }
}

/** The type of rows, and of weights that are not quantised. */
function typeOf(
  file: SafetensorsFile,
  { family }: ReadConfig,
  weights: (typeof weightTypes)[number] | undefined,
): FloatType {
  if (weights === 'int8' || weights === 'int4') return 'float32';
  if (weights !== undefined) return weights;
  const stored = family.roots
    .map((root) => file.tensors.get(root + family.embeddings.tokens)?.type)
    .find((type) => type !== undefined);
  // What is missing, or is no number, the checkpoint refuses.
  return stored !== undefined && isFloatType(stored) && stored !== 'float64' ? stored : 'float32';
}
