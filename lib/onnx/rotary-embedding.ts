import type { BackendName } from '../backends/backend.js';
import { chooseBackend } from '../backends/choose.js';
import { expectDims, readNames } from '../checks/lists.js';
import { readOptions } from '../checks/options.js';
import { expectType, type TensorArgument } from '../checks/tensor.js';
import { type Allocations, allocating, allocatingSync } from '../memory/allocations.js';
import type { Tensor } from '../tensor/tensor.js';
import type { TensorLike } from '../tensor/types.js';
import { atOnce, inTurns } from '../time-slices.js';
import {
  expectOnePlace,
  expectOperatorFloat,
  integersOf,
  type Opset,
  readInputs,
  readInteger,
  readOpset,
} from './arguments.js';
import type { Heads } from './heads.js';
import { headsToRotate, type RotaryNode, readRotated, readRotation, rotated } from './rotate.js';

/** The inputs of a RotaryEmbedding node, by the names of the operator's definition. */
export interface RotaryEmbeddingInputs {
  /** [batch, num_heads, steps, head_size], or [batch, steps, num_heads · head_size]; float32, float16 or bfloat16. */
  readonly input: TensorLike;
  /**
   * Cosines of the angles, in the type of the input: [positions, rotary_embedding_dim / 2] with position_ids,
   * [batch, steps, rotary_embedding_dim / 2] without.
   */
  readonly cos_cache: TensorLike;
  /** Their sines, of the same dims. */
  readonly sin_cache: TensorLike;
  /** int64 [batch, steps]: the row of the caches for each step. */
  readonly position_ids?: TensorLike;
}

/** The attributes of a RotaryEmbedding node, by the operator's names. */
export interface RotaryEmbeddingAttributes {
  /** 1: neighbouring elements form a pair; 0, the default: an element and the one half a head further on. */
  readonly interleaved?: 0 | 1;
  /** How many leading elements of a head are rotated; 0, the default, is all. */
  readonly rotary_embedding_dim?: number;
  /** The number of heads, for an input of three axes; the dims of an input of four axes contain it. */
  readonly num_heads?: number;
}

/** Options outside the node: its operator set, the requested outputs. */
export interface RotaryEmbeddingOptions {
  /** The operator set that the node belongs to; default 25. The operator is the same in all of them. */
  readonly opset?: Opset;
  /** Checked as everywhere; in the memory of the CPU the rotation is the same on every backend. */
  readonly backend?: BackendName;
  /** The requested outputs; there is only one, 'output'. */
  readonly outputs?: readonly 'output'[];
}

/** The outputs, by their ONNX names. */
export interface RotaryEmbeddingOutputs {
  /** The result, with the dims and type of the input. */
  output: Tensor;
}

function expectCaches(
  inputs: { readonly cos_cache: TensorArgument; readonly sin_cache: TensorArgument },
  ids: TensorArgument | undefined,
  { batch, steps }: Heads,
  half: number,
): void {
  const { cos_cache: cos, sin_cache: sin } = inputs;
  if (ids === undefined) {
    expectDims(cos.dims, 'cos_cache', [batch, steps, half]);
  } else {
    expectDims(ids.dims, 'position_ids', [batch, steps]);
    expectDims(cos.dims, 'cos_cache', [cos.dims[0] ?? 0, half]);
  }
  expectDims(sin.dims, 'sin_cache', cos.dims);
}

/** Reads and checks a node; what is to be rotated in the memory of the CPU is copied. */
function prepare(
  allocations: Allocations,
  inputs: unknown,
  attributes: unknown,
  options: unknown,
): RotaryNode {
  const asked = readOptions(options, ['opset', 'backend', 'outputs'] as const);
  readOpset(asked.opset);
  if (asked.outputs !== undefined) readNames(asked.outputs, 'options.outputs', ['output']);
  const values = readOptions(
    attributes,
    ['interleaved', 'rotary_embedding_dim', 'num_heads'] as const,
    'attributes',
  );
  const given = readInputs(allocations, inputs, ['input', 'cos_cache', 'sin_cache'], ['position_ids']);
  const { input, cos_cache, sin_cache, position_ids } = given;

  const type = expectOperatorFloat(input);
  expectOnePlace(input, cos_cache, sin_cache);
  const backend = chooseBackend(asked.backend, type, input.location);
  expectType(cos_cache, type, 'input.type');
  expectType(sin_cache, type, 'input.type');
  if (position_ids) expectType(position_ids, 'int64', 'the type that ONNX specifies');
  const heads = headsToRotate(input, readInteger(values, 'num_heads', 0, 2 ** 31 - 1));
  const width = readRotated(readInteger(values, 'rotary_embedding_dim', 0, heads.width) ?? 0, heads.width);
  expectCaches(given, position_ids, heads, width / 2);
  const interleaved = readInteger(values, 'interleaved', 0, 1) === 1;
  const positions = position_ids && integersOf(position_ids);
  const rotation = readRotation(cos_cache, sin_cache, interleaved, positions);
  return { heads, rotation, dims: input.dims, backend };
}

/**
 * The ONNX operator RotaryEmbedding (operator set 23): rotates pairs of elements of queries or keys by angles
 * that grow with the position, as in RoFormer (Su et al., 2021), so that products of both depend on
 * distances. On a device it rotates there; position_ids are read wherever they are.
 *
 * @see https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html
 * @throws HeedError (the promise rejects) HEED_UNKNOWN_OPTION for a name that does not exist, HEED_INVALID_ARGUMENT for
 *   an attribute or position out of range or a missing input, HEED_SHAPE_MISMATCH, HEED_TYPE_MISMATCH,
 *   HEED_LOCATION_MISMATCH, HEED_UNSUPPORTED_TYPE for float64, which the operator does not support
 *
 * @example
 * const { output } = await rotaryEmbedding({ input: query, cos_cache, sin_cache, position_ids });
 */
export function rotaryEmbedding(
  inputs: RotaryEmbeddingInputs,
  attributes: RotaryEmbeddingAttributes = {},
  options: RotaryEmbeddingOptions = {},
): Promise<RotaryEmbeddingOutputs> {
  return allocating(async (allocations) => {
    const node = prepare(allocations, inputs, attributes, options);
    return { output: await inTurns(rotated(allocations, node)) };
  });
}

/** {@link rotaryEmbedding}, synchronously: it throws instead of rejecting, and blocks the event loop. */
export function rotaryEmbeddingSync(
  inputs: RotaryEmbeddingInputs,
  attributes: RotaryEmbeddingAttributes = {},
  options: RotaryEmbeddingOptions = {},
): RotaryEmbeddingOutputs {
  return allocatingSync((allocations) => {
    const node = prepare(allocations, inputs, attributes, options);
    return { output: atOnce(rotated(allocations, node)) };
  });
}
