/// <reference lib="esnext.disposable" preserve="true" />
/** Feed-forward networks: what follows attention in the blocks of a transformer. */
import { inspect } from 'node:util';
import { type Backend, type BackendName, isQuantised, type WeightElements } from '../backends/backend.js';
import { chooseBackend } from '../backends/choose.js';
import { type Operation, run, runSync } from '../backends/operation.js';
import { allocate } from '../checks/data.js';
import { expectDims, expectLength, sizeOf } from '../checks/lists.js';
import { expectLocation, expectPlace, expectReach } from '../checks/location.js';
import { readOptions } from '../checks/options.js';
import { outTensor, readOut } from '../checks/out.js';
import { dataOf, expectType, readTensor, type TensorArgument } from '../checks/tensor.js';
import { choiceOption, invalid, signalOption } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { Allocations } from '../memory/allocations.js';
import { bytesOf } from '../memory/arrays.js';
import type { Elements } from '../memory/device.js';
import {
  countParameters,
  expectReachable,
  type Linear,
  type LinearArgument,
  locationOf,
  quantisationOf,
  readLinear,
} from '../multi-head-attention/linear.js';
import { joinBiases, joinWeights, type Product, packTogether } from '../multi-head-attention/weights.js';
import { type Activation, activations, type Epilogue, type Problem } from '../problem/problem.js';
import {
  type QuantisedType,
  type QuantisedWeight,
  type RowRun,
  takeRows,
} from '../problem/quantised-weight.js';
import { PackedWeight } from '../projection/packed-weight.js';
import { type Quantisation, quantisedTypeOption } from '../projection/quantise-weight.js';
import { hostElements } from '../tensor/elements.js';
import { denseStrides } from '../tensor/layout.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  bytesPerElement,
  type FloatType,
  floatTypes,
  type Location,
  type TensorLike,
} from '../tensor/types.js';

/** The linear maps of a {@link FeedForward}. */
export interface FeedForwardWeights {
  /** [hidden, embed], as `gate_proj` of checkpoints: its activation multiplies what `up` gives. Default: none. */
  gate?: Linear;
  /** [hidden, embed], as `up_proj`, or the first of two maps: without a gate, what it gives is activated. */
  up: Linear;
  /** [out, hidden], as `down_proj`, or the second of two maps. */
  down: Linear;
}

/** The options of a {@link FeedForward}. */
export interface FeedForwardOptions {
  /**
   * 'silu' is x / (1 + e^−x) (Elfwing et al. 2018), 'gelu' x Φ(x) with the distribution function Φ of the standard normal
   * distribution (Hendrycks and Gimpel 2016), 'gelu-tanh' its approximation by tanh (`gelu_new`, `gelu_pytorch_tanh`), and
   * 'relu' max(x, 0).
   */
  activation: Activation;
  /** The type of inputs, weights, hidden and final results; weights of another type are cast. Default: that of `up`. */
  type?: FloatType;
  /** Rounds the weights of the linear maps to int8 or int4, as {@link MultiHeadAttentionOptions.weights} does. Default: not. */
  weights?: QuantisedType;
  /** Where it computes and keeps its weights. Not a device yet. Default: where the weight of `up` is. */
  location?: Location;
  /** 'auto' (default) as for attention. Not 'cuda' yet. */
  backend?: BackendName;
}

/** The options of one call of {@link FeedForward.forward}. */
export interface FeedForwardCallOptions {
  /** […, out], of the type of the network: added to what it gives, before that is rounded. Default: nothing is added. */
  residual?: TensorLike;
  /** A tensor to write the output to, which is then returned. Must not share memory with an input. */
  out?: Tensor;
  /** Cancels the operation: the promise rejects with the signal's reason once nothing accesses the tensors. */
  signal?: AbortSignal;
}

interface FeedForwardLinears {
  readonly gate: LinearArgument | undefined;
  readonly up: LinearArgument;
  readonly down: LinearArgument;
}

interface PackedFeedForward {
  /** What is passed to the activation; with a gate, row 2i is that of gate i, and row 2i + 1 what it gates. */
  readonly first: Product;
  readonly down: Product;
}

/** One row of the first half, one of the second, and so on. */
function alternating(rows: number): RowRun[] {
  return Array.from({ length: rows }, (_, i) => ({ first: (i >> 1) + (i & 1) * (rows / 2), count: 1 }));
}

function alternateRows(weight: WeightElements | QuantisedWeight): WeightElements | QuantisedWeight {
  const order = alternating(weight.columns);
  if (isQuantised(weight)) return takeRows(weight, order);
  const { type, columns, inner } = weight;
  const data = allocate(type, columns * inner, 'the weights of a feed-forward network');
  const bytes = inner * bytesPerElement[type];
  const from = bytesOf(hostElements(weight.data));
  const to = bytesOf(data);
  for (const [row, { first }] of order.entries())
    to.set(from.subarray(first * bytes, (first + 1) * bytes), row * bytes);
  return { ...weight, data };
}

function packGated(
  backend: Backend,
  type: FloatType,
  quantisation: Quantisation | undefined,
  linears: readonly [LinearArgument, LinearArgument],
): Product {
  const joint = joinWeights(type, quantisation, linears);
  const biases = joinBiases(linears, joint.columns);
  const order = alternating(joint.columns);
  return {
    weight: PackedWeight.pack(backend, alternateRows(joint)),
    bias: biases && Float64Array.from(order, ({ first }) => biases[first]),
  };
}

/** @param quantisation what weights are rounded to, if they are */
function packFeedForward(
  backend: Backend,
  type: FloatType,
  quantisation: Quantisation | undefined,
  { gate, up, down }: FeedForwardLinears,
): PackedFeedForward {
  const pack = (linear: LinearArgument) => packTogether(backend, type, quantisation, [linear])[0].product;
  const first = gate ? packGated(backend, type, quantisation, [gate, up]) : pack(up);
  try {
    return { first, down: pack(down) };
  } catch (error) {
    first.weight.dispose();
    throw error;
  }
}

function readLinears(weights: unknown): FeedForwardLinears {
  if (weights === undefined) throw invalid('weights', 'an object with up and down', weights);
  const given = readOptions(weights, ['gate', 'up', 'down'], 'weights');
  const gate = given.gate === undefined ? undefined : readLinear(given.gate, 'weights.gate');
  const up = readLinear(given.up, 'weights.up');
  const down = readLinear(given.down, 'weights.down');
  if (gate) {
    expectLength(gate.columns, 'weights.gate.weight.dims[0]', up.columns, 'weights.up.weight.dims[0]');
    expectLength(gate.inner, 'weights.gate.weight.dims[1]', up.inner, 'weights.up.weight.dims[1]');
  }
  expectLength(down.inner, 'weights.down.weight.dims[1]', up.columns, 'weights.up.weight.dims[0]');
  return { gate, up, down };
}

function readSettings(options: unknown, up: LinearArgument) {
  const values = readOptions(options, ['activation', 'type', 'weights', 'location', 'backend']);
  if (values.activation === undefined) {
    const choices = activations.map((name) => `'${name}'`).join(', ');
    throw invalid('options.activation', `one of ${choices}`, values.activation);
  }
  const activation = choiceOption(values.activation, 'options.activation', activations, 'silu');
  const type =
    values.type === undefined ? up.type : choiceOption(values.type, 'options.type', floatTypes, 'float32');
  const weights =
    values.weights === undefined ? undefined : quantisedTypeOption(values.weights, 'options.weights');
  const location =
    values.location === undefined ? locationOf(up) : expectLocation(values.location, 'options.location');
  return { activation, type, weights, backend: chooseBackend(values.backend, type, location) };
}

/** A feed-forward network as a part of larger operations. */
export interface FeedForwardPart {
  readonly backend: Backend;
  readonly build: (call: FeedForwardCall, allocations: Allocations) => Problem[];
}

/** Rows of what the network takes and gives, contiguous and of its type. */
export interface FeedForwardCall {
  readonly rows: number;
  readonly input: Elements;
  readonly residual: Elements | undefined;
  readonly output: Elements;
}

/**
 * A feed-forward network: down · activation(up · x), or down · (activation(gate · x) ⊙ up · x) with a gate (Shazeer 2020, "GLU
 * Variants Improve Transformer"). Weights are packed once. Activation and gate are applied to the sums of the first product
 * before they are rounded, the residual is added to those of the second. Release it with `dispose()` or `using`; garbage
 * collection does so at the latest.
 *
 * @example
 * const network = new FeedForward({ gate: { weight: gate }, up: { weight: up }, down: { weight: down } }, { activation: 'silu' });
 * const output = await network.forward(normed, { residual: tokens });
 */
export class FeedForward {
  /** The width of inputs. */
  readonly embed: number;
  /** The width between the two products. */
  readonly hidden: number;
  /** The width of results. */
  readonly out: number;
  /** What elements between the two products pass through. */
  readonly activation: Activation;
  /** Whether it has a gate. */
  readonly gated: boolean;
  /** The type of inputs and results. */
  readonly type: FloatType;
  /** The type of its weights: the same, or what they were rounded to. */
  readonly weights: FloatType | QuantisedType;
  /** Where it computes. */
  readonly location: Location;
  /** The number of parameters: the elements of all weights and biases. */
  readonly parameters: number;
  readonly #backend: Backend;
  #packed: PackedFeedForward | undefined;

  /**
   * Copies and packs the weights: changing the originals afterwards has no effect.
   *
   * @param weights linear maps as in nn.Linear, weight [out, in] and bias [out]
   * @throws HeedError for every bad argument: see `code`; HEED_UNSUPPORTED on the cuda backend
   */
  constructor(weights: FeedForwardWeights, options: FeedForwardOptions) {
    const linears = readLinears(weights);
    const { gate, up, down } = linears;
    const all = [...(gate ? [gate] : []), up, down];
    const { activation, type, weights: asked, backend } = readSettings(options, up);
    const quantisation = quantisationOf(all, asked);
    backend.expectEpilogues('feed-forward networks');
    if (quantisation) backend.expectQuantised(quantisation.type);
    expectReachable(all, backend.location);
    this.embed = up.inner;
    this.hidden = up.columns;
    this.out = down.columns;
    this.activation = activation;
    this.gated = gate !== undefined;
    this.type = type;
    this.weights = quantisation?.type ?? type;
    this.location = backend.location;
    this.parameters = countParameters(all);
    this.#backend = backend;
    this.#packed = packFeedForward(backend, type, quantisation, linears);
  }

  /** @internal What it is for operations that it is a part of. */
  static partOf(network: FeedForward): FeedForwardPart {
    return {
      backend: network.#backend,
      build: (call, allocations) => network.#build(call, allocations),
    };
  }

  /** What was made by the constructor, and nothing that only inherits from it. */
  static [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && #backend in value;
  }

  /** Whether the memory of the weights was released. */
  get disposed(): boolean {
    return this.#packed === undefined;
  }

  /**
   * Computes both products as one operation on heed's own threads, without blocking the event loop. A row comes to the same
   * bits whatever the other rows are.
   *
   * @param x […, embed], of the type of the network
   * @returns […, out] in that type; `options.out` if given
   * @throws HeedError (as a rejection) for every bad argument, before any work starts: see `code`.
   *   When aborted, it rejects with the signal's reason.
   */
  async forward(x: TensorLike, options?: FeedForwardCallOptions): Promise<Tensor> {
    return await run((allocations) => this.#prepare(allocations, x, options));
  }

  /** {@link forward}, synchronously: it throws instead of rejecting, and blocks the event loop. */
  forwardSync(x: TensorLike, options?: FeedForwardCallOptions): Tensor {
    return runSync((allocations) => this.#prepare(allocations, x, options));
  }

  /** Releases the weights. May be called again; running operations keep the memory that they need. */
  dispose(): void {
    this.#packed?.first.weight.dispose();
    this.#packed?.down.weight.dispose();
    this.#packed = undefined;
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal */
  [inspect.custom](): string {
    const form = `${this.gated ? 'gated ' : ''}${this.activation}`;
    const widths = `${this.embed} → ${this.hidden} → ${this.out}`;
    return `FeedForward ${this.type}, ${form}, ${widths}${this.disposed ? ', disposed' : ''}`;
  }

  #prepare(allocations: Allocations, xValue: unknown, options: unknown): Operation<Tensor> {
    const x = this.#readRows(xValue, 'x');
    const axes = x.dims.length;
    if (axes === 0) {
      throw new HeedError('HEED_SHAPE_MISMATCH', 'Expected x.dims to end with a width, received []');
    }
    expectLength(x.dims[axes - 1], `x.dims[${axes - 1}]`, this.embed, 'weights.up.weight.dims[1]');
    const dims = [...x.dims.slice(0, -1), this.out];
    const values = readOptions(options, ['residual', 'out', 'signal']);
    const residual =
      values.residual === undefined ? undefined : this.#readRows(values.residual, 'options.residual');
    if (residual) {
      expectDims(residual.dims, residual.name, dims);
      expectPlace(residual, x.location, x.name);
    }
    const signal = signalOption(values.signal, 'options.signal');
    const out = readOut(values.out, 'options.out', this.type, dims, 'the type of the network', x);
    const input = dataOf(x);
    const added = residual && dataOf(residual);
    const read = [{ name: 'x', data: input }, ...(added ? [{ name: 'options.residual', data: added }] : [])];
    const output = outTensor(out, read, allocations);
    // Rows of nothing may be beyond counting.
    const isEmpty = output.tensor.size === 0;
    const call = {
      rows: isEmpty ? 0 : sizeOf(x.dims.slice(0, -1)),
      input,
      residual: added,
      output: output.data,
    };
    const problems = this.#build(call, allocations);
    return { backend: this.#backend, problems, result: output.tensor, signal };
  }

  #readRows(value: unknown, name: string): TensorArgument {
    const tensor = readTensor(value, name);
    expectType(tensor, this.type, 'the type of the network');
    expectReach(tensor, this.location, 'the network');
    return tensor;
  }

  #build({ rows, input, residual, output }: FeedForwardCall, allocations: Allocations): Problem[] {
    const { first, down } = this.#live();
    if (rows === 0) return [];
    const { hidden, activation, gated } = this;
    const size = rows * hidden;
    const between = allocations.scratch(this.#backend, this.type, size, 'the hidden rows of the network');
    const activated = { activation, gated };
    return [
      ...(hidden === 0 ? [] : [this.#product(first, rows, input, between, activated)]),
      this.#product(down, rows, between, output, { residual }),
    ];
  }

  #product(product: Product, rows: number, input: Elements, output: Elements, epilogue: Epilogue): Problem {
    const { handle } = product.weight;
    const { columns, inner } = handle;
    const strides = denseStrides('bshd', 1, rows, epilogue.gated ? columns / 2 : columns);
    return {
      kind: 'projection',
      rows,
      steps: rows,
      inner,
      columns,
      input: { data: input, type: this.type },
      weight: handle,
      ...(product.bias && { bias: product.bias }),
      epilogue,
      targets: [
        { firstColumn: 0, columns, headWidth: columns, view: { data: output, type: this.type, ...strides } },
      ],
    };
  }

  #live(): PackedFeedForward {
    if (this.#packed === undefined) {
      throw new HeedError(
        'HEED_DISPOSED',
        `Expected a live network, received a disposed one (${inspect(this)})`,
      );
    }
    return this.#packed;
  }
}
