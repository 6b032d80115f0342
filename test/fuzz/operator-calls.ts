/** Good calls of what lies between two attentions: norms, sampling, embeddings and pooling. */
import { embed, embedSync } from '../../lib/embedding/embed.js';
import { norm, normSync } from '../../lib/norm/norm.js';
import { pooling, poolingSync } from '../../lib/pooling/pooling.js';
import { sample, sampleSync } from '../../lib/sampling/sample.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { normOracle } from '../norm/norm-oracle.js';
import { poolingOracle } from '../pooling/pooling-oracle.js';
import { sampleOracle } from '../sampling/sample-oracle.js';
import type { Expected } from './attention-model.js';
import { floatTensorOf, integersIn, loosely, maybe, sizes } from './good-values.js';
import { type Draw, pick } from './hostile-values.js';
import type { Target } from './outcome.js';
import * as model from './tensor-model.js';
import { expect, isObject } from './tensor-model.js';

function normArguments(draw: Draw, backend: string): unknown[] {
  const dims = sizes(draw, 3, 20);
  const width = dims[1];
  return [
    floatTensorOf(draw, dims),
    {
      backend,
      weight: floatTensorOf(draw, [width]),
      ...maybe(draw, 'type', () => pick(draw, ['rms', 'layer'])),
      ...maybe(draw, 'bias', () => floatTensorOf(draw, [width])),
      ...maybe(draw, 'epsilon', () => pick(draw, [1e-5, 1e-3, 0.1])),
      ...maybe(draw, 'offset', () => 1),
      ...maybe(draw, 'residual', () => floatTensorOf(draw, dims)),
      ...maybe(draw, 'signal', () => new AbortController().signal),
    },
  ];
}

const normOptions = ['type', 'weight', 'bias', 'epsilon', 'offset', 'residual', 'backend', 'out', 'signal'];

/** Beyond these magnitudes, float32 has no digits to compare. */
function isLoose(values: readonly number[]): boolean {
  return values.some((value) => !(Math.abs(value) < 1e15));
}

function normModel([given, options]: readonly unknown[]): Record<string, Expected> {
  const x = model.floatTensor(given);
  expect(x.dims.length > 0, 'a width');
  const width = x.dims[x.dims.length - 1];
  expect(isObject(options), 'options');
  const values = model.options(options, normOptions);
  model.expectCallOptions(values);
  const factors = (value: unknown) => {
    const tensor = model.floatTensor(value);
    expect(model.sameDims(tensor.dims, [width]), 'one factor for each element');
    return tensor;
  };
  const weight = factors(values.weight);
  const bias = values.bias === undefined ? undefined : factors(values.bias);
  const { type = 'rms', epsilon = 1e-6, offset = 0 } = values;
  expect(type === 'rms' || type === 'layer', 'a type of norm');
  expect(model.finite(epsilon) >= 0, 'an epsilon');
  const residual = values.residual === undefined ? undefined : model.floatTensor(values.residual);
  expect(!residual || (residual.type === x.type && model.sameDims(residual.dims, x.dims)), 'a residual');
  const sum = Array.from(x.values, (value, i) => value + (residual ? residual.values[i] : 0));
  const { dims } = x;
  const output = normOracle(sum, width, {
    type,
    weight: model.plain(weight),
    ...(bias && { bias: model.plain(bias) }),
    epsilon: epsilon as number,
    offset: model.finite(offset),
  });
  const loose =
    isLoose([...sum, ...weight.values, ...(bias?.values ?? []), offset as number]) ||
    // A constant row has no variance but that of rounding.
    (type === 'layer' && (width === 1 || x.type !== 'float64') && (epsilon as number) < 1e-6) ||
    (epsilon as number) < 1e-12;
  return {
    output: { type: x.type, dims, values: output, loose },
    ...(residual && { sum: { type: x.type, dims, values: sum, loose } }),
  };
}

/** One for all rows, or one for each. */
const perRow = (draw: Draw, rows: number, make: () => number) =>
  draw.below(2) === 0 ? make() : Array.from({ length: rows }, make);

function sampleArguments(draw: Draw, backend: string): unknown[] {
  const [rows, vocabulary] = sizes(draw, 3, 30);
  const tokens = () =>
    integersIn(
      draw,
      Array.from({ length: draw.below(4) }, () => draw.below(vocabulary)),
    );
  const share = () => draw.below(11) / 10;
  return [
    floatTensorOf(draw, draw.below(4) === 0 && rows === 1 ? [vocabulary] : [rows, vocabulary]),
    {
      backend,
      seed: perRow(draw, rows, () => draw.below(2 ** 31)),
      ...maybe(draw, 'temperature', () => perRow(draw, rows, () => pick(draw, [0, 0.1, 1, 2]))),
      ...maybe(draw, 'topK', () => perRow(draw, rows, () => 1 + draw.below(40))),
      ...maybe(draw, 'topP', () => perRow(draw, rows, share)),
      ...maybe(draw, 'minP', () => perRow(draw, rows, share)),
      ...maybe(draw, 'repetitionPenalty', () => perRow(draw, rows, () => 1 + draw.below(10) / 10)),
      ...maybe(draw, 'previous', () =>
        draw.below(2) === 0 ? tokens() : Array.from({ length: rows }, tokens),
      ),
      ...maybe(draw, 'signal', () => new AbortController().signal),
    },
  ];
}

const sampleNumbers = ['temperature', 'topK', 'topP', 'minP', 'repetitionPenalty', 'seed'] as const;

function numbersOfRows(value: unknown, rows: number): number[] {
  if (typeof value !== 'object') return new Array<number>(rows).fill(value as number);
  const list = model.list(value);
  expect(list.length === rows, 'one for each row');
  return list as number[];
}

const within = (value: unknown, low: number, high: number) =>
  typeof value === 'number' && value >= low && value <= high;

const checks: Record<(typeof sampleNumbers)[number], (value: unknown) => boolean> = {
  temperature: (value) => value === 0 || within(value, 1e-4, 1e4),
  topK: (value) => isTokenCount(value, 1),
  topP: (value) => within(value, 0, 1),
  minP: (value) => within(value, 0, 1),
  repetitionPenalty: (value) => within(value, 1e-4, 1e4),
  seed: (value) => isTokenCount(value, 0),
};

function isTokenCount(value: unknown, low: number): boolean {
  return typeof value === 'bigint'
    ? value >= low && value <= Number.MAX_SAFE_INTEGER
    : model.isInteger(value, low, Number.MAX_SAFE_INTEGER);
}

function previousOf(value: unknown, rows: number, vocabulary: number): number[][] {
  if (value === undefined) return Array.from({ length: rows }, () => []);
  if (!Array.isArray(value) || !isObject(value[0])) {
    const tokens = model.integerList(value, 0, vocabulary - 1);
    return Array.from({ length: rows }, () => tokens);
  }
  expect(value.length === rows, 'a list for each row');
  return value.map((each) => model.integerList(each, 0, vocabulary - 1));
}

function sampleModel([given, options]: readonly unknown[]): Record<string, Expected> {
  const { dims, values, type } = model.floatTensor(given);
  const vocabulary = dims[dims.length - 1];
  expect(vocabulary >= 1, 'a vocabulary');
  const rows = values.length / vocabulary;
  const read = model.options(options, [...sampleNumbers, 'previous', 'backend', 'signal']);
  model.expectBackend(read.backend);
  model.expectCallOptions({ backend: read.backend, signal: read.signal });
  const defaults = { temperature: 0, topK: vocabulary, topP: 1, minP: 0, repetitionPenalty: 1, seed: 0 };
  const numbers = sampleNumbers.map((name) => {
    const list = numbersOfRows(read[name] ?? defaults[name], rows);
    expect(list.every(checks[name]), name);
    return list.map(Number);
  });
  const previous = previousOf(read.previous, rows, vocabulary);
  expect(read.seed !== undefined || numbers[0].every((each) => each === 0), 'a seed');
  const chosen = Array.from({ length: rows }, (_, row) => {
    const [temperature, topK, topP, minP, repetitionPenalty, seed] = numbers.map((list) => list[row]);
    const logits = [...values.subarray(row * vocabulary, (row + 1) * vocabulary)];
    return sampleOracle(logits, {
      ...{ temperature, topK, topP, minP, repetitionPenalty, seed },
      previous: previous[row],
      isFloat32: type !== 'float64',
    });
  });
  return {
    output: {
      type: 'int32',
      dims: [rows],
      values: chosen.map(({ token }) => token),
      loose: chosen.some(({ close }) => close),
    },
  };
}

function embedArguments(draw: Draw, backend: string): unknown[] {
  const [batch, steps, length, width] = sizes(draw, 2, 5, 7, 9);
  const dims = draw.below(2) === 0 ? [steps] : [batch, steps];
  const count = dims.reduce((product, each) => product * each, 1);
  const idsBelow = (bound: number) => {
    const ids = Array.from({ length: count }, () => draw.below(bound));
    return dims.length === 1 ? integersIn(draw, ids) : { type: 'int32', dims, data: Int32Array.from(ids) };
  };
  const added = () => {
    const own = 1 + draw.below(4);
    return { ids: idsBelow(own), table: floatTensorOf(draw, [own, width]) };
  };
  return [
    idsBelow(length),
    floatTensorOf(draw, [length, width]),
    {
      backend,
      ...maybe(draw, 'scale', () => draw.below(50) / 10),
      ...maybe(draw, 'add', () => Array.from({ length: draw.below(3) }, added)),
      ...maybe(draw, 'signal', () => new AbortController().signal),
    },
  ];
}

function embedModel([given, table, options]: readonly unknown[]): Record<string, Expected> {
  const { values: rows, dims, type } = model.floatTensor(table);
  expect(dims.length === 2, 'a table');
  const [length, width] = dims;
  const { elements: ids, dims: outer } = model.shapedIntegers(given, 0, length - 1);
  const read = model.options(options, ['scale', 'add', 'backend', 'out', 'signal']);
  model.expectCallOptions(read);
  const scale = model.finite(read.scale ?? 1);
  const sum = ids.flatMap((id) => [...rows.subarray(id * width, (id + 1) * width)].map((x) => scale * x));
  const added = read.add === undefined ? [] : model.list(read.add);
  expect(added.length <= 16, 'few tables');
  for (const each of added) {
    expect(isObject(each), 'ids and a table');
    const part = model.options(each, ['ids', 'table']);
    const own = model.floatTensor(part.table);
    expect(own.type === type && own.dims.length === 2 && own.dims[1] === width, 'a table that fits');
    const places = model.shapedIntegers(part.ids, 0, own.dims[0] - 1);
    expect(model.sameDims(places.dims, outer), 'as many ids');
    for (const [i, id] of places.elements.entries())
      for (let d = 0; d < width; d++) sum[i * width + d] += own.values[id * width + d];
  }
  return { output: { type, dims: [...outer, width], values: sum, loose: isLoose(sum) } };
}

function poolingArguments(draw: Draw, backend: string): unknown[] {
  const starts = [0];
  for (let left = 1 + draw.below(4); left > 0; left--) starts.push(starts[starts.length - 1] + draw.below(4));
  return [
    floatTensorOf(draw, [starts[starts.length - 1], 1 + draw.below(9)]),
    {
      backend,
      ...maybe(draw, 'queryStarts', () => integersIn(draw, starts)),
      ...maybe(draw, 'type', () => pick(draw, ['mean', 'first', 'last'])),
      ...maybe(draw, 'normalize', () => draw.below(2) === 0),
      ...maybe(draw, 'signal', () => new AbortController().signal),
    },
  ];
}

function poolingModel([given, options]: readonly unknown[]): Record<string, Expected> {
  const { values, dims, type } = model.floatTensor(given);
  expect(dims.length === 2, 'tokens');
  const [tokens, width] = dims;
  const read = model.options(options, ['queryStarts', 'type', 'normalize', 'backend', 'out', 'signal']);
  model.expectCallOptions(read);
  const starts =
    read.queryStarts === undefined ? [0, tokens] : model.integerList(read.queryStarts, 0, tokens);
  expect(starts[0] === 0 && starts[starts.length - 1] === tokens, 'starts of all tokens');
  expect(
    starts.every((start, i) => i === 0 || start >= starts[i - 1]),
    'starts in order',
  );
  const { type: pooled = 'mean', normalize = false } = read;
  expect(pooled === 'mean' || pooled === 'first' || pooled === 'last', 'a type of pooling');
  expect(typeof normalize === 'boolean', 'a flag');
  const expected = starts
    .slice(1)
    .flatMap((end, sequence) => poolingOracle(values, width, starts[sequence], end, pooled, normalize));
  return {
    output: {
      type,
      dims: [starts.length - 1, width],
      values: expected,
      // The direction of what is nearly zero is that of rounding.
      loose: isLoose([...values]) || (normalize && isFlat(values, starts, width)),
    },
  };
}

function isFlat(values: ArrayLike<number>, starts: readonly number[], width: number): boolean {
  return starts.slice(1).some((end, sequence) => {
    const sum = poolingOracle(values, width, starts[sequence], end, 'mean', false);
    return Math.hypot(...sum) < 1e-6;
  });
}

/** Results of one tensor, or of several by name. */
const named = (result: unknown) =>
  isObject(result) && 'dims' in result ? { output: result } : (result as Record<string, unknown>);

export function operatorTargets(draw: Draw, backend: string): Target[] {
  const norms = { arguments: () => normArguments(draw, backend), model: normModel, results: named };
  const embeddings = { arguments: () => embedArguments(draw, backend), model: embedModel, results: named };
  const pools = { arguments: () => poolingArguments(draw, backend), model: poolingModel, results: named };
  const samples = {
    arguments: () => sampleArguments(draw, backend),
    model: sampleModel,
    results: (result: unknown) => ({
      output: new Tensor(result as Int32Array, [(result as Int32Array).length]),
    }),
  };
  return [
    { name: 'norm', call: (args) => loosely(norm)(...args), ...norms },
    { name: 'normSync', call: (args) => loosely(normSync)(...args), ...norms },
    { name: 'embed', call: (args) => loosely(embed)(...args), ...embeddings },
    { name: 'embedSync', call: (args) => loosely(embedSync)(...args), ...embeddings },
    { name: 'pooling', call: (args) => loosely(pooling)(...args), ...pools },
    { name: 'poolingSync', call: (args) => loosely(poolingSync)(...args), ...pools },
    { name: 'sample', call: (args) => loosely(sample)(...args), ...samples },
    { name: 'sampleSync', call: (args) => loosely(sampleSync)(...args), ...samples },
  ];
}
