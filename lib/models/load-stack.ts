/** The parts of a model, from the tensors of its checkpoint. */
import { HeedError } from '../errors.js';
import { FeedForward } from '../feed-forward/feed-forward.js';
import { MultiHeadAttention } from '../multi-head-attention/multi-head-attention.js';
import type { QuantisedType } from '../problem/quantised-weight.js';
import { packWeight } from '../projection/packed-weight.js';
import type { SafetensorsFile } from '../safetensors.js';
import { Tensor } from '../tensor/tensor.js';
import type { FloatType } from '../tensor/types.js';
import { TransformerBlock } from '../transformer-block/transformer-block.js';
import type { ModelCheckpoint, Weights } from './checkpoint.js';
import type { ReadConfig } from './config.js';
import type { LogitsHead } from './decoder-model.js';
import type { BlockNormNames } from './families.js';
import { type Embeddings, type RowNorm, Stack } from './stack.js';

/** What is loaded from where, and how. */
export interface Loading {
  readonly folder: string;
  readonly file: SafetensorsFile;
  readonly checkpoint: ModelCheckpoint;
  readonly config: ReadConfig;
  readonly type: FloatType;
  readonly quantised: QuantisedType | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((share: number) => void) | undefined;
}

export async function loadStack(loading: Loading): Promise<Stack> {
  const { config, type, signal, onProgress } = loading;
  const embeddings = await loadEmbeddings(loading);
  const [vocabulary, tokenWidth] = embeddings.tokens.dims;
  const width = embeddings.map?.weight.dims[0] ?? tokenWidth;
  expectStated(config, 'hidden_size', config.stated.width, width);
  expectStated(config, 'vocab_size', config.stated.vocabulary, vocabulary);
  const blocks: TransformerBlock[] = [];
  const groups = config.layers / config.layersPerGroup;
  try {
    for (let i = 0; i < groups; i++) {
      signal?.throwIfAborted();
      const block = await loadBlock(loading, i, width);
      for (let layer = 0; layer < config.layersPerGroup; layer++) blocks.push(block);
      onProgress?.((i + 1) / groups);
    }
    const { lastNorm } = config.family;
    return new Stack({
      config: {
        modelType: config.modelType,
        layers: config.layers,
        width,
        vocabulary,
        longest: embeddings.positions
          ? embeddings.positions.table.dims[0] - embeddings.positions.first
          : config.longest,
      },
      type,
      embeddings,
      blocks,
      lastNorm: lastNorm === undefined ? undefined : await loadNorm(loading, lastNorm, width),
    });
  } catch (error) {
    for (const block of new Set(blocks)) block.dispose();
    embeddings.map?.weight.dispose();
    throw error;
  }
}

async function loadEmbeddings(loading: Loading): Promise<Embeddings> {
  const { checkpoint, config, quantised } = loading;
  const names = config.family.embeddings;
  const tokens = await checkpoint.read(names.tokens, [undefined, undefined]);
  const [, width] = tokens.dims;
  const positions = names.positions && {
    table: await checkpoint.read(names.positions.table, [undefined, width]),
    first: names.positions.first?.(config.padding) ?? 0,
  };
  if (positions) {
    expectStated(config, 'max_position_embeddings', config.stated.longest, positions.table.dims[0]);
  }
  const map = names.map === undefined ? undefined : await checkpoint.map(names.map, [undefined, width]);
  return {
    tokens,
    scale: names.scaled ? Math.sqrt(width) : 1,
    positions,
    types: names.types === undefined ? undefined : await checkpoint.read(names.types, [undefined, width]),
    norm: names.norm === undefined ? undefined : await loadNorm(loading, names.norm, width),
    map: map && { weight: packWeight(map.weight, quantised && { type: quantised }), bias: map.bias },
  };
}

/** @param i the number of the block; of its group, where blocks share weights */
async function loadBlock(loading: Loading, i: number, width: number): Promise<TransformerBlock> {
  const { folder, checkpoint, config, type, quantised } = loading;
  const { family, activation } = config;
  const prefix = family.block.replace('{i}', String(i));
  const names = family.feedForward;
  const inner = config.stated.inner;
  const transposed = names.transposed === true;
  const first = await checkpoint.map(
    prefix + names.up,
    [names.fused && inner !== undefined ? 2 * inner : inner, width],
    transposed,
  );
  const [gate, up] = names.fused
    ? halves(first, prefix + names.up)
    : [names.gate && (await checkpoint.map(prefix + names.gate, [first.weight.dims[0], width])), first];
  const down = await checkpoint.map(prefix + names.down, [width, up.weight.dims[0]], transposed);
  const norms: { -readonly [Name in keyof BlockNormNames]?: Weights } = {};
  for (const [place, name] of Object.entries(family.norms)) {
    norms[place as keyof BlockNormNames] = await checkpoint.norm(prefix + name, width);
  }
  checkpoint.leave(prefix + family.attention.scope);
  const attention = await MultiHeadAttention.load(folder, {
    prefix: checkpoint.root + prefix + family.attention.prefix,
    type,
    ...(quantised && { weights: quantised }),
  });
  const feedForward = new FeedForward(
    { ...(gate && { gate }), up, down },
    { activation, type, ...(quantised && { weights: quantised }) },
  );
  const { type: normType, offset = 0 } = family.norm;
  return new TransformerBlock(
    { attention, feedForward, ...norms },
    { form: family.form, norm: { type: normType, offset, epsilon: config.epsilon } },
  );
}

/** The first half of the rows, and the second. */
function halves({ weight, bias }: Weights, name: string): [Weights, Weights] {
  const rows = weight.dims[0];
  if (rows % 2 !== 0) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name} to have an even number of rows, received ${rows}`,
    );
  }
  const half = (part: number, { type, data, dims, size }: Tensor) => {
    const elements = data.subarray((part * size) / 2, ((part + 1) * size) / 2);
    return new Tensor(type, elements, [dims[0] / 2, ...dims.slice(1)]);
  };
  const both = [0, 1].map((part) => ({
    weight: half(part, weight),
    ...(bias && { bias: half(part, bias) }),
  }));
  return [both[0], both[1]];
}

async function loadNorm({ checkpoint, config }: Loading, name: string, width: number): Promise<RowNorm> {
  const { type, offset = 0 } = config.family.norm;
  return { ...(await checkpoint.norm(name, width)), type, epsilon: config.epsilon, offset };
}

/** @param name of the map of its own, where the model has one */
export async function loadHead(
  { checkpoint, config, quantised }: Loading,
  name: string,
  {
    tokens,
    config: { width, vocabulary },
  }: { tokens: Tensor; config: { width: number; vocabulary: number } },
): Promise<LogitsHead> {
  const options = quantised && { type: quantised };
  const { tied, softcap } = config;
  // Files have the map of tied models too, and transformers does not read it.
  if (tied) checkpoint.leaveWhole(`${name}.weight`);
  const weight = tied ? tokens : await checkpoint.readWhole(`${name}.weight`, [vocabulary, width]);
  return { weight: packWeight(weight, options), softcap };
}

/** Fails where tensors are not as long as config.json says: other numbers would follow. */
function expectStated({ path }: ReadConfig, field: string, said: number | undefined, found: number): void {
  if (said === undefined || said === found) return;
  throw new HeedError(
    'HEED_SHAPE_MISMATCH',
    `Expected the tensors to have ${field} ${said}, as ${path} says, found ${found}`,
  );
}
