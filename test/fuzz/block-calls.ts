/** Good calls of feed-forward networks, blocks of transformers and logits. */
import { FeedForward } from '../../lib/feed-forward/feed-forward.js';
import { logits, logitsSync } from '../../lib/logits/logits.js';
import { MultiHeadAttention } from '../../lib/multi-head-attention/multi-head-attention.js';
import { type Activation, activations } from '../../lib/problem/problem.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { blockForms, normNames } from '../../lib/transformer-block/forms.js';
import { type BlockForm, TransformerBlock } from '../../lib/transformer-block/transformer-block.js';
import { feedForwardOracle } from '../feed-forward/feed-forward-oracle.js';
import type { TestedBackend } from '../support/backends.js';
import { linearOracle } from '../support/linear.js';
import { type BlockCase, blockOracle } from '../transformer-block/block-oracle.js';
import type { Expected } from './attention-model.js';
import { floatTensorOf, integersIn, loosely, maybe, sizes } from './good-values.js';
import { type Draw, pick } from './hostile-values.js';
import type { Target } from './outcome.js';
import * as model from './tensor-model.js';
import { expect, type ModelTensor } from './tensor-model.js';

/** Sums of larger numbers have no digits to compare, once they are multiplied and multiplied again. */
const isLoose = (...tensors: (ModelTensor | undefined)[]) =>
  tensors.some((tensor) => tensor && !tensor.values.every((element) => Math.abs(element) < 30));

const withBias = (draw: Draw, out: number, inner: number) => ({
  weight: floatTensorOf(draw, [out, inner]),
  ...maybe(draw, 'bias', () => floatTensorOf(draw, [out])),
});

function feedForwardArguments(draw: Draw, backend: string): unknown[] {
  const [rows, embed, hidden, out] = sizes(draw, 3, 6, 9, 6);
  return [
    {
      ...(draw.below(2) === 0 && { gate: withBias(draw, hidden, embed) }),
      up: withBias(draw, hidden, embed),
      down: withBias(draw, out, hidden),
    },
    { backend, activation: pick(draw, [...activations]), ...maybe(draw, 'type', () => 'float32') },
    floatTensorOf(draw, [rows, embed]),
    {
      ...maybe(draw, 'residual', () => floatTensorOf(draw, [rows, out])),
      ...maybe(draw, 'signal', () => new AbortController().signal),
    },
  ];
}

function readLinear(value: unknown) {
  expect(value !== undefined, 'a linear map');
  const given = model.options(value, ['weight', 'bias']);
  const weight = model.floatTensor(given.weight);
  expect(weight.dims.length === 2, 'a matrix');
  const bias = given.bias === undefined ? undefined : model.floatTensor(given.bias);
  expect(!bias || model.sameDims(bias.dims, [weight.dims[0]]), 'a bias for each row');
  const { dims, type } = weight;
  const plain = { weight: model.plain(weight), ...(bias && { bias: model.plain(bias) }) };
  return { plain, columns: dims[0], inner: dims[1], type, loose: isLoose(weight, bias) };
}

function feedForwardModel([weights, options, given, call]: readonly unknown[]): Expected {
  expect(weights !== undefined, 'weights');
  const maps = model.options(weights, ['gate', 'up', 'down']);
  const gate = maps.gate === undefined ? undefined : readLinear(maps.gate);
  const [up, down] = [readLinear(maps.up), readLinear(maps.down)];
  expect(!gate || (gate.columns === up.columns && gate.inner === up.inner), 'a gate for each row');
  expect(down.inner === up.columns, 'maps that follow each other');
  const settings = model.options(options, ['activation', 'type', 'weights', 'location', 'backend']);
  expect(activations.includes(settings.activation as Activation), 'an activation');
  const { type = up.type } = settings;
  expect(model.floats.includes(type as string), 'a floating-point type');
  expect(settings.location === undefined || settings.location === 'cpu', 'a location');
  const rounds = settings.weights !== undefined;
  expect(!rounds || settings.weights === 'int8' || settings.weights === 'int4', 'a type of integers');
  model.expectBackend(settings.backend);
  const x = model.floatTensor(given);
  expect(x.type === type && x.dims.length > 0 && x.dims.at(-1) === up.inner, 'rows as wide as the network');
  const dims = [...x.dims.slice(0, -1), down.columns];
  const values = model.options(call, ['residual', 'out', 'signal']);
  model.expectCallOptions(values);
  const residual = values.residual === undefined ? undefined : model.floatTensor(values.residual);
  expect(!residual || (residual.type === type && model.sameDims(residual.dims, dims)), 'a residual');
  return {
    type: type as string,
    dims,
    values: feedForwardOracle(
      [...x.values],
      { ...(gate && { gate: gate.plain }), up: up.plain, down: down.plain },
      settings.activation as Activation,
      residual && [...residual.values],
    ),
    loose: rounds || isLoose(x, residual) || [gate, up, down].some((map) => map?.loose),
  };
}

function logitsArguments(draw: Draw, backend: string): unknown[] {
  const [width, vocabulary] = sizes(draw, 6, 20);
  const counts = Array.from({ length: 1 + draw.below(3) }, () => 1 + draw.below(3));
  const starts = [0];
  for (const count of counts) starts.push((starts.at(-1) ?? 0) + count);
  return [
    floatTensorOf(draw, [starts.at(-1) ?? 0, width]),
    floatTensorOf(draw, [vocabulary, width]),
    {
      backend,
      ...(draw.below(2) === 0 && { queryStarts: integersIn(draw, starts) }),
      ...maybe(draw, 'bias', () => floatTensorOf(draw, [vocabulary])),
      ...maybe(draw, 'softcap', () => pick(draw, [0, 1, 30])),
      ...maybe(draw, 'signal', () => new AbortController().signal),
    },
  ];
}

function logitsModel([given, tableValue, options]: readonly unknown[]): Expected {
  const x = model.floatTensor(given);
  expect(x.dims.length === 2, 'rows');
  const read = model.options(options, ['queryStarts', 'bias', 'softcap', 'backend', 'out', 'signal']);
  const table = readLinear({ weight: tableValue, ...(read.bias !== undefined && { bias: read.bias }) });
  const [tokens, width] = x.dims;
  expect(table.inner === width, 'a table as wide as the rows');
  const { queryStarts, softcap = 0 } = read;
  expect(model.finite(softcap) >= 0, 'a cap');
  model.expectCallOptions({ backend: read.backend, signal: read.signal, out: read.out });
  const starts = queryStarts === undefined ? undefined : model.integerList(queryStarts, 0, tokens);
  expect(!starts || (starts.length > 0 && starts[0] === 0 && starts.at(-1) === tokens), 'all rows');
  expect(!starts || starts.every((start, i) => i === 0 || start > starts[i - 1]), 'a row for each');
  const rows = starts ? starts.slice(1).map((end) => end - 1) : Array.from({ length: tokens }, (_, i) => i);
  const cap = softcap as number;
  const values = rows
    .flatMap((row) => linearOracle([...x.values.subarray(row * width, (row + 1) * width)], table.plain, 1))
    .map((each) => (cap === 0 ? each : cap * Math.tanh(each / cap)));
  const type = x.type === 'float64' ? 'float64' : 'float32';
  return { type, dims: [rows.length, table.columns], values, loose: table.loose || isLoose(x) };
}

const embed = 6;
const heads = 2;

/** The parts of all blocks: hostile ones are those of layers and networks. */
function partsOf() {
  const weight = (out: number, inner: number, at: number) => ({
    weight: new Tensor(
      Float32Array.from({ length: out * inner }, (_, i) => Math.sin(7 * i + at) / 2),
      [out, inner],
    ),
  });
  const [query, key, value, output] = [1, 2, 3, 4].map((at) => weight(embed, embed, at));
  return {
    attention: { weights: { query, key, value, output }, options: { heads } },
    feedForward: {
      weights: { gate: weight(9, embed, 5), up: weight(9, embed, 6), down: weight(embed, 9, 7) },
      activation: 'silu',
    },
  } as const;
}

function blockArguments(draw: Draw): unknown[] {
  const form = pick(draw, [...blockForms]);
  const names = form === 'sandwich' ? normNames : (['attentionNorm', 'feedForwardNorm'] as const);
  const norm = () => ({
    weight: floatTensorOf(draw, [embed]),
    ...maybe(draw, 'bias', () => floatTensorOf(draw, [embed])),
  });
  const [batch, steps] = sizes(draw, 2, 4);
  const drawn = normNames.map((name) =>
    (names as readonly string[]).includes(name) && draw.below(2) === 0 ? norm() : undefined,
  );
  return [
    ...drawn,
    {
      form,
      ...maybe(draw, 'norm', () => ({
        epsilon: 0.1,
        ...maybe(draw, 'type', () => pick(draw, ['rms', 'layer'])),
        ...maybe(draw, 'offset', () => 1),
      })),
    },
    floatTensorOf(draw, [batch, steps, embed]),
    { ...maybe(draw, 'signal', () => new AbortController().signal) },
  ];
}

function blockModel(args: readonly unknown[]): Expected {
  const [options, given, call] = args.slice(normNames.length);
  const values = model.options(options, ['form', 'norm']);
  const { form = 'pre-norm' } = values;
  expect(blockForms.includes(form as BlockForm), 'a form');
  const {
    type = 'rms',
    epsilon = 1e-6,
    offset = 0,
  } = model.options(values.norm, ['type', 'epsilon', 'offset']);
  expect(type === 'rms' || type === 'layer', 'a type of norm');
  expect(model.finite(epsilon) >= 0, 'an epsilon');
  const known = form === 'sandwich' ? normNames : normNames.filter((name) => !name.includes('Output'));
  const tensors: ModelTensor[] = [];
  const factors = (value: unknown) => {
    const tensor = model.floatTensor(value);
    expect(model.sameDims(tensor.dims, [embed]), 'a factor for each element');
    tensors.push(tensor);
    return model.plain(tensor);
  };
  const readNorms = normNames.flatMap((name, i) => {
    if (args[i] === undefined) return [];
    expect(known.includes(name), `no ${name}`);
    const { weight, bias } = model.options(args[i], ['weight', 'bias']);
    return [[name, { weight: factors(weight), ...(bias !== undefined && { bias: factors(bias) }) }]];
  });
  const x = model.floatTensor(given);
  expect(x.type === 'float32' && x.dims.length === 3 && x.dims[2] === embed, 'rows of the block');
  const names = ['mask', 'lengths', 'kvLengths', 'positions', 'select', 'queryStarts', 'cache', 'caches'];
  const rest = model.options(call, [...names, 'out', 'signal']);
  model.expectCallOptions(rest);
  expect(
    names.every((name) => rest[name] === undefined),
    'no options of attention',
  );
  const drawn = {
    type: 'float32',
    ...partsOf(),
    norms: Object.fromEntries(readNorms),
    options: { form, norm: { type, epsilon, offset: model.finite(offset) } },
  } as BlockCase;
  const rows = x.dims[0] * x.dims[1];
  return {
    type: 'float32',
    dims: x.dims,
    values: rows === 0 ? [] : blockOracle(drawn, [...x.values], x.dims),
    // A constant row has no variance but that of rounding.
    loose: isLoose(x, ...tensors) || Math.abs(offset as number) > 30 || (epsilon as number) < 0.01,
  };
}

type Call = (args: readonly unknown[]) => unknown;

export function blockTargets(draw: Draw, backend: TestedBackend): Target[] {
  const named = (result: unknown) => ({ output: result });
  const target = (
    name: string,
    call: Call,
    args: () => unknown[],
    modelOf: (args: readonly unknown[]) => Expected,
  ) => ({
    name,
    call: async (given: readonly unknown[]) => await call(given),
    arguments: args,
    model: (given: readonly unknown[]) => ({ output: modelOf(given) }),
    results: named,
  });
  const network = (form: 'forward' | 'forwardSync') => (given: readonly unknown[]) => {
    const [weights, options, x, call] = given;
    const made = new FeedForward(weights as never, options as never);
    return made[form](x as never, call as never);
  };
  const block = (form: 'forward' | 'forwardSync') => (given: readonly unknown[]) => {
    const [options, x, call] = given.slice(normNames.length);
    const { attention, feedForward } = partsOf();
    const parts = {
      attention: new MultiHeadAttention(attention.weights, { ...attention.options, backend }),
      feedForward: new FeedForward(feedForward.weights, { activation: feedForward.activation, backend }),
    };
    const norms = Object.fromEntries(normNames.map((name, i) => [name, given[i]]));
    const made = new TransformerBlock({ ...parts, ...norms }, options as never);
    return made[form](x as never, call as never);
  };
  const networks = () => feedForwardArguments(draw, backend);
  const rows = () => logitsArguments(draw, backend);
  return [
    target('FeedForward.forward', network('forward'), networks, feedForwardModel),
    target('FeedForward.forwardSync', network('forwardSync'), networks, feedForwardModel),
    target('logits', (args) => loosely(logits)(...args), rows, logitsModel),
    target('logitsSync', (args) => loosely(logitsSync)(...args), rows, logitsModel),
    target('TransformerBlock.forward', block('forward'), () => blockArguments(draw), blockModel),
    target('TransformerBlock.forwardSync', block('forwardSync'), () => blockArguments(draw), blockModel),
  ];
}
