/** What every backend is: something that solves problem descriptions. */
import type { PackedHandle, Problem } from './problem.js';
import type { TensorType, TypedArray } from './tensor-type.js';

export interface Backend {
  readonly name: 'cpu' | 'reference';
  /** Whether this backend computes with tensors of the type; the facade asks before it builds a problem. */
  supports(type: TensorType): boolean;
  /**
   * Solves the problems one after the other as a single operation, off the event loop. Rejects with
   * the signal's reason when aborted, and only once nothing touches the memory any more.
   */
  solve(problems: readonly Problem[], signal?: AbortSignal): Promise<void>;
  solveSync(problems: readonly Problem[]): void;
  /** [columns, inner], contiguous → the layout this backend multiplies with. Copies. */
  packWeight(weight: { data: TypedArray; type: TensorType; columns: number; inner: number }): PackedHandle;
}
