/// <reference lib="esnext.disposable" preserve="true" />
/** Blocks of transformers: attention and a feed-forward network, with norms and residual sums. */
import { inspect } from 'node:util';
import { type Operation, run, runSync } from '../backends/operation.js';
import { expectLength } from '../checks/lists.js';
import { readOptions } from '../checks/options.js';
import { choiceOption, describe, invalid, isInstance } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { FeedForward } from '../feed-forward/feed-forward.js';
import type { Allocations } from '../memory/allocations.js';
import { type ForwardOptions, MultiHeadAttention } from '../multi-head-attention/multi-head-attention.js';
import type { Tensor } from '../tensor/tensor.js';
import type { FloatType, Location, TensorLike } from '../tensor/types.js';
import { buildBlock } from './call-problems.js';
import { type BlockForm, type BlockNorms, blockForms, normNames, readNorms } from './forms.js';
import { type BlockLoadOptions, loadBlock } from './load.js';
import { readNormOptions } from './norms.js';
import type { TransformerBlockOptions, TransformerBlockParts } from './options.js';

export type { BlockNaming } from './checkpoint-conventions.js';
export type { BlockForm } from './forms.js';
export type { BlockLoadOptions } from './load.js';
export type { BlockNormOptions, NormWeights } from './norms.js';
export type { TransformerBlockOptions, TransformerBlockParts } from './options.js';

/** The options of one call of {@link TransformerBlock.forward}, as {@link MultiHeadAttention.forward} has them. */
export type BlockForwardOptions = Omit<ForwardOptions, 'context'>;

const callOptionNames = [
  'cache',
  'mask',
  'lengths',
  'kvLengths',
  'positions',
  'select',
  'queryStarts',
  'caches',
  'out',
  'signal',
] as const satisfies readonly (keyof BlockForwardOptions)[];

interface Block {
  readonly form: BlockForm;
  readonly norms: BlockNorms;
  readonly attention: MultiHeadAttention;
  readonly feedForward: FeedForward;
}

function required(value: unknown, name: string, expected: string): HeedError {
  return new HeedError(
    'HEED_INVALID_ARGUMENT',
    `Expected ${name} to be ${expected}, received ${describe(value)}`,
  );
}

function expectAlike(attention: MultiHeadAttention, feedForward: FeedForward): void {
  const { layer } = MultiHeadAttention.partOf(attention);
  const { embed, out } = layer.shape;
  const name = 'the width of parts.attention';
  expectLength(out, 'the width of what parts.attention gives', embed, name);
  expectLength(feedForward.embed, 'parts.feedForward.embed', embed, name);
  expectLength(feedForward.out, 'parts.feedForward.out', embed, name);
  if (feedForward.type !== attention.type) {
    throw new HeedError(
      'HEED_TYPE_MISMATCH',
      `Expected parts.feedForward.type to equal parts.attention.type ('${attention.type}'), received '${feedForward.type}'`,
    );
  }
  const { backend } = FeedForward.partOf(feedForward);
  if (backend !== layer.backend) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected parts.feedForward to have the backend of parts.attention ('${layer.backend.name}'), received one with '${backend.name}'`,
    );
  }
}

/**
 * A block of a transformer: attention and a feed-forward network, whose results are added to what they read, and norms.
 * A call is one operation, from input to output. Release it with `dispose()` or `using`; garbage collection does so at the latest.
 *
 * @example
 * const block = new TransformerBlock({ attention, feedForward, attentionNorm, feedForwardNorm });
 * const output = await block.forward(tokens, { queryStarts, caches });
 */
export class TransformerBlock {
  /** Where it has its norms, and what its network reads. */
  readonly form: BlockForm;
  /** The width of inputs and results. */
  readonly embed: number;
  /** The type of inputs and results. */
  readonly type: FloatType;
  /** Where it computes. */
  readonly location: Location;
  /** The number of parameters: the elements of all weights, biases and norms. */
  readonly parameters: number;
  readonly #block: Block;

  /** @throws HeedError for every bad argument: see `code`; HEED_UNSUPPORTED on the cuda backend */
  constructor(parts: TransformerBlockParts, options?: TransformerBlockOptions) {
    if (parts === undefined) throw invalid('parts', 'an object with attention and feedForward', parts);
    const { attention, feedForward, ...norms } = readOptions(
      parts,
      ['attention', 'feedForward', ...normNames],
      'parts',
    );
    if (!isInstance(attention, MultiHeadAttention))
      throw required(attention, 'parts.attention', 'a MultiHeadAttention');
    if (!isInstance(feedForward, FeedForward))
      throw required(feedForward, 'parts.feedForward', 'a FeedForward');
    const values = readOptions(options, ['form', 'norm']);
    const form = choiceOption(values.form, 'options.form', blockForms, 'pre-norm');
    const settings = readNormOptions(values.norm);
    const { layer, hasOutput } = MultiHeadAttention.partOf(attention);
    layer.backend.expectEpilogues('blocks of transformers');
    expectAlike(attention, feedForward);
    if (!hasOutput) {
      throw new HeedError(
        'HEED_INVALID_ARGUMENT',
        'Expected parts.attention to have an output map, received a layer without weights.output',
      );
    }
    const { embed } = layer.shape;
    const read = readNorms(norms, form, settings, embed, layer.backend);
    this.form = form;
    this.embed = embed;
    this.type = attention.type;
    this.location = attention.location;
    this.parameters = attention.parameters + feedForward.parameters + read.parameters;
    this.#block = { form, norms: read.norms, attention, feedForward };
  }

  /**
   * Reads a block from a checkpoint, by the names of its tensors: those of Llama, Gemma, OLMo 2, Phi, GPT-2, GPT-NeoX, BERT,
   * DistilBERT and ModernBERT, which docs/guides/blocks.md lists. Its attention is read as by {@link MultiHeadAttention.load}.
   *
   * @param path as for {@link MultiHeadAttention.load}. The `config.json` of a directory says the activation, the epsilon of
   *   the norms, and what attention needs; without one, these have to be given
   * @throws HeedError (as a rejection) HEED_UNKNOWN_TENSOR if a tensor is missing or has an unknown name, and what
   *   {@link MultiHeadAttention.load} and the constructors throw
   */
  static async load(path: string | URL, options?: BlockLoadOptions): Promise<TransformerBlock> {
    const { norms, feedForward: network, options: settings, ...read } = await loadBlock(path, options);
    const attention = await MultiHeadAttention.load(path, read.attention);
    let feedForward: FeedForward | undefined;
    try {
      feedForward = new FeedForward(network.weights, network.options);
      return new TransformerBlock({ attention, feedForward, ...norms }, settings);
    } catch (error) {
      attention.dispose();
      feedForward?.dispose();
      throw error;
    }
  }

  /** The part that attends. */
  get attention(): MultiHeadAttention {
    return this.#block.attention;
  }

  /** The part that follows it, or stands beside it. */
  get feedForward(): FeedForward {
    return this.#block.feedForward;
  }

  /** Whether the memory of the weights was released. */
  get disposed(): boolean {
    const { attention, feedForward } = this.#block;
    return attention.disposed || feedForward.disposed;
  }

  /**
   * Computes the whole block as one operation on heed's own threads, without blocking the event loop. Caches, positions and
   * masks are those of its attention; rows of padding pass through the feed-forward network as all others do.
   *
   * @param input [batch, steps, embed], of the type of the block; with `queryStarts` [tokens, embed]
   * @returns the same dims, in that type; `options.out` if given
   * @throws HeedError (as a rejection) for every bad argument, before any work starts: see `code`.
   *   When aborted, it rejects with the signal's reason.
   */
  async forward(input: TensorLike, options?: BlockForwardOptions): Promise<Tensor> {
    return await run((allocations) => this.#prepare(allocations, input, options));
  }

  /** {@link forward}, synchronously: it throws instead of rejecting, and blocks the event loop. */
  forwardSync(input: TensorLike, options?: BlockForwardOptions): Tensor {
    return runSync((allocations) => this.#prepare(allocations, input, options));
  }

  /** Disposes of its attention and its feed-forward network. May be called again. */
  dispose(): void {
    this.#block.attention.dispose();
    this.#block.feedForward.dispose();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal */
  [inspect.custom](): string {
    return `TransformerBlock ${this.type}, ${this.form}, ${this.embed}${this.disposed ? ', disposed' : ''}`;
  }

  #prepare(allocations: Allocations, input: unknown, options: unknown): Operation<Tensor> {
    const { form, norms } = this.#block;
    const attention = MultiHeadAttention.partOf(this.#block.attention);
    const feedForward = FeedForward.partOf(this.#block.feedForward);
    const values = { ...readOptions(options, callOptionNames), context: undefined };
    const call = attention.read(input, values);
    const { signal } = call.attention.settings;
    const built = buildBlock({ form, norms, attention, feedForward }, call, allocations);
    return { backend: attention.layer.backend, signal, ...built };
  }
}
