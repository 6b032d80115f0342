/**
 * Learnt biases of scores by the distance of a key from its query (Raffel et al. 2020, "Exploring the Limits of Transfer
 * Learning with a Unified Text-to-Text Transformer").
 */
import { type MaskArgument, maskView } from '../attention/mask.js';
import { allocate } from '../checks/data.js';
import { expectLength, expectRank } from '../checks/lists.js';
import { readOptions } from '../checks/options.js';
import { expectFloat, fetchedDataOf, readTensor, type TensorArgument } from '../checks/tensor.js';
import { booleanOption, integerBetween } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { isOnDevice } from '../memory/device.js';
import type { Sequence } from '../problem/problem.js';
import { readElements } from '../tensor/elements.js';
import { denseStrides } from '../tensor/layout.js';
import type { FloatType, Numbers, TensorLike } from '../tensor/types.js';

/** Adds a number to the score of a key and a query, by their distance: T5's relative position bias. */
export interface RelativeBiasOptions {
  /**
   * [buckets, heads], any floating-point type; copied. Half of the buckets of a side are for distances of 0, 1, 2, …
   * steps each, the others for ranges of distances that grow exponentially.
   */
  weight: TensorLike;
  /**
   * Whether keys after their query have a side of their own, the second half of the buckets. Otherwise all
   * of them are at distance 0. Default: the opposite of `causal`.
   */
  bidirectional?: boolean;
  /** The distance from which on all share the last bucket of a side; `relative_attention_max_distance`. Default 128. */
  maxDistance?: number;
}

/** What was read of the option; the elements are accessed when the layer is made. */
export interface RelativeBiasArgument {
  readonly weight: TensorArgument;
  readonly bidirectional: boolean;
  readonly maxDistance: number;
}

export function readRelativeBias(
  value: unknown,
  name: string,
  { heads, causal }: { heads: number; causal: boolean },
): RelativeBiasArgument | undefined {
  if (value === undefined) return undefined;
  const given = readOptions(value, ['weight', 'bidirectional', 'maxDistance'], name);
  const weight = readTensor(given.weight, `${name}.weight`);
  expectFloat(weight);
  expectRank(weight.dims, 2, weight.name, 'buckets, heads');
  expectLength(weight.dims[1], `${name}.weight.dims[1]`, heads, 'options.heads');
  const bidirectional = booleanOption(given.bidirectional, `${name}.bidirectional`, !causal);
  const [buckets] = weight.dims;
  const side = bidirectional ? buckets / 2 : buckets;
  if (side < 2 || !Number.isInteger(side)) {
    throw new HeedError(
      'HEED_INVALID_DIMS',
      `Expected ${name}.weight.dims[0] to be ${bidirectional ? 'an even number of at least 4' : 'at least 2'}, received ${buckets}`,
    );
  }
  const least = Math.floor(side / 2) + 1;
  const maxDistance =
    given.maxDistance === undefined
      ? Math.max(128, least)
      : integerBetween(given.maxDistance, `${name}.maxDistance`, least, 2 ** 31 - 1);
  return { weight, bidirectional, maxDistance };
}

/** The biases of a layer. */
export interface RelativeBias extends Omit<RelativeBiasArgument, 'weight'> {
  readonly buckets: number;
  readonly heads: number;
  /** [buckets, heads] */
  readonly numbers: Float64Array;
}

export function ownRelativeBias({ weight, ...rest }: RelativeBiasArgument): RelativeBias {
  const numbers = allocate('float64', weight.size, weight.name) as Float64Array;
  readElements(weight.type, fetchedDataOf(weight), 0, weight.size, numbers);
  const [buckets, heads] = weight.dims;
  return { ...rest, buckets, heads, numbers };
}

/** The bucket of a key so many steps after its query; negative before it. */
function bucketOf({ buckets, bidirectional, maxDistance }: RelativeBias, after: number): number {
  const side = bidirectional ? buckets / 2 : buckets;
  const first = bidirectional && after > 0 ? side : 0;
  const distance = bidirectional ? Math.abs(after) : Math.max(0, -after);
  const exact = Math.floor(side / 2);
  if (distance < exact) return first + distance;
  const ranges = side - exact;
  const range = (Math.log(distance / exact) / Math.log(maxDistance / exact)) * ranges;
  // Where a range begins at an integer, the logarithms may give a little less.
  return first + exact + Math.min(ranges - 1, Math.floor(range + 1e-9));
}

interface Steps {
  readonly batch: number;
  readonly querySteps: number;
  readonly keySteps: number;
}

/** The elements of a mask as what is added to scores; a copy if it is on a device, which waits for all enqueued work. */
function addends(mask: MaskArgument, type: FloatType): Float64Array {
  const { data: elements, type: maskType } = maskView(mask, type);
  const data = isOnDevice(elements) ? fetchedDataOf(mask.tensor) : elements;
  const numbers = allocate('float64', mask.tensor.size, mask.tensor.name) as Float64Array;
  if (maskType !== 'bool') {
    readElements(maskType, data, 0, numbers.length, numbers);
    return numbers;
  }
  const keeps = data as Uint8Array;
  for (let i = 0; i < numbers.length; i++) numbers[i] = keeps[i] ? 0 : Number.NEGATIVE_INFINITY;
  return numbers;
}

/** A mask with the biases, and with what the caller's mask adds. Accesses the memory of that. */
export function biasMask(
  bias: RelativeBias,
  { batch, querySteps, keySteps }: Steps,
  sequences: readonly Sequence[],
  given: MaskArgument | undefined,
  type: FloatType,
): MaskArgument | undefined {
  if (sequences.length === 0 || keySteps === 0) return given;
  const alike =
    (given?.strides[0] ?? 0) === 0 &&
    sequences.every(({ queryOffset }) => queryOffset === sequences[0].queryOffset);
  const { heads } = bias;
  const dims = [alike ? 1 : batch, heads, querySteps, keySteps];
  const [entries] = dims;
  const size = entries * heads * querySteps * keySteps;
  const computed = type === 'float64' ? 'float64' : 'float32';
  const data = allocate(computed, size, 'the relative biases') as Numbers;
  const added = given && addends(given, type);
  const [batchStride, headStride, queryStride, keyStride] = given?.strides ?? [];
  // A row has the biases of the row before, one step further back.
  const far = querySteps - 1;
  const byDistance = new Float64Array(far + keySteps);
  const buckets = new Int32Array(far + keySteps);
  let at = 0;
  for (let entry = 0; entry < entries; entry++) {
    const { queryOffset } = sequences[entry];
    for (let i = 0; i < buckets.length; i++) buckets[i] = bucketOf(bias, i - far - queryOffset);
    for (let head = 0; head < heads; head++) {
      for (let i = 0; i < buckets.length; i++) byDistance[i] = bias.numbers[buckets[i] * heads + head];
      for (let row = 0; row < querySteps; row++, at += keySteps) {
        data.set(byDistance.subarray(far - row, far - row + keySteps), at);
        if (added === undefined) continue;
        const start = entry * batchStride + head * headStride + row * queryStride;
        for (let key = 0; key < keySteps; key++) {
          const more = added[start + key * keyStride];
          // What is excluded stays so, whatever its bias is.
          data[at + key] = more === Number.NEGATIVE_INFINITY ? more : data[at + key] + more;
        }
      }
    }
  }
  const {
    batchStride: perEntry,
    headStride: perHead,
    stepStride,
  } = denseStrides('bhsd', heads, querySteps, keySteps);
  const tensor: TensorArgument = {
    name: 'the relative biases',
    type: computed,
    dims,
    size,
    location: 'cpu',
    data,
  };
  return { tensor, strides: [alike ? 0 : perEntry, perHead, stepStride, 1] };
}
