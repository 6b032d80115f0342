/** The rotation of RotaryEmbedding, on plain memory. */

import { rotatePairs } from '../rotary/rotate-pairs.js';
import { readElements, writeElements } from '../tensor/elements.js';
import type { TensorType, TypedArray } from '../tensor/types.js';
import type { Heads } from './heads.js';

/** Elements between two pauses: a few milliseconds of work. */
const elementsPerTurn = 1 << 18;

/**
 * Heads to be rotated in place. Nothing else may access their memory, or that of the caches, while the
 * rotation runs.
 */
export interface Rotation extends Omit<Heads, 'name'> {
  /** How many leading elements of a head take part; even. */
  readonly rotated: number;
  /** Pairs are neighbours (x₀, x₁); otherwise they lie half of `rotated` apart. */
  readonly interleaved: boolean;
  /** [rows, rotated / 2] each. */
  readonly cos: { readonly type: TensorType; readonly data: TypedArray };
  readonly sin: { readonly type: TensorType; readonly data: TypedArray };
  /** The row of the caches for each [batch, step]; undefined if every step has its own. */
  readonly rows: ArrayLike<number> | undefined;
}

/** Rotates each pair of a head by its step's angle. Pauses now and then. */
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
