import type { Sequence } from '../../problem/problem.js';

/** One row of queries, and where it stands. */
export interface QueryRow {
  readonly entry: number;
  readonly head: number;
  readonly step: number;
  readonly sequence: Sequence;
  /** The row's own elements. */
  readonly query: Float64Array;
}
