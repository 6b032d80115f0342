/** The option `score`: which function it names, and that its weights fit the heads. */
import { allocate } from '../checks/data.js';
import { expectLength } from '../checks/lists.js';
import { readOptions } from '../checks/options.js';
import { computedData, expectFloat, hostDataOf, readTensor, type TensorArgument } from '../checks/tensor.js';
import { choiceOption, describe, describeDims, invalid, listChoices } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { HeadMatrix, ScoreForm, View } from '../problem/problem.js';
import { readElements, writeElements } from '../tensor/elements.js';
import type { FloatType, TypedArray } from '../tensor/types.js';

/** What was read of a score; weights are looked at when a problem is built. */
export type ScoreArgument =
  | { readonly kind: 'scaled-dot' | 'dot' | 'cosine' }
  | { readonly kind: 'general' | 'location'; readonly weight: TensorArgument }
  | {
      readonly kind: 'additive';
      readonly query: TensorArgument;
      readonly key: TensorArgument;
      readonly vector: TensorArgument;
    };

/** What a score's weights have to fit. */
export interface ScoredShape {
  readonly queryHeads: number;
  readonly keyHeads: number;
  readonly keySteps: number;
  readonly width: number;
  readonly keyWidth: number;
}

/** Where the lengths came from, for messages. */
export interface ScoredNames {
  readonly queryHeads: string;
  readonly keyHeads: string;
  readonly queryWidth: string;
  readonly keyWidth: string;
  readonly keySteps: string;
}

const plainKinds = ['scaled-dot', 'dot', 'cosine'] as const;
const weightNames = {
  general: ['weight'],
  additive: ['query', 'key', 'vector'],
  location: ['weight'],
} as const;
const weightedKinds = ['general', 'additive', 'location'] as const;

function readWeight(value: unknown, name: string): TensorArgument {
  const tensor = readTensor(value, name);
  expectFloat(tensor);
  return tensor;
}

function readWeighted(value: object, name: string): ScoreArgument {
  const parts = readOptions(value, ['type', 'weight', 'query', 'key', 'vector'], name);
  const kind = choiceOption(parts.type, `${name}.type`, weightedKinds, 'general');
  if (parts.type === undefined) throw invalid(`${name}.type`, listChoices(weightedKinds), undefined);
  const needed: readonly string[] = weightNames[kind];
  for (const part of ['weight', 'query', 'key', 'vector'] as const) {
    if (parts[part] === undefined || needed.includes(part)) continue;
    throw new HeedError(
      'HEED_UNKNOWN_OPTION',
      `Expected ${name} of type '${kind}' to have only ${needed.join(', ')}, received ${describe(part)}`,
    );
  }
  if (kind === 'additive') {
    return {
      kind,
      query: readWeight(parts.query, `${name}.query`),
      key: readWeight(parts.key, `${name}.key`),
      vector: readWeight(parts.vector, `${name}.vector`),
    };
  }
  return { kind, weight: readWeight(parts.weight, `${name}.weight`) };
}

export function readScore(value: unknown, name: string): ScoreArgument {
  if (value === undefined) return { kind: 'scaled-dot' };
  if (typeof value === 'object' && value !== null) return readWeighted(value, name);
  const kind = plainKinds.find((candidate) => candidate === value);
  if (kind === undefined) {
    throw invalid(name, `${listChoices(plainKinds)}, or an object with a type`, value);
  }
  return { kind };
}

/** The axes without that of the heads, whose length is checked; without it all heads share the weight. */
function ownAxes(
  { dims, name }: TensorArgument,
  axes: readonly string[],
  heads: number,
  source: string,
): readonly number[] {
  if (dims.length === axes.length) return dims;
  if (dims.length !== axes.length + 1) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name}.dims to be [${axes.join(', ')}], with an axis of heads before it or without, received ${describeDims(dims)}`,
    );
  }
  expectLength(dims[0], `${name}.dims[0]`, heads, source);
  return dims.slice(1);
}

/** The index of an axis counted from the end, as messages write it. */
const axisFromEnd = ({ dims, name }: TensorArgument, axis: number) => `${name}.dims[${dims.length - axis}]`;

function checkLocation(weight: TensorArgument, shape: ScoredShape, names: ScoredNames): void {
  const [positions, width] = ownAxes(weight, ['positions', 'width'], shape.keyHeads, names.keyHeads);
  expectLength(width, axisFromEnd(weight, 1), shape.width, names.queryWidth);
  if (positions < shape.keySteps) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${axisFromEnd(weight, 2)} to be at least ${names.keySteps} (${shape.keySteps}), received ${positions}`,
    );
  }
}

const widestHidden = 4096;

function checkAdditive(
  { query, key, vector }: ScoreArgument & { kind: 'additive' },
  shape: ScoredShape,
  names: ScoredNames,
): void {
  const [hidden, width] = ownAxes(query, ['hidden', 'width'], shape.queryHeads, names.queryHeads);
  const [keyHidden, keyWidth] = ownAxes(key, ['hidden', 'key width'], shape.keyHeads, names.keyHeads);
  const [vectorHidden] = ownAxes(vector, ['hidden'], shape.queryHeads, names.queryHeads);
  const source = axisFromEnd(query, 2);
  if (hidden < 1 || hidden > widestHidden) {
    throw new HeedError(
      'HEED_INVALID_DIMS',
      `Expected ${source} to be from 1 to ${widestHidden}, received ${hidden}`,
    );
  }
  expectLength(width, axisFromEnd(query, 1), shape.width, names.queryWidth);
  expectLength(keyHidden, axisFromEnd(key, 2), hidden, source);
  expectLength(keyWidth, axisFromEnd(key, 1), shape.keyWidth, names.keyWidth);
  expectLength(vectorHidden, axisFromEnd(vector, 1), hidden, source);
}

/** Widths and weights have to fit each other. Keys of a location score are never looked at, and may have any width. */
export function checkScore(score: ScoreArgument, shape: ScoredShape, names: ScoredNames): void {
  switch (score.kind) {
    case 'general': {
      const { weight } = score;
      const axes = ['width', 'key width'];
      const [width, keyWidth] = ownAxes(weight, axes, shape.queryHeads, names.queryHeads);
      expectLength(width, axisFromEnd(weight, 2), shape.width, names.queryWidth);
      expectLength(keyWidth, axisFromEnd(weight, 1), shape.keyWidth, names.keyWidth);
      return;
    }
    case 'additive':
      checkAdditive(score, shape, names);
      return;
    case 'location':
      checkLocation(score.weight, shape, names);
      return;
    default:
      expectLength(shape.keyWidth, names.keyWidth, shape.width, names.queryWidth);
  }
}

/** What multiplies a score where the caller says nothing. */
export function defaultScale({ kind }: ScoreArgument, width: number): number {
  return kind === 'scaled-dot' ? 1 / Math.sqrt(width) : 1;
}

/** The weights among a score's parts. */
export function weightsOf(score: ScoreArgument): readonly TensorArgument[] {
  switch (score.kind) {
    case 'general':
    case 'location':
      return [score.weight];
    case 'additive':
      return [score.query, score.key, score.vector];
    default:
      return [];
  }
}

/** The same score over weights that `replace` answers for its own. */
export function withWeights(
  score: ScoreArgument,
  replace: (weight: TensorArgument) => TensorArgument,
): ScoreArgument {
  switch (score.kind) {
    case 'general':
    case 'location':
      return { ...score, weight: replace(score.weight) };
    case 'additive':
      return {
        ...score,
        query: replace(score.query),
        key: replace(score.key),
        vector: replace(score.vector),
      };
    default:
      return score;
  }
}

/** The tensor as a matrix for each head, or one for all; `axes` is how many axes one of them has. */
function headMatrix(tensor: TensorArgument, axes: number, computeType: FloatType): HeadMatrix {
  const size = tensor.dims.slice(-axes).reduce((product, length) => product * length, 1);
  return { ...computedData(tensor, computeType), headStride: tensor.dims.length > axes ? size : 0 };
}

export function scoreForm(score: ScoreArgument, computeType: FloatType): ScoreForm {
  switch (score.kind) {
    case 'general':
      return { kind: 'general', weight: headMatrix(score.weight, 2, computeType) };
    case 'additive':
      return {
        kind: 'additive',
        hidden: score.vector.dims[score.vector.dims.length - 1],
        query: headMatrix(score.query, 2, computeType),
        key: headMatrix(score.key, 2, computeType),
        vector: headMatrix(score.vector, 1, computeType),
      };
    case 'cosine':
    case 'location':
      return { kind: score.kind };
    default:
      return { kind: 'product' };
  }
}

/** In the type that everything else of the problem has: kernels read keys and values of one type. */
export function roundedTo(type: FloatType, tensor: TensorArgument): TypedArray {
  const data = hostDataOf(tensor);
  if (tensor.type === type) return data;
  const numbers = allocate('float64', tensor.size, tensor.name) as Float64Array;
  readElements(tensor.type, data, 0, tensor.size, numbers);
  const rounded = allocate(type, tensor.size, tensor.name);
  writeElements(type, rounded, 0, tensor.size, numbers);
  return rounded;
}

/** (W q)ⱼ is the product of q and row j of W: of a location score, the rows of W are the keys, of every batch entry. */
export function locationKeys(score: ScoreArgument, type: FloatType): View | undefined {
  if (score.kind !== 'location') return undefined;
  const { dims } = score.weight;
  const [positions, width] = dims.slice(-2);
  return {
    data: roundedTo(type, score.weight),
    type,
    batchStride: 0,
    headStride: dims.length > 2 ? positions * width : 0,
    stepStride: width,
  };
}
