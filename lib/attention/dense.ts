/**
 * Attention over a dense batch, whose entries all have the same number of steps: its tensors have four axes.
 */

import { expectLength, expectRank } from '../checks/dims.js';
import type { OptionValues } from '../checks/options.js';
import { readOut } from '../checks/out.js';
import { type Axes, axesOf, denseStrides, type Layout, readLayout, type Strides } from '../tensor/layout.js';
import {
  type AttentionArguments,
  type AttentionShape,
  checkShape,
  type Placement,
  readInputs,
  readSettings,
  type TensorInputs,
  tensorSource,
} from './arguments.js';
import type { AttentionOptionName } from './options.js';
import { readScore, type ScoreArgument } from './score-argument.js';
import { denseSequences, readKeyLengths, readQueryOffset } from './sequences.js';

function readShape({ query, key, value }: TensorInputs, score: ScoreArgument, axes: Axes): AttentionShape {
  for (const tensor of [query, key, value]) expectRank(tensor.dims, 4, tensor.name, axes.names);
  const { heads, steps } = axes;
  const shape = {
    batch: query.dims[0],
    queryHeads: query.dims[heads],
    keyHeads: key.dims[heads],
    querySteps: query.dims[steps],
    keySteps: key.dims[steps],
    width: query.dims[3],
    keyWidth: key.dims[3],
    valueWidth: value.dims[3],
  };
  expectLength(key.dims[0], 'key.dims[0]', shape.batch, 'query.dims[0]');
  expectLength(value.dims[0], 'value.dims[0]', shape.batch, 'query.dims[0]');
  expectLength(value.dims[heads], `value.dims[${heads}]`, shape.keyHeads, `key.dims[${heads}]`);
  expectLength(value.dims[steps], `value.dims[${steps}]`, shape.keySteps, `key.dims[${steps}]`);
  checkShape(shape, score, {
    queryHeads: `query.dims[${heads}]`,
    keyHeads: `key.dims[${heads}]`,
    keyWidth: 'key.dims[3]',
    queryWidth: 'query.dims[3]',
    valueWidth: 'value.dims[3]',
    keySteps: `key.dims[${steps}]`,
  });
  return shape;
}

/** How all four tensors lie in memory. */
export interface TensorPlacement extends Placement {
  readonly key: Strides;
  readonly value: Strides;
}

function place(layout: Layout, shape: AttentionShape): TensorPlacement {
  const { queryHeads, keyHeads, querySteps, keySteps, width, keyWidth, valueWidth } = shape;
  return {
    query: denseStrides(layout, queryHeads, querySteps, width),
    key: denseStrides(layout, keyHeads, keySteps, keyWidth),
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
  const layout = readLayout(options.layout);
  const score = readScore(options.score, 'options.score');
  const shape = readShape(inputs, score, axesOf[layout]);
  const keyLengths = readKeyLengths(options.kvLengths, 'options.kvLengths', shape.batch, shape.keySteps);
  const queryOffset = readQueryOffset(options.queryOffset, 'options.queryOffset', shape.batch);
  const placement = place(layout, shape);
  const outDims = [...inputs.query.dims.slice(0, 3), shape.valueWidth];
  return {
    inputs: { type: inputs.type, query: inputs.query, stored: tensorSource(inputs, placement) },
    shape,
    placement,
    settings: readSettings(options, inputs.query, shape, score),
    sequences: () => denseSequences(shape, keyLengths, queryOffset),
    out: readOut(options.out, 'options.out', inputs.type, outDims, 'query.type', inputs.query),
  };
}
