/// <reference lib="esnext.disposable" preserve="true" />
/** Multi-head attention: linear maps into heads, attention in each, and a linear map of their results. */
import { inspect } from 'node:util';
import {
  type AttentionDetails,
  type AttentionDetailsOptions,
  buildDetails,
  readDetails,
} from '../attention/details.js';
import type { Selection } from '../attention/options.js';
import { expectComputable } from '../attention/scoring.js';
import { type Operation, run, runSync } from '../backends/operation.js';
import { expectLength } from '../checks/lists.js';
import { readOptions } from '../checks/options.js';
import { invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { readCacheList } from '../key-value-cache/cache-list.js';
import type { CacheType, KeyValueCache } from '../key-value-cache/key-value-cache.js';
import type { Allocations } from '../memory/allocations.js';
import type { Elements } from '../memory/device.js';
import type { QuantisedType } from '../problem/quantised-weight.js';
import { isDirectory, readPath } from '../safetensors/paths.js';
import type { Tensor } from '../tensor/tensor.js';
import type { FloatType, IntegerList, Location, TensorLike } from '../tensor/types.js';
import { callOptionNames, contextOptionNames, readCall, readContextCall } from './call-arguments.js';
import type { CallArguments, Layer } from './call-parts.js';
import {
  type Attend,
  type BuiltAttention,
  type BuiltCall,
  buildCall,
  buildContext,
} from './call-problems.js';
import type { CheckpointNaming } from './checkpoint-conventions.js';
import {
  countParameters,
  expectReachable,
  linearsOf,
  locationOf,
  type MultiHeadAttentionWeights,
  partsOf,
  quantisationOf,
  readLinears,
} from './linear.js';
import { loadLayer, readLayerChoice } from './load.js';
import { expectConfigured, expectUsable, readModelConfig } from './model-config.js';
import {
  checkLayerOptions,
  type LayerOptionName,
  layerOptionNames,
  type MultiHeadAttentionOptions,
} from './options.js';
import { type CallValues, packedCallOptionNames, readPackedCall } from './packed-call.js';
import { anglesFor } from './positions.js';
import { ownRelativeBias } from './relative-bias.js';
import { layerNames, layerShape } from './shape.js';
import { countScoreParameters, disposeLayer, type LayerWeights, ownScoring, packLayer } from './weights.js';

export type { RotaryOptions } from '../rotary/options.js';
export type {
  DynamicScaling,
  LinearScaling,
  Llama3Scaling,
  LongRopeScaling,
  RotaryScaling,
  YarnScaling,
} from '../rotary/scaling.js';
export type { CheckpointNaming } from './checkpoint-conventions.js';
export type { HeadNormWeights, Linear, MultiHeadAttentionWeights, NormType } from './linear.js';
export type { MultiHeadAttentionOptions } from './options.js';
export type { RelativeBiasOptions } from './relative-bias.js';

/** The options of one call of {@link MultiHeadAttention.forward}. */
export interface ForwardOptions {
  /**
   * `[batch, context steps, context embed]`: keys and values come from here (cross attention). Or a cache in
   * which {@link MultiHeadAttention.projectContext} kept them, with an entry for each of the batch: the call
   * reads it, and projects queries only. Default: from the input.
   */
  context?: TensorLike | KeyValueCache;
  /**
   * Broadcasts to [batch, heads, queries, keys]. bool: true may be attended; int64, int32 and uint8: 1 may be
   * attended, 0 may not. Floating point: added to the score; −∞ excludes the key exactly as false does. Two
   * axes are [queries, keys], or [batch, keys] where only that fits; see {@link AttentionOptions.mask}.
   */
  mask?: TensorLike;
  /**
   * Keys and values of the earlier steps. The call appends those of the input; they belong to the cache once
   * the promise is fulfilled. Step i of the input has the cache's length + i as its position, for `causal`,
   * `window`, ALiBi and, unless `positions` is given, rotary positions. In a rolling cache, `causal`, `window`
   * and ALiBi count the steps that are left; rotary positions count all that there were. Every layer of a
   * model needs its own cache. Fails with HEED_CACHE_FULL if an entry would become longer than its capacity, and with
   * HEED_CACHE_BUSY while another call appends steps.
   */
  cache?: KeyValueCache;
  /**
   * How many steps of an input that is padded at its end count, per batch entry. Rows of padding are neither
   * attended nor attend: attention gives them zeros, so that they come to the bias of the output map, or to
   * zeros without one. With a cache only the steps that count are appended. Replaces kvLengths; not with a
   * context. Default: all.
   */
  lengths?: IntegerList;
  /**
   * How many steps of the context, or of the input without one, are valid as keys, per batch entry. Default: all. Only these
   * are appended to a cache. Every row of the input is computed; `lengths` leaves its padding out. Not for a kept
   * context whose keys turn by its lengths (dynamic and LongRoPE scaling).
   */
  kvLengths?: IntegerList;
  /**
   * For a layer with `rotary`: the positions of the steps of the input, one for each step or for each [batch,
   * step]. Default: 0, 1, 2, …; with a cache, from its lengths on; with a context, as for `causal`. Steps of
   * a context have the positions 0, 1, 2, … Positions affect the rotation only: `causal`, `window` and ALiBi
   * count steps.
   */
  positions?: IntegerList;
  /** How weights select values: centers for these queries, or another seed. Default: the layer's option. */
  select?: Selection;
  /**
   * For an input of [tokens, embed] in which sequences of different lengths lie end to end: where each starts,
   * followed by the number of tokens. No token attends one of another sequence, and each sequence gets the
   * result that it has alone. A mask broadcasts to [sequences, heads, longest sequence, longest keys];
   * `positions` has one element for each token. Not with `context`, `cache`, `lengths` and `kvLengths`.
   */
  queryStarts?: IntegerList;
  /**
   * With `queryStarts`: keys and values of the earlier steps of each sequence, as `cache` has them for a batch,
   * in a cache of one entry for each. All are of one {@link KeyValuePool}, or forks of one cache, and none is
   * given twice. All are extended, or none is: fails with HEED_CACHE_FULL or HEED_POOL_FULL, before any work, if
   * one has no room, and with HEED_CACHE_BUSY while another call appends steps to one.
   */
  caches?: readonly KeyValueCache[];
  /** A tensor to write the output to, which is then returned. Must not share memory with an input. */
  out?: Tensor;
  /** Cancels the operation: the promise rejects with the signal's reason once nothing accesses the tensors. */
  signal?: AbortSignal;
}

/** The options of {@link MultiHeadAttention.projectContext}. */
export interface ProjectContextOptions {
  /** How many steps of the context are valid, per batch entry: the others are not kept. Default: all. */
  kvLengths?: IntegerList;
  /** What keys and values are rounded to, as in a cache. Default: the layer's type; float32 for float64. */
  type?: CacheType;
  /** Cancels the operation: the promise rejects with the signal's reason once nothing accesses the tensors. */
  signal?: AbortSignal;
}

/** Options of {@link MultiHeadAttention.load}. */
export interface LoadOptions extends Partial<MultiHeadAttentionOptions> {
  /**
   * The prefix of the names of the layer's tensors. With a `config.json`, it also says where in the model the layer is:
   * the number of the layer, encoder or decoder, text or vision. Default ''.
   */
  prefix?: string;
  /**
   * The naming of the tensors. Default: that whose names fit; of several with the same names, the one that
   * belongs to the `model_type` of config.json. 'Gemma 3' and 'Cohere' name norms as Llama does, and have to be
   * given where there is no config.json.
   */
  naming?: CheckpointNaming;
}

/** The same for a batch, and what to return besides the output, for which heads and queries. */
export type ForwardDetailsOptions = Omit<ForwardOptions, 'queryStarts' | 'caches'> &
  Pick<AttentionDetailsOptions, 'include' | 'rows'>;

/** A layer as a part of larger operations. */
export interface LayerPart {
  readonly layer: Layer;
  /** Whether it has an output map. */
  readonly hasOutput: boolean;
  readonly read: (input: unknown, values: CallValues) => CallArguments;
  /** @param residual added to the output, and laid out as it is */
  readonly build: (call: CallArguments, allocations: Allocations, residual?: Elements) => BuiltAttention;
}

/**
 * A multi-head attention layer (Vaswani et al. 2017, "Attention Is All You Need"), with weights
 * packed once and calls that run as one operation. Release it with `dispose()` or `using`; garbage
 * collection does so at the latest.
 *
 * @example
 * const layer = await MultiHeadAttention.load('model.safetensors', { heads: 12, prefix: 'h.0.attn.', causal: true });
 * const output = await layer.forward(input);
 */
export class MultiHeadAttention {
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads. */
  readonly keyValueHeads: number;
  /** Elements of a query and of a key of one head: the width of a cache for the layer. */
  readonly width: number;
  /** Elements of a value of one head. */
  readonly valueWidth: number;
  /** The type of inputs and results. */
  readonly type: FloatType;
  /** The type of its weights: the same, or what they were rounded to. */
  readonly weights: FloatType | QuantisedType;
  /** Where the layer computes. */
  readonly location: Location;
  /** The number of parameters: the elements of all weights, biases and norms, of its score's weights and its relative biases. */
  readonly parameters: number;
  readonly #layer: Layer;
  #weights: LayerWeights | undefined;

  /**
   * Copies and packs the weights: changing the originals afterwards has no effect. Weights on a device are
   * fetched first, which waits for all work that was enqueued there.
   *
   * @param weights linear maps as in nn.Linear, weight [out, in] and bias [out]: query
   *   [heads · width, embed], key [keyValueHeads · width, contextEmbed], value
   *   [keyValueHeads · valueWidth, contextEmbed], and output [out, heads · valueWidth], without which
   *   the result contains the heads side by side. Widths are from 1 to 576 (on a GPU to 512). queryNorm and
   *   keyNorm normalise heads, weight [width], [heads, width] or [heads · width].
   * @throws HeedError for every bad argument: see `code`
   */
  constructor(weights: MultiHeadAttentionWeights, options: MultiHeadAttentionOptions) {
    const linears = readLinears(weights);
    const checked = checkLayerOptions(readOptions(options, layerOptionNames));
    const shape = layerShape(linears, checked.heads, checked.keyValueHeads, checked.scoring.score);
    const type = checked.type ?? linears.query.type;
    const quantisation = quantisationOf(linearsOf(linears), checked.weights);
    const backend = checked.chooseBackend(type, locationOf(linears.query));
    if (quantisation) backend.expectQuantised(quantisation.type);
    expectReachable(partsOf(linears), backend.location);
    expectComputable(backend, checked.scoring);
    if (checked.rotary) expectLength(shape.keyWidth, layerNames.keyWidth, shape.width, layerNames.queryWidth);
    const angles = checked.rotary && anglesFor(checked.rotary, shape.width, backend);
    this.heads = checked.heads;
    this.keyValueHeads = checked.keyValueHeads;
    this.width = shape.keyWidth;
    this.valueWidth = shape.valueWidth;
    this.type = type;
    this.weights = quantisation?.type ?? type;
    this.location = backend.location;
    const { relativeBias } = checked;
    this.parameters =
      countParameters(partsOf(linears)) +
      countScoreParameters(checked.scoring.score) +
      (relativeBias?.weight.size ?? 0);
    const owned = { ...checked, scoring: ownScoring(checked.scoring, type) };
    this.#layer = {
      type,
      shape,
      options: owned,
      backend,
      angles,
      relativeBias: relativeBias && ownRelativeBias(relativeBias),
    };
    this.#weights = packLayer(backend, type, quantisation, linears, shape);
  }

  /**
   * Reads a layer from a checkpoint, by the names of its tensors: those of heed (`query.weight`, `query.bias`,
   * `key…`, `value…`, `output…`, `queryNorm.weight`, `keyNorm.weight`), and those of PyTorch, BERT, ViT, GPT-2,
   * GPT-NeoX, Llama and many others, which docs/guides/layers.md lists.
   *
   * @param path file name or `file:` URL of a safetensors file, of an index of several
   *   (`model.safetensors.index.json`), or of a model's directory. A directory may also have a `config.json`,
   *   which provides what tensors do not (heads, causal masking, window, scale, softcap, ALiBi, rotary
   *   positions, epsilon) for the families of models that the guide to layers lists. It is refused, by the
   *   name of a field, where it says something that heed does not know and that may change numbers.
   * @param options as for the constructor, `prefix`, the prefix of the names above, such as
   *   'encoder.layers.0.self_attn.', default '', and `naming`. Options take precedence over `config.json`; without one,
   *   every setting that differs from the default must be given.
   * @throws HeedError (as a rejection) HEED_UNKNOWN_TENSOR if a tensor is missing, or if one has an unknown name and
   *   could change the result, HEED_MALFORMED_FILE for an invalid `config.json`, HEED_INVALID_ARGUMENT for one
   *   that heed cannot follow, or if several namings have the names found but order rows differently, HEED_SHAPE_MISMATCH where the tensors have other heads than it says, and what `open`
   *   of heed/safetensors and the constructor throw
   */
  static async load(path: string | URL, options?: LoadOptions): Promise<MultiHeadAttention> {
    const { prefix, naming, ...given } = readOptions(options, [...layerOptionNames, 'prefix', 'naming']);
    const place = readPath(path, 'path');
    const directory = (await isDirectory(place)) ? place : undefined;
    // What is wrong with the options is said before any file is opened.
    const choice = readLayerChoice(prefix, naming);
    if (directory === undefined || given.heads !== undefined) checkLayerOptions(given);
    const config =
      directory === undefined
        ? undefined
        : await readModelConfig(directory, choice.prefix, given, checkLayerOptions);
    if (directory !== undefined && config === undefined) await expectUsable(directory, given.heads);
    const values = { ...config?.options, ...given };
    const loaded = await loadLayer(place, choice, config ?? {}, checkLayerOptions(values));
    if (config !== undefined) expectConfigured(loaded.weights, values.heads, config);
    // What callers and config.json say takes precedence over what tensors say.
    for (const [name, value] of Object.entries(loaded.options)) values[name as LayerOptionName] ??= value;
    return new MultiHeadAttention(loaded.weights, values as MultiHeadAttentionOptions);
  }

  /** @internal What a layer is, for operations that it is a part of. */
  static partOf(layer: MultiHeadAttention): LayerPart {
    return {
      layer: layer.#layer,
      hasOutput: layer.#live().output !== undefined,
      read: (input, values) => layer.#read(input, values),
      build: (call, allocations, residual) =>
        buildCall(layer.#layer, layer.#live(), call, allocations, undefined, residual),
    };
  }

  /** What was made by the constructor, and nothing that only inherits from it. */
  static [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && #layer in value;
  }

  /** Whether the memory of the weights was released. */
  get disposed(): boolean {
    return this.#weights === undefined;
  }

  /**
   * Projects the input into queries, keys and values, attends, and projects the result, as one
   * operation on heed's own threads, without blocking the event loop. Step i of the input has
   * position i for `causal`, `window` and ALiBi; with a context, the last query has the position of
   * the last valid step of the context.
   *
   * @param input [batch, steps, embed], of the layer's type; with `queryStarts` [tokens, embed]
   * @returns [batch, steps, out] in the layer's type, or [tokens, out]; `options.out` if given
   * @throws HeedError (as a rejection) for every bad argument, before any work starts: see `code`.
   *   When aborted, it rejects with the signal's reason.
   */
  async forward(input: TensorLike, options?: ForwardOptions): Promise<Tensor> {
    return (await run((allocations) => this.#prepare(allocations, input, options))).output;
  }

  /** {@link forward}, synchronously: it throws instead of rejecting, and blocks the event loop. */
  forwardSync(input: TensorLike, options?: ForwardOptions): Tensor {
    return runSync((allocations) => this.#prepare(allocations, input, options)).output;
  }

  /**
   * {@link forward}, with the scores, weights and log-sum-exps of its attention: as in
   * {@link attentionDetails}, [batch, heads, queries, keys], for the chosen rows.
   */
  async forwardDetails(input: TensorLike, options: ForwardDetailsOptions): Promise<AttentionDetails> {
    return await run((allocations) => this.#prepareDetails(allocations, input, options));
  }

  /** {@link forwardDetails}, synchronously: it throws instead of rejecting, and blocks the event loop. */
  forwardDetailsSync(input: TensorLike, options: ForwardDetailsOptions): AttentionDetails {
    return runSync((allocations) => this.#prepareDetails(allocations, input, options));
  }

  /**
   * Projects the keys and values of a context once, for many calls of {@link forward} over it, such as those
   * of a decoder that generates step by step. `forward` with the result as its `context` gives the same as with
   * the context itself, apart from rounding to the type of the cache. `fork` repeats the entries of one
   * context for several batch entries, which read it once. Dispose of the cache when done.
   *
   * @param context [batch, context steps, context embed], of the layer's type
   * @returns a full cache: keyValueHeads heads, as wide as the layer's keys and values, and at its location
   * @throws HeedError (as a rejection) for every bad argument, before any work starts: see `code`.
   *   When aborted, it rejects with the signal's reason.
   */
  async projectContext(context: TensorLike, options?: ProjectContextOptions): Promise<KeyValueCache> {
    return await run((allocations) => this.#prepareContext(allocations, context, options));
  }

  /** {@link projectContext}, synchronously: it throws instead of rejecting, and blocks the event loop. */
  projectContextSync(context: TensorLike, options?: ProjectContextOptions): KeyValueCache {
    return runSync((allocations) => this.#prepareContext(allocations, context, options));
  }

  /** Releases the weights. May be called again; running operations keep the memory that they need. */
  dispose(): void {
    if (this.#weights) disposeLayer(this.#weights);
    this.#weights = undefined;
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal */
  [inspect.custom](): string {
    const { embed, out } = this.#layer.shape;
    const state = this.disposed ? ', disposed' : '';
    return `MultiHeadAttention ${this.type}, ${this.heads} heads, ${embed} → ${out}${state}`;
  }

  #prepare(allocations: Allocations, input: unknown, options: unknown): Operation<AttentionDetails> {
    const values = readOptions(options, [...callOptionNames, ...packedCallOptionNames]);
    return this.#build(allocations, this.#read(input, values));
  }

  #read(input: unknown, values: CallValues): CallArguments {
    if (values.queryStarts !== undefined) return readPackedCall(input, values, this.#layer, readCacheList);
    if (values.caches !== undefined)
      throw invalid('options.caches', 'given with options.queryStarts', values.caches);
    return readCall(input, values, this.#layer);
  }

  #prepareDetails(allocations: Allocations, input: unknown, options: unknown): Operation<AttentionDetails> {
    const values = readOptions(options, [...callOptionNames, 'include', 'rows']);
    const call = readCall(input, values, this.#layer);
    const request = readDetails(values, call.attention.shape);
    return this.#build(allocations, call, (args) => buildDetails(args, request, allocations));
  }

  #build(allocations: Allocations, call: CallArguments, attend?: Attend): Operation<AttentionDetails> {
    const built = buildCall(this.#layer, this.#live(), call, allocations, attend);
    return this.#operation(built, call.attention.settings.signal);
  }

  #prepareContext(allocations: Allocations, context: unknown, options: unknown): Operation<KeyValueCache> {
    const call = readContextCall(context, readOptions(options, contextOptionNames), this.#layer);
    return this.#operation(buildContext(this.#layer, this.#live(), call, allocations), call.signal);
  }

  #operation<Result>(
    { problems, result, end }: BuiltCall<Result>,
    signal: AbortSignal | undefined,
  ): Operation<Result> {
    return { backend: this.#layer.backend, problems, result, signal, ...(end && { finish: end }) };
  }

  #live(): LayerWeights {
    if (this.#weights === undefined) {
      throw new HeedError(
        'HEED_DISPOSED',
        `Expected a live layer, received a disposed one (${inspect(this)})`,
      );
    }
    return this.#weights;
  }
}
