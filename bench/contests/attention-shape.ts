/** The work of an attention row, and the memory for it. */
import type { AttentionOptions } from '../../lib/index.js';
import type { FloatType } from '../../lib/tensor/types.js';
import { bytesBeyondCaches } from '../limits.js';
import type { Random } from '../random.js';

/** One batch entry. */
export interface AttentionShape {
  readonly heads: number;
  readonly keyHeads: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
  readonly causal?: boolean;
  readonly window?: AttentionOptions['window'];
  /**
   * 'documents': several in one sequence, which may not attend each other. 'added': a number for every score.
   */
  readonly mask?: 'documents' | 'added';
  readonly type?: FloatType;
  /** Keys and values come from memory, not from a cache. */
  readonly cold?: boolean;
}

/** Pairs of a query and a key that may attend, per head. */
export function pairs({ queries, keys, causal, window }: AttentionShape): number {
  let count = 0;
  for (let query = keys - queries; query < keys; query++) {
    const first = Math.max(0, query - (window?.left ?? keys));
    count += (causal ? query + 1 : keys) - first;
  }
  return count;
}

/** A multiplication and an addition for every element of a key, and again of a value. */
export function operations(shape: AttentionShape): number {
  return 4 * shape.heads * shape.width * pairs(shape);
}

export function keyValueBytes({ keyHeads, keys, width, type }: AttentionShape): number {
  return 2 * keyHeads * keys * width * (type === 'float16' || type === 'bfloat16' ? 2 : 4);
}

export interface AttentionInputs {
  readonly query: Float32Array;
  /** Enough sets that none is in a cache when its turn comes. */
  readonly sets: readonly { readonly key: Float32Array; readonly value: Float32Array }[];
  readonly documents?: Uint8Array;
  readonly added?: Float32Array;
}

export function drawInputs(shape: AttentionShape, random: Random): AttentionInputs {
  const { heads, keyHeads, queries, keys, width, mask } = shape;
  const query = random.floats(heads * queries * width);
  const key = random.floats(keyHeads * keys * width);
  const value = random.floats(keyHeads * keys * width);
  const copies = shape.cold ? Math.ceil(bytesBeyondCaches / keyValueBytes(shape)) : 1;
  // The time does not depend on the values of the numbers.
  const sets = Array.from({ length: copies }, (_, i) =>
    i === 0 ? { key, value } : { key: key.slice(), value: value.slice() },
  );
  return {
    query,
    sets,
    ...(mask === 'documents' && { documents: documentMask(queries, random) }),
    ...(mask === 'added' && { added: random.floats(queries * keys) }),
  };
}

/** [steps, steps]: consecutive documents of 16 to 128 steps. */
function documentMask(steps: number, random: Random): Uint8Array {
  const mask = new Uint8Array(steps * steps);
  for (let start = 0; start < steps; ) {
    const end = Math.min(steps, start + random.integer(16, 128));
    for (let row = start; row < end; row++) mask.fill(1, row * steps + start, row * steps + end);
    start = end;
  }
  return mask;
}
