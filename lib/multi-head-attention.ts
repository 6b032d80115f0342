/// <reference lib="esnext.disposable" preserve="true" />
/** Multi-head attention: linear maps into heads, attention in each, and a linear map of their results. */
import { inspect } from 'node:util';
import { type AttentionDetails, type AttentionDetailsOptions, readDetails } from './attention-details.js';
import { solve, solveSync } from './backends.js';
import { readOptions } from './checks/options.js';
import { HeedError } from './errors.js';
import { buildCall, callOptionNames, type Layer, readCall } from './multi-head-attention/call.js';
import {
  countParameters,
  type MultiHeadAttentionWeights,
  readLinears,
} from './multi-head-attention/linear.js';
import { loadWeights } from './multi-head-attention/load.js';
import {
  checkLayerOptions,
  layerOptionNames,
  type MultiHeadAttentionOptions,
} from './multi-head-attention/options.js';
import { layerShape } from './multi-head-attention/shape.js';
import { disposeLayer, type LayerWeights, packLayer } from './multi-head-attention/weights.js';
import type { Tensor } from './tensor.js';
import type { FloatType, Location, TensorLike } from './tensor-type.js';

export type { Linear, MultiHeadAttentionWeights } from './multi-head-attention/linear.js';
export type { MultiHeadAttentionOptions } from './multi-head-attention/options.js';

/** What a call of {@link MultiHeadAttention.forward} may add to its input. */
export interface ForwardOptions {
  /** `[batch, context steps, context embed]`: keys and values come from here (cross attention). Default: from the input. */
  context?: TensorLike;
  /**
   * Broadcasts to [batch, heads, queries, keys]. bool: true may be attended. Floating point: added to
   * the score; −∞ excludes the key exactly as false does.
   */
  mask?: TensorLike;
  /** How many steps of the context, or of the input without one, are valid as keys, per batch entry. Default: all. */
  kvLengths?: ArrayLike<number>;
  /** A tensor to write the output to, which is then what is returned. May not share memory with an input. */
  out?: Tensor;
  /** Cancels: the promise rejects with the signal's reason once nothing touches the tensors any more. */
  signal?: AbortSignal;
}

/** The same, and what to give besides the output, for which heads and queries. */
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
  /** What inputs must be of, and what results are of. */
  readonly type: FloatType;
  /** Where the layer computes. */
  readonly location: Location;
  /** How many numbers the layer has learnt: the elements of all weights and biases. */
  readonly parameters: number;
  readonly #layer: Layer;
  #weights: LayerWeights | undefined;

  /**
   * Copies and packs the weights: changing the originals afterwards has no effect.
   *
   * @param weights linear maps as nn.Linear keeps them, weight [out, in] and bias [out]: query
   *   [heads · width, embed], key [keyValueHeads · width, contextEmbed], value
   *   [keyValueHeads · valueWidth, contextEmbed], and output [out, heads · valueWidth], without which
   *   the heads lie side by side in the result. Widths are from 1 to 512.
   * @throws HeedError for whatever does not fit: see `code`
   */
  constructor(weights: MultiHeadAttentionWeights, options: MultiHeadAttentionOptions) {
    const linears = readLinears(weights);
    const checked = checkLayerOptions(readOptions(options, layerOptionNames));
    const shape = layerShape(linears, checked.heads, checked.keyValueHeads);
    const type = checked.type ?? linears.query.type;
    const backend = checked.chooseBackend(type);
    this.heads = checked.heads;
    this.keyValueHeads = checked.keyValueHeads;
    this.type = type;
    this.location = checked.location;
    this.parameters = countParameters(linears);
    this.#layer = { type, shape, options: checked, backend };
    this.#weights = packLayer(backend, type, linears);
  }

  /**
   * Reads a layer from a safetensors file. The naming of its tensors is recognised: heed's own
   * (`query.weight`, `query.bias`, `key…`, `value…`, `output…`), nn.MultiheadAttention
   * (`in_proj_weight`, or `q_proj_weight` and so on, and `out_proj.weight`), BERT
   * (`attention.self.query.weight`, `attention.output.dense.weight`), GPT-2 (`c_attn.weight`,
   * `c_proj.weight`, transposed) and Llama (`q_proj.weight`, `o_proj.weight`: the linear maps only,
   * without the rotation of positions that a Llama model also needs).
   *
   * @param path file name or `file:` URL
   * @param options as for the constructor, and `prefix`, which stands before the names that are
   *   given above, such as 'encoder.layers.0.self_attn.'; default ''. Causal masking, numbers of heads
   *   and the like are not part of such files: pass them here.
   * @throws HeedError (as a rejection) HEED_UNKNOWN_TENSOR when a tensor is missing, or when one is there that no
   *   naming explains and that could change the result, and what `open` of heed/safetensors and the
   *   constructor throw
   */
  static async load(
    path: string | URL,
    options: MultiHeadAttentionOptions & { prefix?: string },
  ): Promise<MultiHeadAttention> {
    const { prefix, ...values } = readOptions(options, [...layerOptionNames, 'prefix']);
    checkLayerOptions(values);
    const weights = await loadWeights(path, prefix);
    return new MultiHeadAttention(weights, values as MultiHeadAttentionOptions);
  }

  /** Whether the memory of the weights was released. */
  get disposed(): boolean {
    return this.#weights === undefined;
  }

  /**
   * Projects the input into queries, keys and values, attends, and projects the result, as one
   * operation on threads of heed's own; the event loop stays free. Step i of the input stands at
   * position i for `causal`, `window` and ALiBi; with a context, the last query stands at its last
   * valid step.
   *
   * @param input [batch, steps, embed], of the layer's type
   * @returns [batch, steps, out] in the layer's type; `options.out` if given
   * @throws HeedError (as a rejection) for whatever does not fit, before any work starts: see `code`.
   *   When aborted, it rejects with the signal's reason.
   */
  async forward(input: TensorLike, options?: ForwardOptions): Promise<Tensor> {
    const { problems, details, signal } = this.#prepare(input, options);
    await solve(this.#layer.backend, problems, signal);
    return details.output;
  }

  /** {@link forward}, done when it returns. Blocks the event loop meanwhile. */
  forwardSync(input: TensorLike, options?: ForwardOptions): Tensor {
    const { problems, details, signal } = this.#prepare(input, options);
    solveSync(this.#layer.backend, problems, signal);
    return details.output;
  }

  /**
   * {@link forward}, and the scores, weights and log-sum-exps of its attention: as in
   * {@link attentionDetails}, [batch, heads, queries, keys], of the chosen rows.
   */
  async forwardDetails(input: TensorLike, options: ForwardDetailsOptions): Promise<AttentionDetails> {
    const values = readOptions(options, [...callOptionNames, 'include', 'rows']);
    const call = readCall(input, values, this.#layer);
    const request = readDetails(values, call.attention.shape);
    const { problems, details } = buildCall(this.#layer.type, this.#live(), call, request);
    await solve(this.#layer.backend, problems, call.attention.settings.signal);
    return details;
  }

  /** Releases the weights. Harmless when repeated; operations under way keep what they need. */
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

  #prepare(input: unknown, options: unknown) {
    const call = readCall(input, readOptions(options, callOptionNames), this.#layer);
    return { ...buildCall(this.#layer.type, this.#live(), call), signal: call.attention.settings.signal };
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
