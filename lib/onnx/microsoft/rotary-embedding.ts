import { chooseBackend } from '../../backends/choose.js';
import { expectDims } from '../../checks/lists.js';
import { type OptionValues, readOptions } from '../../checks/options.js';
import { expectType, type TensorArgument } from '../../checks/tensor.js';
import { invalid } from '../../checks/values.js';
import { HeedError } from '../../errors.js';
import type { Allocations } from '../../memory/allocations.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { TensorLike } from '../../tensor/types.js';
import {
  expectOnePlace,
  expectOperatorFloat,
  expectRankOf,
  integersOf,
  readInputs,
  readInteger,
} from '../arguments.js';
import type { Heads } from '../heads.js';
import { headsToRotate, type RotaryNode, readRotated, readRotation } from '../rotate.js';
import { expectOneType, most } from './arguments.js';

/** The inputs of a RotaryEmbedding node of com.microsoft, by the names of the operator's definition. */
export interface RotaryEmbeddingInputs {
  /**
   * [batch, sequence_length, num_heads · head_size], or [batch, num_heads, sequence_length, head_size];
   * float32, float16 or bfloat16.
   */
  readonly input: TensorLike;
  /** int64. One element: the position of the first step of every batch entry; or [batch, sequence_length]. */
  readonly position_ids: TensorLike;
  /** Cosines of the angles, [max_sequence_length, rotary_embedding_dim / 2], in the type of the input. */
  readonly cos_cache: TensorLike;
  /** Their sines, of the same dims. */
  readonly sin_cache: TensorLike;
}

/** The attributes of a RotaryEmbedding node of com.microsoft, by the operator's names. */
export interface RotaryEmbeddingAttributes {
  /** 1: neighbouring elements form a pair; 0, the default: an element and the one half a head further on. */
  readonly interleaved?: 0 | 1;
  /**
   * The number of heads of an input of three axes. 0, the default, stands for as many as there are if all of
   * a head is rotated: the caches have half its width. The dims of an input of four axes contain it.
   */
  readonly num_heads?: number;
  /** How many leading elements of a head are rotated; 0, the default, is all. */
  readonly rotary_embedding_dim?: number;
  /**
   * 1: the input may have more steps than the caches have positions, as rows of several sequences laid end to
   * end do. Default 0.
   */
  readonly is_packed_batching?: 0 | 1;
  /**
   * Only 1, the default: it scales caches that an operator extends by itself, which no backend of onnxruntime
   * does.
   */
  readonly scale?: 1;
}

/** The output, by its name. */
export interface RotaryEmbeddingOutputs {
  /** The result, with the dims and type of the input. */
  output: Tensor;
}

type Attributes = OptionValues<
  'interleaved' | 'is_packed_batching' | 'num_heads' | 'rotary_embedding_dim' | 'scale'
>;

/** Heads that nothing counts have the width that the caches rotate. */
function countHeads(input: TensorArgument, attributes: Attributes, width: number): number | undefined {
  const count = readInteger(attributes, 'num_heads', 0, most);
  if (count || input.dims.length !== 3) return count;
  if (attributes.rotary_embedding_dim) throw invalid('num_heads', 'given with rotary_embedding_dim', count);
  const hidden = input.dims[2];
  if (width > 0 && hidden % width === 0) return hidden / width;
  throw new HeedError(
    'HEED_SHAPE_MISMATCH',
    `Expected input.dims[2] to be a multiple of twice cos_cache.dims[1] (${width}), received ${hidden}`,
  );
}

/** The position of each [batch, step]. */
function readPositions(ids: TensorArgument, { batch, steps }: Heads, { size }: TensorArgument): Float64Array {
  const given = integersOf(ids);
  if (ids.dims.length > 1 || ids.size !== 1) {
    expectDims(ids.dims, 'position_ids', [batch, steps]);
    return given;
  }
  // Axes beside an empty one may be of any length.
  if (size === 0) return new Float64Array();
  return Float64Array.from({ length: batch * steps }, (_, row) => given[0] + (row % steps));
}

/** Reads and checks a node; what is to be rotated in the memory of the CPU is copied. */
export function readRotaryNode(
  allocations: Allocations,
  inputs: unknown,
  attributes: unknown,
  options: unknown,
): RotaryNode {
  const { backend } = readOptions(options, ['backend'] as const);
  const values = readOptions(
    attributes,
    ['interleaved', 'is_packed_batching', 'num_heads', 'rotary_embedding_dim', 'scale'] as const,
    'attributes',
  );
  const given = readInputs(allocations, inputs, ['input', 'position_ids', 'cos_cache', 'sin_cache'], []);
  const { input, position_ids, cos_cache, sin_cache } = given;

  const type = expectOperatorFloat(input);
  expectOnePlace(input, cos_cache, sin_cache);
  const chosen = chooseBackend(backend, type, input.location);
  expectOneType(type, 'input', cos_cache, sin_cache);
  expectType(position_ids, 'int64', "the operator's");
  if (values.scale !== undefined && values.scale !== 1) {
    throw invalid('scale', '1: the caches have to contain it', values.scale);
  }
  expectRankOf(cos_cache, [2]);
  const [positions, pairs] = cos_cache.dims;
  const heads = headsToRotate(input, countHeads(input, values, 2 * pairs));
  const dim = readInteger(values, 'rotary_embedding_dim', 0, heads.width) ?? 0;
  const rotated = readRotated(dim, heads.width);
  expectDims(cos_cache.dims, 'cos_cache', [positions, rotated / 2]);
  expectDims(sin_cache.dims, 'sin_cache', cos_cache.dims);
  const packed = readInteger(values, 'is_packed_batching', 0, 1) === 1;
  if (!packed && heads.steps > positions) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected cos_cache to have a row for each of ${heads.steps} steps, or is_packed_batching to be 1, received ${positions} rows`,
    );
  }
  const interleaved = readInteger(values, 'interleaved', 0, 1) === 1;
  const rows = readPositions(position_ids, heads, input);
  const rotation = readRotation(cos_cache, sin_cache, interleaved, rows);
  return { heads, rotation, dims: input.dims, backend: chosen };
}
