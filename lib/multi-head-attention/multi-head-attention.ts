/// <reference lib="esnext.disposable" preserve="true" />
/** Multi-head attention: linear maps into heads, attention in each, and a linear map of their results. */
import { inspect } from 'node:util';
import {
  type AttentionDetails,
  type AttentionDetailsOptions,
  type DetailsRequest,
  readDetails,
} from '../attention/details.js';
import type { Selection } from '../attention/options.js';
import { expectComputable } from '../attention/scoring.js';
import { type Operation, run, runSync } from '../backends/operation.js';
import { expectLength } from '../checks/lists.js';
import { readOptions } from '../checks/options.js';
import { invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { KeyValueCache } from '../key-value-cache/key-value-cache.js';
import type { Allocations } from '../memory/allocations.js';
import { isDirectory, readPath } from '../safetensors/paths.js';
import type { Tensor } from '../tensor/tensor.js';
import type { FloatType, IntegerList, Location, TensorLike } from '../tensor/types.js';
import { type CallArguments, callOptionNames, type Layer, readCall } from './call-arguments.js';
import { buildCall } from './call-problems.js';
import { countParameters, expectReachable, type MultiHeadAttentionWeights, readLinears } from './linear.js';
import { loadWeights } from './load.js';
import { expectConfigured, expectUsable, readModelConfig } from './model-config.js';
import { checkLayerOptions, layerOptionNames, type MultiHeadAttentionOptions } from './options.js';
import { anglesFor } from './positions.js';
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
export type { HeadNormWeights, Linear, MultiHeadAttentionWeights } from './linear.js';
export type { MultiHeadAttentionOptions } from './options.js';

/** The options of one call of {@link MultiHeadAttention.forward}. */
export interface ForwardOptions {
  /** `[batch, context steps, context embed]`: keys and values come from here (cross attention). Default: from the input. */
  context?: TensorLike;
  /**
   * Broadcasts to [batch, heads, queries, keys]. bool: true may be attended; int64, int32 and uint8: 1 may be
   * attended, 0 may not. Floating point: added to the score; −∞ excludes the key exactly as false does. Two
   * axes are [queries, keys], or [batch, keys] where only that fits; see {@link AttentionOptions.mask}.
   */
  mask?: TensorLike;
  /**
   * Keys and values of the earlier steps. The call appends those of the input; they belong to the cache once
   * the promise is fulfilled. Step i of the input has the cache's length + i as its position, for `causal`,
   * `window`, ALiBi and, unless `positions` is given, rotary positions. Every layer of a model needs its own
   * cache. Fails with HEED_CACHE_FULL if an entry would become longer than its capacity, and with
   * HEED_CACHE_BUSY while another call appends steps.
   */
  cache?: KeyValueCache;
  /**
   * How many steps of the context, or of the input without one, are valid as keys, per batch entry. Default: all. Only these
   * are appended to a cache.
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
  /** A tensor to write the output to, which is then returned. Must not share memory with an input. */
  out?: Tensor;
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
}

/** The same, and what to return besides the output, for which heads and queries. */
export type ForwardDetailsOptions = ForwardOptions & Pick<AttentionDetailsOptions, 'include' | 'rows'>;

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
  /** The type of inputs and results. */
  readonly type: FloatType;
  /** Where the layer computes. */
  readonly location: Location;
  /** The number of parameters: the elements of all weights, biases and norms, and of its score's weights. */
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
   *   the result contains the heads side by side. Widths are from 1 to 576 (on a GPU to 512). queryNorm and keyNorm normalise heads, weight [width].
   * @throws HeedError for every bad argument: see `code`
   */
  constructor(weights: MultiHeadAttentionWeights, options: MultiHeadAttentionOptions) {
    const linears = readLinears(weights);
    const checked = checkLayerOptions(readOptions(options, layerOptionNames));
    const shape = layerShape(linears, checked.heads, checked.keyValueHeads, checked.scoring.score);
    const type = checked.type ?? linears.query.type;
    const backend = checked.chooseBackend(type, linears.query.weight.location);
    expectReachable(linears, backend.location);
    expectComputable(backend, checked.scoring);
    if (checked.rotary) expectLength(shape.keyWidth, layerNames.keyWidth, shape.width, layerNames.queryWidth);
    const angles = checked.rotary && anglesFor(checked.rotary, shape.width, backend);
    this.heads = checked.heads;
    this.keyValueHeads = checked.keyValueHeads;
    this.type = type;
    this.location = backend.location;
    this.parameters = countParameters(linears) + countScoreParameters(checked.scoring.score);
    const owned = { ...checked, scoring: ownScoring(checked.scoring, type) };
    this.#layer = { type, shape, options: owned, backend, angles };
    this.#weights = packLayer(backend, type, linears);
  }

  /**
   * Reads a layer from a checkpoint. Recognises these names of tensors: heed's own
   * (`query.weight`, `query.bias`, `key…`, `value…`, `output…`, `queryNorm.weight`, `keyNorm.weight`),
   * nn.MultiheadAttention (`in_proj_weight`, or `q_proj_weight` and so on, and `out_proj.weight`), BERT
   * (`attention.self.query.weight`, `attention.output.dense.weight`), GPT-2 (`c_attn.weight`,
   * `c_proj.weight`, transposed), Llama, Mistral and Qwen (`q_proj.weight`, `o_proj.weight`, `q_norm.weight`)
   * and Phi-3 (`qkv_proj.weight`).
   *
   * @param path file name or `file:` URL of a safetensors file, of an index of several
   *   (`model.safetensors.index.json`), or of a model's directory. A directory may also have a `config.json`,
   *   which provides what tensors do not (heads, causal masking, window, scale, softcap, ALiBi, rotary
   *   positions, epsilon) for the families of models that the guide to layers lists. It is refused, by the
   *   name of a field, where it says something that heed does not know and that may change numbers.
   * @param options as for the constructor, and `prefix`, the prefix of the names above, such as
   *   'encoder.layers.0.self_attn.'; default ''. Options take precedence over `config.json`; without one,
   *   every setting that differs from the default must be given.
   * @throws HeedError (as a rejection) HEED_UNKNOWN_TENSOR if a tensor is missing, or if one has an unknown name and
   *   could change the result, HEED_MALFORMED_FILE for an invalid `config.json`, HEED_INVALID_ARGUMENT for one
   *   that heed cannot follow, HEED_SHAPE_MISMATCH where the tensors have other heads than it says, and what `open`
   *   of heed/safetensors and the constructor throw
   */
  static async load(path: string | URL, options?: LoadOptions): Promise<MultiHeadAttention> {
    const { prefix = '', ...given } = readOptions(options, [...layerOptionNames, 'prefix']);
    const place = readPath(path, 'path');
    const directory = (await isDirectory(place)) ? place : undefined;
    // What is wrong with the options is said before any file is opened.
    if (typeof prefix !== 'string') throw invalid('options.prefix', 'a string', prefix);
    if (directory === undefined || given.heads !== undefined) checkLayerOptions(given);
    const config = directory === undefined ? undefined : await readModelConfig(directory, prefix, given);
    if (directory !== undefined && config === undefined) await expectUsable(directory, given.heads);
    const values = { ...config?.options, ...given };
    const weights = await loadWeights(place, prefix, checkLayerOptions(values));
    if (config !== undefined) expectConfigured(weights, values.heads, config);
    return new MultiHeadAttention(weights, values as MultiHeadAttentionOptions);
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
   * @param input [batch, steps, embed], of the layer's type
   * @returns [batch, steps, out] in the layer's type; `options.out` if given
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
    return this.#build(allocations, readCall(input, readOptions(options, callOptionNames), this.#layer));
  }

  #prepareDetails(allocations: Allocations, input: unknown, options: unknown): Operation<AttentionDetails> {
    const values = readOptions(options, [...callOptionNames, 'include', 'rows']);
    const call = readCall(input, values, this.#layer);
    return this.#build(allocations, call, readDetails(values, call.attention.shape));
  }

  #build(
    allocations: Allocations,
    call: CallArguments,
    request?: DetailsRequest,
  ): Operation<AttentionDetails> {
    const { problems, details, write } = buildCall(this.#layer, this.#live(), call, allocations, request);
    return {
      backend: this.#layer.backend,
      problems,
      result: details,
      signal: call.attention.settings.signal,
      finish(solved) {
        // New steps belong to a cache once all is done, and not at all where that fails.
        if (solved) write?.commit();
        else write?.cancel();
      },
    };
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
