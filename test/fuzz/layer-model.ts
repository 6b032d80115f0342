/**
 * The expected results of linear maps and layers: reads arguments strictly and independently, and sums in
 * float64.
 */

import { callOptionNames } from '../../lib/multi-head-attention/call-arguments.js';
import type { RotaryOptions } from '../../lib/multi-head-attention/multi-head-attention.js';
import { layerOptionNames } from '../../lib/multi-head-attention/options.js';
import { packedCallOptionNames } from '../../lib/multi-head-attention/packed-call.js';
import type { QuantisedType } from '../../lib/problem/quantised-weight.js';
import { quantiseWeight } from '../../lib/projection/quantise-weight.js';
import { attentionOracle } from '../support/oracle.js';
import { quantisedProductOracle } from '../support/quantised-oracle.js';
import { type BiasTable, biasedMask } from '../support/relative-bias.js';
import { type Expected, expectHeads, leastLead, readLengths, readSettings } from './attention-model.js';
import {
  appended,
  expectTogether,
  type Holding,
  holdingOf,
  isCacheType,
  isHeld,
  lengthsWhenAppended,
  tensorsOf,
} from './cache-model.js';
import { readStarts } from './packed-model.js';
import { isFar, readPositions, readRotary, turnHead } from './rotary-model.js';
import { readSelection } from './selection-model.js';
import * as model from './tensor-model.js';
import { expect, type ModelTensor, plain } from './tensor-model.js';

interface Linear {
  readonly weight: ModelTensor;
  readonly bias: ModelTensor | undefined;
}

/** A norm of queries or keys. */
interface Norm extends Linear {
  readonly centers: boolean;
  readonly together: boolean;
}

function readLinear(weightValue: unknown, biasValue: unknown): Linear {
  const weight = model.floatTensor(weightValue);
  expect(weight.dims.length === 2, 'a weight of two axes');
  const bias = biasValue === undefined ? undefined : model.floatTensor(biasValue);
  expect(bias === undefined || model.sameDims(bias.dims, [weight.dims[0]]), 'a bias that fits');
  return { weight, bias };
}

/** Rows of x · weightᵀ + bias, each with [out] elements. */
function map({ weight, bias }: Linear, rows: Float64Array, count: number): Float64Array {
  const [columns, inner] = weight.dims;
  return Float64Array.from({ length: count * columns }, (_, index) => {
    const [row, column] = [Math.floor(index / columns), index % columns];
    let sum = bias?.values[column] ?? 0;
    for (let i = 0; i < inner; i++) sum += rows[row * inner + i] * weight.values[column * inner + i];
    return sum;
  });
}

/** Infinite or huge elements leave no digits to compare. */
const isLoose = (...tensors: (ModelTensor | undefined)[]) =>
  tensors.some((tensor) => tensor && !tensor.values.every((element) => Math.abs(element) < 1e4));

/** [batch, steps, heads, width] to [batch, heads, steps, width]. */
const turned = (values: Float64Array, steps: number, heads: number, width: number) =>
  Float64Array.from(values, (_, index) => {
    const w = index % width;
    const s = Math.floor(index / width) % steps;
    const h = Math.floor(index / width / steps) % heads;
    const b = Math.floor(index / width / steps / heads);
    return values[((b * steps + s) * heads + h) * width + w];
  });

/** The expected result of project(input, weight, bias, options). */
export function projectModel(args: readonly unknown[]): Expected {
  const input = model.floatTensor(args[0]);
  const linear = readLinear(args[1], args[2]);
  const given = model.options(args[3], ['heads', 'backend', 'out', 'signal']);
  model.expectCallOptions(given);
  const [columns, inner] = linear.weight.dims;
  expect(input.dims.length >= 1 && input.dims.at(-1) === inner, 'inputs as wide as the weight');
  const loose = isLoose(input, linear.weight, linear.bias);
  const outer = input.dims.slice(0, -1);
  const count = outer.reduce((product, length) => product * length, 1);
  if (given.heads === undefined) {
    const values = map(linear, input.values, count);
    return { type: input.type, dims: [...outer, columns], values, loose };
  }
  expect(input.dims.length === 3, 'inputs of three axes');
  const { heads } = given;
  expect(model.isInteger(heads, 1, Number.MAX_SAFE_INTEGER) && columns % heads === 0, 'heads that divide');
  const [batch, steps] = input.dims;
  const width = columns / heads;
  const values = turned(map(linear, input.values, count), steps, heads, width);
  return { type: input.type, dims: [batch, heads, steps, width], values, loose };
}

/** The expected result of packWeight(weight, options), multiplied by rows of ones. */
export function packWeightModel(args: readonly unknown[]): Expected {
  const linear = readLinear(args[0], undefined);
  const { type, groupSize, location, backend } = model.options(args[1], [
    'type',
    'groupSize',
    'location',
    'backend',
  ]);
  if (type !== undefined) expectRoundable(type, linear);
  if (groupSize !== undefined)
    expect(type === 'int4' && model.isInteger(groupSize, 8, 4096) && groupSize % 8 === 0, 'a size of groups');
  expect(location === undefined || location === 'cpu', 'a location');
  model.expectBackend(backend);
  const [columns, inner] = linear.weight.dims;
  const values = map(linear, new Float64Array(2 * inner).fill(1), 2);
  // How far rounded weights may be off, tests of accuracy know.
  const loose = type !== undefined || isLoose(linear.weight);
  return { type: type === undefined ? linear.weight.type : 'float32', dims: [2, columns], values, loose };
}

/** Weights that are rounded to integers, all of their elements have to be finite as float32. */
function expectRoundable(type: unknown, ...linears: (Linear | undefined)[]): void {
  expect(type === 'int8' || type === 'int4', 'a type of integers');
  const finite = (linear: Linear | undefined) =>
    linear === undefined || linear.weight.values.every((element) => Number.isFinite(Math.fround(element)));
  expect(linears.every(finite), 'finite weights');
}

/** {@link map} for weights that are rounded, and rows of a type that are. */
function roundedMap(
  to: QuantisedType,
  type: unknown,
  { weight, bias }: Linear,
  rows: Float64Array,
): Float64Array {
  const [columns, inner] = weight.dims;
  const given = { name: 'weight', type: 'float64', data: weight.values, columns, inner } as const;
  const round = type === 'float64' ? (element: number) => element : Math.fround;
  const biases = bias && [...bias.values];
  return Float64Array.from(quantisedProductOracle([...rows], quantiseWeight(given, to), biases, round));
}

function readLayer(weightValues: unknown): {
  query: Linear;
  key: Linear;
  value: Linear;
  output: Linear | undefined;
  queryNorm: Norm | undefined;
  keyNorm: Norm | undefined;
} {
  expect(weightValues !== undefined, 'weights');
  const weights = model.options(weightValues, ['query', 'key', 'value', 'output', 'queryNorm', 'keyNorm']);
  const norm = (value: unknown): Norm | undefined => {
    if (value === undefined) return undefined;
    const { weight, bias, ...given } = model.options(value, ['weight', 'bias', 'type', 'together']);
    const { type = 'rms', together = false } = given;
    expect(type === 'rms' || type === 'layer', 'a type of norm');
    expect(typeof together === 'boolean', 'together or not');
    return {
      weight: model.floatTensor(weight),
      bias: bias === undefined ? undefined : model.floatTensor(bias),
      centers: type === 'layer',
      together,
    };
  };
  const linear = (value: unknown) => {
    expect(value !== undefined, 'a linear map');
    const { weight, bias } = model.options(value, ['weight', 'bias']);
    return readLinear(weight, bias);
  };
  return {
    query: linear(weights.query),
    key: linear(weights.key),
    value: linear(weights.value),
    output: weights.output === undefined ? undefined : linear(weights.output),
    queryNorm: norm(weights.queryNorm),
    keyNorm: norm(weights.keyNorm),
  };
}

/** Of heads that lie side by side, one by one or together; `first` is where they begin in their row. */
function normalised(x: readonly number[], first: number, norm: Norm, epsilon: number): number[] {
  const { weight, bias, centers } = norm;
  const mean = centers ? x.reduce((sum, element) => sum + element, 0) / x.length : 0;
  const root = Math.sqrt(x.reduce((sum, element) => sum + (element - mean) ** 2, 0) / x.length + epsilon);
  const at = first % weight.values.length;
  return x.map(
    (element, i) => (weight.values[at + i] * (element - mean)) / root + (bias?.values[at + i] ?? 0),
  );
}

function readRelativeBias(
  value: unknown,
  heads: number,
  { causal, window }: { causal?: unknown; window?: unknown },
): { weight: ModelTensor; table: BiasTable } {
  const given = model.options(value, ['weight', 'bidirectional', 'maxDistance']);
  const weight = model.floatTensor(given.weight);
  expect(weight.dims.length === 2 && weight.dims[1] === heads, 'biases for each head');
  const ends = window !== undefined && model.options(window, ['left', 'right']).right === 0;
  const { bidirectional = !(causal === true || ends), maxDistance = 128 } = given;
  expect(typeof bidirectional === 'boolean', 'one direction or both');
  const side = bidirectional ? weight.dims[0] / 2 : weight.dims[0];
  expect(Number.isInteger(side) && side >= 2, 'buckets');
  expect(model.isInteger(maxDistance, Math.floor(side / 2) + 1, 2 ** 31 - 1), 'a greatest distance');
  return { weight, table: { weight: plain(weight), bidirectional, maxDistance } };
}

function expectNorm(norm: Norm | undefined, heads: number, width: number): void {
  if (norm === undefined) return;
  const { weight, bias, together } = norm;
  const fitting = together ? [[heads * width]] : [[width], [heads, width]];
  expect(
    fitting.some((dims) => model.sameDims(weight.dims, dims)),
    'a norm as wide as heads',
  );
  expect(bias === undefined || model.sameDims(bias.dims, weight.dims), 'a bias as wide as its weight');
}

export function turnsByLength(rotary: RotaryOptions | undefined): boolean {
  return rotary?.scaling?.type === 'dynamic' || rotary?.scaling?.type === 'longrope';
}

function fits({ entries, heads, width, valueWidth }: Holding, form: readonly number[]): boolean {
  return [entries.length, heads, width, valueWidth].every((length, i) => length === form[i]);
}

/**
 * The expected result of forward(input, { context }) with what projectContext(context, options) has kept, where
 * these are the last two arguments.
 */
export function keptContextModel(args: readonly unknown[], input: unknown): Expected {
  const { kvLengths, type = 'float32', signal } = model.options(args[3], ['kvLengths', 'type', 'signal']);
  model.expectCallOptions({ signal });
  expect(isCacheType(type), 'a type');
  expect(!isHeld(args[2]), 'a tensor');
  const call = { context: args[2], ...(kvLengths !== undefined && { kvLengths }) };
  expect(args[2] !== undefined, 'a context');
  const { output } = layerModel([args[0], args[1], input, call]);
  return { ...output, loose: output.loose || type !== 'float32' };
}

/** The expected result of new MultiHeadAttention(weights, options).forward(input, forwardOptions). */
export function layerModel(args: readonly unknown[]): {
  readonly output: Expected;
  /** The expected contents of the call's cache afterwards, if it has one. */
  readonly after: Holding | undefined;
} {
  const { query, key, value, output, queryNorm, keyNorm } = readLayer(args[0]);
  expect(args[1] !== undefined, 'options');
  const given = model.options(args[1], layerOptionNames);
  const call = model.options(args[3], callOptionNames);
  model.expectCallOptions({ ...call, backend: given.backend });
  expect(given.location === undefined || given.location === 'cpu', 'a location');
  const type = given.type ?? query.weight.type;
  if (given.weights !== undefined) expectRoundable(given.weights, query, key, value, output);
  expect(model.floats.includes(type as string), 'a type');
  const input = model.floatTensor(args[2]);
  const kept = isHeld(call.context) ? holdingOf(call.context) : undefined;
  const context = call.context === undefined || kept ? input : model.floatTensor(call.context);
  const { heads, keyValueHeads: keyHeads = heads } = given;
  expect(model.isInteger(heads, 1, 65536) && model.isInteger(keyHeads, 1, heads), 'heads');
  const [batch, queries, embed] = input.dims;
  const contextEmbed = kept ? key.weight.dims[1] : context.dims[2];
  const newKeys = kept ? Math.max(0, ...kept.entries.map(({ length }) => length)) : context.dims[1];
  for (const source of [input, context]) {
    expect(source.dims.length === 3 && source.dims[0] === batch && source.type === type, 'inputs that fit');
  }
  const [width, keyWidth, valueWidth] = [
    query.weight.dims[0] / heads,
    key.weight.dims[0] / keyHeads,
    value.weight.dims[0] / keyHeads,
  ];
  expect([width, keyWidth, valueWidth].every(Number.isInteger), 'widths');
  expectHeads(heads, keyHeads, width, keyWidth, valueWidth);
  expect(query.weight.dims[1] === embed, 'queries as wide as inputs');
  for (const { weight } of [key, value]) expect(weight.dims[1] === contextEmbed, 'keys as wide as contexts');
  expect(output === undefined || output.weight.dims[1] === heads * valueWidth, 'an output map that fits');
  const padded = readLengths(
    { lengths: call.lengths, kvLengths: call.kvLengths },
    call.context === undefined,
    batch,
    () => [queries, queries],
  );
  const givenLengths =
    padded ?? (call.kvLengths === undefined ? undefined : model.integers(call.kvLengths, batch, 0, newKeys));
  expectNorm(queryNorm, heads, width);
  expectNorm(keyNorm, keyHeads, keyWidth);
  const epsilon = given.normEpsilon === undefined ? 1e-6 : model.finite(given.normEpsilon);
  expect(epsilon >= 0, 'an epsilon');
  const rotary = given.rotary === undefined ? undefined : readRotary(given.rotary, width);
  expect(rotary === undefined || keyWidth === width, 'keys that turn as queries do');
  const positions = readPositions(call.positions, rotary, batch, queries);
  if (kept) {
    expect(fits(kept, [batch, keyHeads, keyWidth, valueWidth]), 'a kept context that fits');
    expect(givenLengths === undefined || !turnsByLength(rotary), 'lengths that keys turned by');
    for (const [i, { length }] of kept.entries.entries())
      expect((givenLengths?.[i] ?? 0) <= length, 'kept keys');
  }
  const kvLengths = givenLengths ?? kept?.entries.map(({ length }) => length);
  const crossed = call.context !== undefined;
  const placement = { rotary, positions, batch, queries, keys: newKeys, kvLengths, crossed };
  const held = call.cache === undefined ? undefined : holdingOf(call.cache);
  expect(!held || (!crossed && !rotary && held.entries.length === batch), 'a cache that fits');
  const before = held && lengthsWhenAppended(held, kvLengths ?? held.entries.map(() => queries));
  const lengths = before?.map((length, entry) => length + (kvLengths?.[entry] ?? queries)) ?? kvLengths;
  const keys = held ? Math.max(0, ...(lengths ?? [])) : newKeys;
  const { location: _, type: __, heads: ___, keyValueHeads: ____, weights: rounded, ...others } = given;
  const { rotary: _____, normEpsilon: ______, relativeBias, ...scoring } = others;
  if (call.select !== undefined) readSelection(given.select);
  const settings = readSettings(
    { ...scoring, mask: call.mask, ...(call.select !== undefined && { select: call.select }) },
    { type: type as string, target: [batch, heads, queries, keys], keyHeads, width, keyWidth },
  );

  const biases = relativeBias === undefined ? undefined : readRelativeBias(relativeBias, heads, given);
  const offsets = Array.from({ length: batch }, (_, entry) =>
    crossed ? (lengths?.[entry] ?? keys) - queries : (before?.[entry] ?? 0),
  );
  const givenMask = settings.mask && plain(settings.mask);
  const mask = biases
    ? biasedMask(biases.table, [batch, heads, queries, keys], offsets, givenMask)
    : givenMask;

  const multiply = (linear: Linear, rows: Float64Array, count: number) =>
    rounded === undefined
      ? map(linear, rows, count)
      : roundedMap(rounded as QuantisedType, type, linear, rows);
  const operand = (
    linear: Linear,
    source: ModelTensor,
    count: number,
    size: number,
    norm?: Norm,
    finish = (head: readonly number[], _entry: number, _step: number) => head,
  ) => {
    const steps = source.dims[1];
    const data = multiply(linear, source.values, batch * steps);
    const length = norm?.together ? count * size : size;
    for (let at = 0; norm && at < data.length; at += length) {
      data.set(normalised([...data.subarray(at, at + length)], at % (count * size), norm, epsilon), at);
    }
    for (let at = 0; at < data.length; at += size) {
      const row = Math.floor(at / size / count);
      data.set(finish([...data.subarray(at, at + size)], Math.floor(row / steps), row % steps), at);
    }
    return { type: 'float64' as const, dims: [batch, steps, count, size], data };
  };
  const turn = (of: 'query' | 'key') => (head: readonly number[], entry: number, step: number) =>
    turnHead(placement, of, head, entry, step);
  const keptTensors = kept && tensorsOf(kept, 'bshd');
  const newKey = keptTensors
    ? plain(keptTensors.key)
    : operand(key, context, keyHeads, keyWidth, keyNorm, turn('key'));
  const newValue = keptTensors ? plain(keptTensors.value) : operand(value, context, keyHeads, valueWidth);
  const added = [newKey, newValue, { layout: 'bshd', ...(kvLengths && { lengths: kvLengths }) }];
  const after = held && appended(held, added);
  const stored = after && tensorsOf(after, 'bshd');
  const attended = attentionOracle(
    operand(query, input, heads, width, queryNorm, turn('query')),
    stored ? plain(stored.key) : newKey,
    stored ? plain(stored.value) : newValue,
    {
      ...settings.options,
      layout: 'bshd',
      ...(lengths && { kvLengths: lengths }),
      ...(call.context === undefined && { queryOffset: before ?? 0 }),
      ...(mask && { mask }),
    },
  );
  const side = Float64Array.from(attended.output);
  for (const [entry, length] of (padded ?? []).entries()) {
    // Rows of padding attend nothing.
    const row = heads * valueWidth;
    side.fill(0, (entry * queries + length) * row, (entry + 1) * queries * row);
  }
  const parts = [query, key, value, output, queryNorm, keyNorm];
  const tensors = parts.flatMap((part) => [part?.weight, part?.bias]);
  const right: Expected = {
    type: type as string,
    dims: [batch, queries, output ? output.weight.dims[0] : heads * valueWidth],
    values: output ? multiply(output, side, batch * queries) : side,
    loose:
      settings.loose ||
      !(attended.lead >= leastLead) ||
      isLoose(input, context, ...tensors, biases?.weight) ||
      isFar(placement) ||
      // Where attention is off by a digit, it may be rounded to the next integer.
      (rounded !== undefined && output !== undefined) ||
      // Normalisation magnifies numbers close to 0.
      ((queryNorm ?? keyNorm) !== undefined && epsilon < 1e-3),
  };
  return { output: right, after };
}

/** The expected result of forward(input, { queryStarts, caches }), and what the caches have afterwards. */
export function packedLayerModel(args: readonly unknown[]): {
  readonly output: Expected;
  readonly after: ReadonlyMap<unknown, Holding | undefined>;
} {
  const call = model.options(args[3], [...callOptionNames, ...packedCallOptionNames]);
  const { queryStarts, caches, out: _, signal: __, ...others } = call;
  model.expectCallOptions(call);
  expect(
    Object.values(others).every((value) => value === undefined),
    'no other options',
  );
  const input = model.floatTensor(args[2]);
  expect(input.dims.length === 2 && input.type === 'float32', 'tokens of the type');
  const [tokens, embed] = input.dims;
  const starts = readStarts(queryStarts, tokens);
  const list = caches === undefined ? undefined : model.list(caches);
  if (list) expectTogether(list);
  expect(list === undefined || list.length === starts.length - 1, 'a cache for each sequence');
  const each = starts.slice(1).map((end, i) => {
    const steps = end - starts[i];
    const data = Float32Array.from(input.values.subarray(starts[i] * embed, end * embed));
    const own = { type: 'float32', dims: [1, steps, embed], data };
    return layerModel([args[0], args[1], own, list ? { cache: list[i] } : {}]);
  });
  // What is wrong with the layer is refused whatever the sequences are.
  const { output } = layerModel([
    args[0],
    args[1],
    { type: 'float32', dims: [1, 0, embed], data: new Float32Array(0) },
  ]);
  return {
    output: {
      ...output,
      dims: [tokens, output.dims[2]],
      values: each.flatMap((one) => Array.from(one.output.values)),
      loose: each.some((one) => one.output.loose === true),
    },
    after: new Map(list?.map((cache, i) => [cache, each[i].after])),
  };
}
