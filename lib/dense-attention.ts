/** Attention over a batch whose entries all have room for equally many steps: its tensors have four axes. */
import {
  type AttentionArguments,
  type AttentionInputs,
  type AttentionShape,
  checkShape,
  type Placement,
  readInputs,
  readSettings,
  type Strides,
} from './attention-arguments.js';
import type { AttentionOptionName } from './attention-options.js';
import { expectLength, expectRank } from './checks/dims.js';
import { choiceOption } from './checks/numbers.js';
import type { OptionValues } from './checks/options.js';
import { readOut } from './checks/out.js';
import { denseSequences, readKeyLengths, readQueryOffset } from './checks/sequences.js';

type Layout = 'bhsd' | 'bshd';

interface Axes {
  readonly heads: 1 | 2;
  readonly steps: 1 | 2;
  readonly names: string;
}

const axesOf: Readonly<Record<Layout, Axes>> = {
  bhsd: { heads: 1, steps: 2, names: 'batch, heads, steps, width' },
  bshd: { heads: 2, steps: 1, names: 'batch, steps, heads, width' },
};

function readShape({ query, key, value }: AttentionInputs, axes: Axes): AttentionShape {
  for (const tensor of [query, key, value]) expectRank(tensor.dims, 4, tensor.name, axes.names);
  const { heads, steps } = axes;
  const shape = {
    batch: query.dims[0],
    queryHeads: query.dims[heads],
    keyHeads: key.dims[heads],
    querySteps: query.dims[steps],
    keySteps: key.dims[steps],
    width: query.dims[3],
    valueWidth: value.dims[3],
  };
  expectLength(key.dims[0], 'key.dims[0]', shape.batch, 'query.dims[0]');
  expectLength(value.dims[0], 'value.dims[0]', shape.batch, 'query.dims[0]');
  expectLength(value.dims[heads], `value.dims[${heads}]`, shape.keyHeads, `key.dims[${heads}]`);
  expectLength(value.dims[steps], `value.dims[${steps}]`, shape.keySteps, `key.dims[${steps}]`);
  checkShape(
    shape,
    {
      queryHeads: `query.dims[${heads}]`,
      keyHeads: `key.dims[${heads}]`,
      keyWidth: 'key.dims[3]',
      queryWidth: 'query.dims[3]',
      valueWidth: 'value.dims[3]',
    },
    key.dims[3],
  );
  return shape;
}

export function denseStrides(layout: Layout, heads: number, steps: number, width: number): Strides {
  const batchStride = heads * steps * width;
  return layout === 'bhsd'
    ? { batchStride, headStride: steps * width, stepStride: width }
    : { batchStride, headStride: width, stepStride: heads * width };
}

function place(layout: Layout, shape: AttentionShape): Placement {
  const { queryHeads, keyHeads, querySteps, keySteps, width, valueWidth } = shape;
  return {
    query: denseStrides(layout, queryHeads, querySteps, width),
    key: denseStrides(layout, keyHeads, keySteps, width),
    value: denseStrides(layout, keyHeads, keySteps, valueWidth),
    output: denseStrides(layout, queryHeads, querySteps, valueWidth),
  };
}

export function readDenseArguments(
  query: unknown,
  key: unknown,
  value: unknown,
  options: OptionValues<AttentionOptionName>,
): AttentionArguments {
  const inputs = readInputs(query, key, value);
  const layout = choiceOption(options.layout, 'options.layout', ['bhsd', 'bshd'], 'bhsd');
  const shape = readShape(inputs, axesOf[layout]);
  const keyLengths = readKeyLengths(options.kvLengths, 'options.kvLengths', shape.batch, shape.keySteps);
  const queryOffset = readQueryOffset(options.queryOffset, 'options.queryOffset', shape.batch);
  const outDims = [...inputs.query.dims.slice(0, 3), shape.valueWidth];
  return {
    inputs,
    shape,
    placement: place(layout, shape),
    settings: readSettings(options, inputs.type, shape),
    sequences: () => denseSequences(shape, keyLengths, queryOffset),
    out: readOut(options.out, 'options.out', inputs.type, outDims, 'query.type'),
  };
}
