/**
 * What MultiHeadAttention of com.microsoft adds to scores. Its masks are finite numbers: where all keys of a
 * row are masked, they differ by their scores as ever, and where the number is the lowest there is, all keys
 * count the same.
 */
import { allocate, isDetachedArray } from '../../checks/data.js';
import { expectType, type TensorArgument } from '../../checks/tensor.js';
import { describeDims, integerBetween } from '../../checks/values.js';
import { HeedError } from '../../errors.js';
import { readElements, writeElements } from '../../tensor/elements.js';
import { Tensor } from '../../tensor/tensor.js';
import { integersOf } from '../arguments.js';
import { detached } from '../copy-rows.js';
import { elementsPerTurn } from '../heads.js';

/** What is added to the score of a later key. */
const lowest = -(2 - 2 ** -23) * 2 ** 127;

export interface MaskShape {
  readonly batch: number;
  readonly querySteps: number;
  readonly pastSteps: number;
  /** Those of the past included. */
  readonly totalSteps: number;
}

/** The masked keys: 1 in [batch, 1 or queries, keys]. */
export interface Padding {
  readonly queries: number;
  readonly masked: Uint8Array;
}

/** The leading elements of the mask are lengths; starts that may follow them say the same again. */
function maskAfter(lengths: Float64Array, name: string, { batch, totalSteps }: MaskShape): Padding {
  const masked = new Uint8Array(batch * totalSteps);
  for (let b = 0; b < batch; b++) {
    const length = integerBetween(lengths[b], `${name}.data[${b}]`, 0, totalSteps);
    masked.fill(1, b * totalSteps + length, (b + 1) * totalSteps);
  }
  return { queries: 1, masked };
}

/**
 * The mask by its shape: lengths [batch], also with their starts, or what is greater than 0 where a key may
 * be attended.
 */
export function readPadding(mask: TensorArgument | undefined, shape: MaskShape): Padding | undefined {
  if (mask === undefined) return undefined;
  expectType(mask, 'int32', "the operator's");
  const { batch, querySteps, totalSteps } = shape;
  const { dims } = mask;
  const is = (...expected: number[]) =>
    dims.length === expected.length && dims.every((length, axis) => length === expected[axis]);
  if (is(batch) || is(3 * batch + 2)) return maskAfter(integersOf(mask), mask.name, shape);
  if (is(batch, totalSteps) || is(batch, querySteps, totalSteps)) {
    return {
      queries: dims.length === 3 ? querySteps : 1,
      masked: Uint8Array.from(integersOf(mask), (value) => (value > 0 ? 0 : 1)),
    };
  }
  const choices = [[batch], [3 * batch + 2], [batch, totalSteps], [batch, querySteps, totalSteps]];
  throw new HeedError(
    'HEED_SHAPE_MISMATCH',
    `Expected key_padding_mask.dims to be ${choices.map(describeDims).join(' or ')}, received ${describeDims(dims)}`,
  );
}

export interface Added {
  readonly shape: MaskShape;
  readonly padding: Padding | undefined;
  /** What is added to the score of a masked key. */
  readonly filter: number;
  /** A query step attends the past and the new steps up to its own. */
  readonly causal: boolean;
  /** [batch or 1, heads or 1, queries, keys] */
  readonly bias: Tensor | undefined;
}

/** Bias, padding and causality as one float32 mask. Pauses now and then. */
export function* addedMask({ shape, padding, filter, causal, bias }: Added): Generator<void, Tensor> {
  const { pastSteps, totalSteps } = shape;
  const batch = padding ? shape.batch : Math.min(bias?.dims[0] ?? 1, shape.batch);
  const heads = bias?.dims[1] ?? 1;
  const queries = bias || causal ? shape.querySteps : (padding?.queries ?? 1);
  const dims = [batch, heads, queries, totalSteps];
  const data = allocate('float32', batch * heads * queries * totalSteps, 'a mask');
  // Axes beside an empty one may be of any length.
  const row = new Float64Array(data.length === 0 ? 0 : totalSteps);
  let sinceTurn = 0;
  for (let at = 0; at < data.length; at += totalSteps) {
    const query = (at / totalSteps) % queries;
    const head = Math.floor(at / totalSteps / queries) % heads;
    const entry = Math.floor(at / totalSteps / queries / heads);
    if (bias) {
      const biasEntry = bias.dims[0] === 1 ? 0 : entry;
      const start = ((biasEntry * heads + head) * queries + query) * totalSteps;
      readElements(bias.type, bias.data, start, totalSteps, row);
    } else {
      row.fill(0);
    }
    const end = causal ? pastSteps + query + 1 : totalSteps;
    if (padding) {
      const start = (entry * padding.queries + (padding.queries === 1 ? 0 : query)) * totalSteps;
      for (let key = 0; key < end && key < totalSteps; key++) {
        if (padding.masked[start + key]) row[key] += filter;
      }
    }
    for (let key = end; key < totalSteps; key++) row[key] += lowest;
    writeElements('float32', data, at, totalSteps, row);
    sinceTurn += totalSteps;
    if (sinceTurn < elementsPerTurn) continue;
    sinceTurn = 0;
    yield;
    if (bias && isDetachedArray(bias.data)) throw detached({ name: 'attention_bias' });
  }
  return new Tensor('float32', data, dims);
}
