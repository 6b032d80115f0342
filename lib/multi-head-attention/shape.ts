/** The widths of a layer, from its weights and its numbers of heads. */

import type { ScoreArgument } from '../attention/score.js';
import { checkShape } from '../attention/shape.js';
import type { Backend } from '../backends/backend.js';
import { expectDims, expectLength } from '../checks/lists.js';
import { expectPlace } from '../checks/location.js';
import { describeDims } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { CacheEntries } from '../key-value-cache/entries.js';
import type { LinearArgument, LinearArguments, NormArgument } from './linear.js';

export interface LayerShape {
  readonly heads: number;
  readonly keyValueHeads: number;
  /** Of a query of one head. */
  readonly width: number;
  /** Of a key of one head. */
  readonly keyWidth: number;
  /** Of a value of one head. */
  readonly valueWidth: number;
  /** Of what queries are projected from. */
  readonly embed: number;
  /** Of what keys and values are projected from. */
  readonly contextEmbed: number;
  /** Of the result. */
  readonly out: number;
}

function headWidth({ name, columns }: LinearArgument, heads: number, option: string): number {
  if (columns % heads !== 0) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name}.weight.dims[0] to be a multiple of ${option} (${heads}), received ${columns}`,
    );
  }
  return columns / heads;
}

function expectNorm({ weight: { name, dims }, together }: NormArgument, heads: number, width: number): void {
  if (together) {
    expectDims(dims, name, [heads * width]);
  } else if (dims.length === 1) {
    expectLength(dims[0], `${name}.dims[0]`, width, 'the width of a head');
  } else if (dims.length !== 2 || dims[0] !== heads || dims[1] !== width) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name}.dims to have 1 axes, [width], or to be ${describeDims([heads, width])}, received ${describeDims(dims)}`,
    );
  }
}

/** What the lengths of a layer are called in messages. */
export const layerNames = {
  queryHeads: 'options.heads',
  keyHeads: 'options.keyValueHeads',
  queryWidth: 'weights.query.weight.dims[0] / options.heads',
  keyWidth: 'weights.key.weight.dims[0] / options.keyValueHeads',
  valueWidth: 'weights.value.weight.dims[0] / options.keyValueHeads',
  keySteps: 'the number of keys',
};

export function layerShape(
  linears: LinearArguments,
  heads: number,
  keyValueHeads: number,
  score: ScoreArgument,
): LayerShape {
  const { query, key, value, output, queryNorm, keyNorm } = linears;
  const width = headWidth(query, heads, 'options.heads');
  const keyWidth = headWidth(key, keyValueHeads, 'options.keyValueHeads');
  const valueWidth = headWidth(value, keyValueHeads, 'options.keyValueHeads');
  checkShape(
    {
      batch: 0,
      queryHeads: heads,
      keyHeads: keyValueHeads,
      querySteps: 0,
      keySteps: 0,
      width,
      keyWidth,
      valueWidth,
    },
    score,
    layerNames,
  );
  expectLength(value.inner, 'weights.value.weight.dims[1]', key.inner, 'weights.key.weight.dims[1]');
  if (queryNorm) expectNorm(queryNorm, heads, width);
  if (keyNorm) expectNorm(keyNorm, keyValueHeads, keyWidth);
  if (output) {
    expectLength(output.inner, 'weights.output.weight.dims[1]', heads * valueWidth, 'heads · value width');
  }
  return {
    heads,
    keyValueHeads,
    width,
    keyWidth,
    valueWidth,
    embed: query.inner,
    contextEmbed: key.inner,
    out: output ? output.columns : heads * valueWidth,
  };
}

/** Whether entries of caches are where a layer computes, and have its heads. */
export function expectFitting(
  { pool }: CacheEntries,
  name: string,
  { shape, backend }: { readonly shape: LayerShape; readonly backend: Backend },
): void {
  const { heads, width, valueWidth } = pool.form;
  expectPlace({ name, location: pool.location }, backend.location, 'the layer');
  expectLength(heads, `${name}.heads`, shape.keyValueHeads, layerNames.keyHeads);
  expectLength(width, `${name}.width`, shape.keyWidth, layerNames.keyWidth);
  expectLength(valueWidth, `${name}.valueWidth`, shape.valueWidth, layerNames.valueWidth);
}
