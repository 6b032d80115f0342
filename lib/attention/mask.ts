/** Masks in the forms that people have them in, and as problems see them. */
import { endianness } from 'node:os';
import { allocate } from '../checks/data.js';
import {
  broadcastStrides,
  computedData,
  fetchedDataOf,
  readTensor,
  type TensorArgument,
} from '../checks/tensor.js';
import { describeDims } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { bufferOf, byteOffsetOf } from '../memory/arrays.js';
import type { MaskView } from '../problem/problem.js';
import { type FloatType, isIntegerType, type TypedArray } from '../tensor/types.js';

export interface MaskArgument {
  readonly tensor: TensorArgument;
  /** Along batch, heads, queries and keys; 0 where the mask broadcasts. */
  readonly strides: readonly number[];
}

type MaskTarget = readonly [batch: number, heads: number, queries: number, keys: number];

/**
 * The dims of a mask with two axes are [queries, keys], as those of any array that broadcasts, or [batch, keys], as
 * tokenizers give it. A shape that may be either is refused, as one of them would be a guess.
 */
function fourAxes({ name, dims }: TensorArgument, [batch, , queries, keys]: MaskTarget): readonly number[] {
  const [first, last] = dims;
  if (dims.length !== 2 || first !== batch || last !== keys || first === 1) return dims;
  if (first === queries && first > 1) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name}.dims to have one meaning, received ${describeDims(dims)}, which may be [queries, keys] or ` +
        `[batch, keys]; reshape it to ${describeDims([1, 1, first, last])} or to ${describeDims([first, 1, 1, last])}`,
    );
  }
  return [batch, 1, 1, keys];
}

export function readMask(value: unknown, name: string, target: MaskTarget): MaskArgument {
  const tensor = readTensor(value, name);
  const dims = fourAxes(tensor, target);
  return { tensor, strides: broadcastStrides({ name, dims }, target, 'batch, heads, queries, keys') };
}

/** What was kept of a mask; `bits` has others than the lowest if some element is neither 0 nor 1. */
interface Kept {
  readonly kept: Uint8Array;
  readonly bits: number;
}

/** Bytes of 0 and 1 are bool already. */
function keepBytes(kept: Uint8Array): Kept {
  let bits = 0;
  for (let i = 0; i < kept.length; i++) bits |= kept[i];
  return { kept, bits };
}

function keepWords(words: Int32Array, kept: Uint8Array): Kept {
  let bits = 0;
  for (let i = 0; i < kept.length; i++) {
    bits |= words[i];
    kept[i] = words[i];
  }
  return { kept, bits };
}

/** Which half of an int64 is the low one. */
const lowHalf = endianness() === 'LE' ? 0 : 1;

/** Reading halves makes no bigints, which would take several times as long. */
function keepHalves(halves: Int32Array, kept: Uint8Array): Kept {
  let bits = 0;
  let high = 0;
  for (let i = 0; i < kept.length; i++) {
    const low = halves[2 * i + lowHalf];
    bits |= low;
    high |= halves[2 * i + 1 - lowHalf];
    kept[i] = low;
  }
  return { kept, bits: high === 0 ? bits : -1 };
}

function keep(data: TypedArray, name: string): Kept {
  if (data instanceof Uint8Array) return keepBytes(data);
  const kept = allocate('bool', data.length, name) as Uint8Array;
  if (data instanceof Int32Array) return keepWords(data, kept);
  return keepHalves(new Int32Array(bufferOf(data), byteOffsetOf(data), 2 * data.length), kept);
}

/** Elements 0 and 1 of an integer type, as bool. They are read here, on the calling thread, from wherever they are. */
function booleansOf(tensor: TensorArgument): Uint8Array {
  const data = fetchedDataOf(tensor);
  const { kept, bits } = keep(data, tensor.name);
  if ((bits | 1) === 1) return kept;
  const wrong = Array.from<number | bigint, number>(data, Number).findIndex((x) => x !== 0 && x !== 1);
  throw new HeedError(
    'HEED_INVALID_ARGUMENT',
    `Expected ${tensor.name}.data[${wrong}] to be 0 or 1, for a key that may be attended, received ${data[wrong]}`,
  );
}

/** The mask as a problem sees it. It is added in the precision of the computation. */
export function maskView({ tensor, strides }: MaskArgument, computeType: FloatType): MaskView {
  const [batchStride, headStride, queryStride, keyStride] = strides;
  const elements = isIntegerType(tensor.type)
    ? ({ data: booleansOf(tensor), type: 'bool' } as const)
    : computedData(tensor, computeType);
  return { ...elements, batchStride, headStride, queryStride, keyStride };
}
