/** The dims of Q, K and V: heads are an axis of four, or hidden in the last of three. */
import type { AttentionShape } from '../attention/arguments.js';
import { expectLength } from '../checks/lists.js';
import type { OptionValues } from '../checks/options.js';
import type { TensorArgument } from '../checks/tensor.js';
import { describeDims, invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { readInteger } from './arguments.js';

/** The heads that the attributes count for three-dimensional inputs; undefined for four-dimensional ones. */
function readHeadCounts(
  attributes: OptionValues<string>,
  rank: number,
): { query: number; key: number } | undefined {
  const most = 2 ** 31 - 1;
  const query = readInteger(attributes, 'q_num_heads', 1, most);
  const key = readInteger(attributes, 'kv_num_heads', 1, most);
  if (rank === 4) {
    if (query !== undefined || key !== undefined) {
      throw new HeedError(
        'HEED_SHAPE_MISMATCH',
        'Expected q_num_heads and kv_num_heads only with inputs of 3 axes, received Q with 4',
      );
    }
    return undefined;
  }
  if (query === undefined) throw invalid('q_num_heads', 'given for inputs of 3 axes', query);
  if (key === undefined) throw invalid('kv_num_heads', 'given for inputs of 3 axes', key);
  return { query, key };
}

export function expectRankOf(tensor: TensorArgument, ranks: readonly number[]): void {
  if (ranks.includes(tensor.dims.length)) return;
  throw new HeedError(
    'HEED_SHAPE_MISMATCH',
    `Expected ${tensor.name}.dims to have ${ranks.join(' or ')} axes, received ${describeDims(tensor.dims)}`,
  );
}

/** Dims as four axes: [batch, heads, steps, width], or [batch, steps, heads, width] for an input of three. */
function fourAxes(tensor: TensorArgument, heads: number | undefined, attribute: string): readonly number[] {
  if (heads === undefined) return tensor.dims;
  const [batch, steps, hidden] = tensor.dims;
  if (hidden % heads !== 0) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${tensor.name}.dims[2] to be a multiple of ${attribute} (${heads}), received ${hidden}`,
    );
  }
  return [batch, steps, heads, hidden / heads];
}

/** `keySteps` are without the past. */
export interface Shapes extends Omit<AttentionShape, 'keyWidth'> {
  readonly query: readonly number[];
  readonly key: readonly number[];
  readonly value: readonly number[];
  readonly stepsFirst: boolean;
}

export function readShapes(
  Q: TensorArgument,
  K: TensorArgument,
  V: TensorArgument,
  attributes: OptionValues<string>,
): Shapes {
  expectRankOf(Q, [3, 4]);
  const rank = Q.dims.length;
  expectRankOf(K, [rank]);
  expectRankOf(V, [rank]);
  const counts = readHeadCounts(attributes, rank);
  const query = fourAxes(Q, counts?.query, 'q_num_heads');
  const key = fourAxes(K, counts?.key, 'kv_num_heads');
  const value = fourAxes(V, counts?.key, 'kv_num_heads');
  const [headAxis, stepAxis] = counts ? [2, 1] : [1, 2];

  expectLength(key[0], 'K.dims[0]', query[0], 'Q.dims[0]');
  expectLength(value[0], 'V.dims[0]', query[0], 'Q.dims[0]');
  expectLength(value[headAxis], 'the heads of V', key[headAxis], 'the heads of K');
  expectLength(value[stepAxis], `V.dims[${stepAxis}]`, key[stepAxis], `K.dims[${stepAxis}]`);
  expectLength(key[3], 'the head size of K', query[3], 'the head size of Q');
  return {
    query,
    key,
    value,
    stepsFirst: counts !== undefined,
    batch: query[0],
    queryHeads: query[headAxis],
    keyHeads: key[headAxis],
    querySteps: query[stepAxis],
    keySteps: key[stepAxis],
    width: key[3],
    valueWidth: value[3],
  };
}
