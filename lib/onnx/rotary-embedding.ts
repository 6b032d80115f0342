import type { BackendName } from '../backends/backend.js';
import { chooseBackend } from '../backends/choose.js';
import { copyData } from '../checks/data.js';
import { expectDims, readNames } from '../checks/lists.js';
import { type OptionValues, readOptions } from '../checks/options.js';
import { expectFloat, expectType, hostDataOf, type TensorArgument } from '../checks/tensor.js';
import { describeDims, integerBetween, invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { rotatePairs } from '../rotary/rotate-pairs.js';
import { readElements, writeElements } from '../tensor/elements.js';
import { Tensor } from '../tensor/tensor.js';
import type { TensorLike, TensorType, TypedArray } from '../tensor/types.js';
import { atOnce, inTurns } from '../time-slices.js';
import { type Opset, readInputs, readInteger, readOpset } from './arguments.js';
import type { Heads } from './heads.js';

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
  /** Checked as everywhere; the rotation is the same on every backend. */
  readonly backend?: BackendName;
  /** The requested outputs; there is only one, 'output'. */
  readonly outputs?: readonly 'output'[];
}

/** The outputs, by their ONNX names. */
export interface RotaryEmbeddingOutputs {
  /** The result, with the dims and type of the input. */
  output: Tensor;
}

type HeadShape = Omit<Heads, 'name' | 'type' | 'data'>;

type Attributes = OptionValues<'interleaved' | 'rotary_embedding_dim' | 'num_heads'>;

function readHeadShape(input: TensorArgument, attributes: Attributes): HeadShape {
  const { dims } = input;
  const count = readInteger(attributes, 'num_heads', 0, 2 ** 31 - 1);
  if (dims.length === 4) {
    const [batch, heads, steps, width] = dims;
    return { batch, heads, steps, width, stepsFirst: false };
  }
  if (dims.length !== 3) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected input.dims to have 3 or 4 axes, received ${describeDims(dims)}`,
    );
  }
  if (count === undefined || count === 0) throw invalid('num_heads', 'given for an input of 3 axes', count);
  const [batch, steps, hidden] = dims;
  if (hidden % count !== 0) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected input.dims[2] to be a multiple of num_heads (${count}), received ${hidden}`,
    );
  }
  return { batch, steps, heads: count, width: hidden / count, stepsFirst: true };
}

function readRotated(attributes: Attributes, width: number): number {
  const given = readInteger(attributes, 'rotary_embedding_dim', 0, width) ?? 0;
  const rotated = given === 0 ? width : given;
  if (rotated % 2 !== 0) {
    const name = given === 0 ? 'the head size of input' : 'rotary_embedding_dim';
    throw invalid(name, 'even, since elements rotate in pairs', rotated);
  }
  return rotated;
}

/** The row of the caches for each [batch, step]; undefined if every step has its own. */
function readRows(ids: TensorArgument | undefined, positions: number): Float64Array | undefined {
  if (ids === undefined) return undefined;
  const rows = Array.from<number | bigint>(hostDataOf(ids));
  return Float64Array.from(rows, (id, row) =>
    integerBetween(Number(id), `position_ids.data[${row}]`, 0, positions - 1),
  );
}

function expectCaches(
  inputs: { readonly cos_cache: TensorArgument; readonly sin_cache: TensorArgument },
  ids: TensorArgument | undefined,
  { batch, steps }: HeadShape,
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

/** Reads and checks a node, and copies what is to be rotated. */
function prepare(
  inputs: unknown,
  attributes: unknown,
  options: unknown,
): { rotation: Rotation; output: Tensor } {
  const asked = readOptions(options, ['opset', 'backend', 'outputs'] as const);
  readOpset(asked.opset);
  if (asked.outputs !== undefined) readNames(asked.outputs, 'options.outputs', ['output']);
  const values = readOptions(
    attributes,
    ['interleaved', 'rotary_embedding_dim', 'num_heads'] as const,
    'attributes',
  );
  const given = readInputs(inputs, ['input', 'cos_cache', 'sin_cache'], ['position_ids']);
  const { input, cos_cache, sin_cache, position_ids } = given;

  const type = expectFloat(input);
  if (type === 'float64') {
    throw new HeedError(
      'HEED_UNSUPPORTED_TYPE',
      "Expected input.type to be 'float32', 'float16' or 'bfloat16', received 'float64'",
    );
  }
  chooseBackend(asked.backend, type);
  expectType(cos_cache, type, 'input.type');
  expectType(sin_cache, type, 'input.type');
  if (position_ids) expectType(position_ids, 'int64', 'the type that ONNX specifies');
  const shape = readHeadShape(input, values);
  const rotated = readRotated(values, shape.width);
  const interleaved = readInteger(values, 'interleaved', 0, 1) === 1;
  expectCaches(given, position_ids, shape, rotated / 2);

  // The rotation may yield to the event loop, so it works on copies.
  const copyOf = (tensor: TensorArgument) => ({
    type,
    data: copyData(hostDataOf(tensor), type, tensor.name),
  });
  const { data } = copyOf(input);
  const rotation = {
    ...shape,
    type,
    data,
    rotated,
    interleaved,
    cos: copyOf(cos_cache),
    sin: copyOf(sin_cache),
    rows: readRows(position_ids, cos_cache.dims[0]),
  };
  return { rotation, output: new Tensor(type, data, input.dims) };
}

/**
 * The ONNX operator RotaryEmbedding (operator set 23): rotates pairs of elements of queries or keys by angles
 * that grow with the position, as in RoFormer (Su et al., 2021), so that products of both depend on
 * distances.
 *
 * @see https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html
 * @throws HeedError (the promise rejects) HEED_UNKNOWN_OPTION for a name that does not exist, HEED_INVALID_ARGUMENT for
 *   an attribute or position out of range or a missing input, HEED_SHAPE_MISMATCH, HEED_TYPE_MISMATCH,
 *   HEED_UNSUPPORTED_TYPE for float64, which the operator does not support
 *
 * @example
 * const { output } = await rotaryEmbedding({ input: query, cos_cache, sin_cache, position_ids });
 */
export async function rotaryEmbedding(
  inputs: RotaryEmbeddingInputs,
  attributes: RotaryEmbeddingAttributes = {},
  options: RotaryEmbeddingOptions = {},
): Promise<RotaryEmbeddingOutputs> {
  const { rotation, output } = prepare(inputs, attributes, options);
  await inTurns(rotate(rotation));
  return { output };
}

/** {@link rotaryEmbedding}, synchronously: it throws instead of rejecting, and blocks the event loop. */
export function rotaryEmbeddingSync(
  inputs: RotaryEmbeddingInputs,
  attributes: RotaryEmbeddingAttributes = {},
  options: RotaryEmbeddingOptions = {},
): RotaryEmbeddingOutputs {
  const { rotation, output } = prepare(inputs, attributes, options);
  atOnce(rotate(rotation));
  return { output };
}

/** Elements between two pauses: a few milliseconds of work. */
const elementsPerTurn = 1 << 18;

/** Heads, to be rotated in place. Nobody else may hold their memory while the rotation runs, nor that of the caches. */
export interface Rotation extends Omit<Heads, 'name'> {
  /** How many leading elements of a head take part; even. */
  readonly rotated: number;
  /** Pairs are neighbours (x₀, x₁); otherwise they lie half of `rotated` apart. */
  readonly interleaved: boolean;
  /** [rows, rotated / 2] each. */
  readonly cos: { readonly type: TensorType; readonly data: TypedArray };
  readonly sin: { readonly type: TensorType; readonly data: TypedArray };
  /** The cache row of each [batch, step]; undefined where every one has its own. */
  readonly rows: ArrayLike<number> | undefined;
}

/** Turns each pair of a head by its step's angle. Pauses now and then. */
export function* rotate(rotation: Rotation): Generator<void, void> {
  const { type, data, batch, heads, steps, width, stepsFirst, rotated, interleaved } = rotation;
  const half = rotated / 2;
  const cos = new Float64Array(half);
  const sin = new Float64Array(half);
  const head = new Float64Array(rotated);
  const headStride = stepsFirst ? width : steps * width;
  const stepStride = stepsFirst ? heads * width : width;
  let sinceTurn = 0;
  // Axes beside an empty one may be of any length.
  if (data.length === 0) return;

  for (let b = 0; b < batch; b++) {
    for (let s = 0; s < steps; s++) {
      const step = b * steps + s;
      const row = (rotation.rows ? rotation.rows[step] : step) * half;
      readElements(rotation.cos.type, rotation.cos.data, row, half, cos);
      readElements(rotation.sin.type, rotation.sin.data, row, half, sin);
      for (let h = 0; h < heads; h++) {
        const start = b * heads * steps * width + h * headStride + s * stepStride;
        readElements(type, data, start, rotated, head);
        rotatePairs(head, 0, { cos, sin, start: 0, pairs: half }, interleaved);
        writeElements(type, data, start, rotated, head);
      }
      sinceTurn += heads * rotated;
      if (sinceTurn >= elementsPerTurn) {
        sinceTurn = 0;
        yield;
      }
    }
  }
}
