/** The option `select`: how the weights select values, and whether predicted centers match the queries. */

import { broadcastStrides } from '../checks/broadcast.js';
import { listChoices } from '../checks/describe.js';
import { choiceOption, integerBetween, invalid, isFiniteFloat32 } from '../checks/numbers.js';
import { readOptions } from '../checks/options.js';
import { computedData, expectFloat, readTensor, type TensorArgument } from '../checks/tensor.js';
import type { SelectionForm } from '../problem/problem.js';
import type { FloatType } from '../tensor/types.js';
import { smallestNormalFloat32 } from './scoring.js';

/** What was read of a selection; centers are accessed when a problem is built. */
export type SelectionArgument =
  | { readonly kind: 'soft' | 'hard' }
  | { readonly kind: 'drawn'; readonly seed: number }
  | { readonly kind: 'local'; readonly centers: TensorArgument; readonly halfWidth: number };

const plainKinds = ['soft', 'hard'] as const;

function readHalfWidth(value: unknown, name: string): number {
  if (!isFiniteFloat32(value) || value < smallestNormalFloat32) {
    throw invalid(name, 'a positive number in the range of float32', value);
  }
  return value;
}

function readCenters(value: unknown, name: string): TensorArgument {
  const centers = readTensor(value, name);
  expectFloat(centers);
  return centers;
}

function readTyped(value: object, name: string): SelectionArgument {
  const { type, seed, centers, halfWidth } = readOptions(
    value,
    ['type', 'seed', 'centers', 'halfWidth'],
    name,
  );
  if (type === undefined) throw invalid(`${name}.type`, listChoices(['hard', 'local']), type);
  if (choiceOption(type, `${name}.type`, ['hard', 'local'], 'hard') === 'local') {
    if (seed !== undefined) throw invalid(`${name}.seed`, "given with type 'hard' only", seed);
    return {
      kind: 'local',
      centers: readCenters(centers, `${name}.centers`),
      halfWidth: readHalfWidth(halfWidth, `${name}.halfWidth`),
    };
  }
  if (centers !== undefined) throw invalid(`${name}.centers`, "given with type 'local' only", centers);
  if (halfWidth !== undefined) throw invalid(`${name}.halfWidth`, "given with type 'local' only", halfWidth);
  return { kind: 'drawn', seed: integerBetween(seed, `${name}.seed`, 0, Number.MAX_SAFE_INTEGER) };
}

export function readSelection(value: unknown, name: string): SelectionArgument {
  if (value === undefined) return { kind: 'soft' };
  if (typeof value === 'object' && value !== null) return readTyped(value, name);
  const kind = plainKinds.find((candidate) => candidate === value);
  if (kind === undefined) throw invalid(name, `${listChoices(plainKinds)}, or an object with a type`, value);
  return { kind };
}

export type CentersTarget = readonly [batch: number, heads: number, queries: number];

function centersStrides(centers: TensorArgument, target: CentersTarget): number[] {
  return broadcastStrides(centers, target, 'batch, heads, queries');
}

export function checkSelection(selection: SelectionArgument, target: CentersTarget): void {
  if (selection.kind === 'local') centersStrides(selection.centers, target);
}

/** Whether exactly one key, or none, gets all the weight. */
export function isHard({ kind }: SelectionArgument): boolean {
  return kind === 'hard' || kind === 'drawn';
}

export function selectionForm(
  selection: SelectionArgument,
  target: CentersTarget,
  computeType: FloatType,
): SelectionForm {
  if (selection.kind !== 'local') return selection;
  const { centers, halfWidth } = selection;
  const [batchStride, headStride, queryStride] = centersStrides(centers, target);
  return {
    kind: 'local',
    centers: { ...computedData(centers, computeType), batchStride, headStride, queryStride },
    halfWidth,
  };
}
