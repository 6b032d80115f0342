/** What is appended to a cache. */
import { expectLength, expectRank } from '../checks/dims.js';
import { readIntegers } from '../checks/lists.js';
import { expectPlace, expectReach } from '../checks/location.js';
import { readOptions } from '../checks/options.js';
import { dataOf, expectFloat, expectType, readTensor, type TensorArgument } from '../checks/tensor.js';
import type { View } from '../problem/problem.js';
import { axesOf, denseStrides, readLayout } from '../tensor/layout.js';
import type { CacheState } from './cache-state.js';

/** The options of {@link KeyValueCache.append}. */
export interface AppendOptions {
  /** How many of the steps to append, per batch entry: the first ones. Default: all. */
  lengths?: ArrayLike<number>;
  /** The order of axes: 'bhsd' is [batch, heads, steps, width] (the default), 'bshd' is [batch, steps, heads, width]. */
  layout?: 'bhsd' | 'bshd';
}

/** New steps: of each entry, the first `counts[entry]`. */
export interface NewSteps {
  readonly key: View;
  readonly value: View;
  readonly counts: readonly number[];
}

export function readAppendArguments(
  { batch, pool }: CacheState,
  keyValue: unknown,
  valueValue: unknown,
  options: unknown,
): NewSteps {
  const given = readOptions(options, ['lengths', 'layout']);
  const layout = readLayout(given.layout);
  const axes = axesOf[layout];
  const key = readTensor(keyValue, 'key');
  const value = readTensor(valueValue, 'value');
  const type = expectFloat(key);
  expectType(value, type, 'key.type');
  expectReach(key, pool.location, 'cache');
  expectPlace(value, key.location, key.name);
  const { heads, width, valueWidth } = pool.form;
  const check = ({ dims, name }: TensorArgument, expected: number, source: string) => {
    expectRank(dims, 4, name, axes.names);
    expectLength(dims[0], `${name}.dims[0]`, batch, 'cache.batch');
    expectLength(dims[axes.heads], `${name}.dims[${axes.heads}]`, heads, 'cache.heads');
    expectLength(dims[3], `${name}.dims[3]`, expected, source);
  };
  check(key, width, 'cache.width');
  check(value, valueWidth, 'cache.valueWidth');
  const steps = key.dims[axes.steps];
  expectLength(value.dims[axes.steps], `value.dims[${axes.steps}]`, steps, `key.dims[${axes.steps}]`);
  const counts =
    given.lengths === undefined
      ? new Array<number>(batch).fill(steps)
      : readIntegers(given.lengths, 'options.lengths', batch, 'batch entry', 0, steps);
  const view = (tensor: TensorArgument): View => ({
    data: dataOf(tensor),
    type,
    ...denseStrides(layout, heads, steps, tensor.dims[3]),
  });
  return { key: view(key), value: view(value), counts };
}
