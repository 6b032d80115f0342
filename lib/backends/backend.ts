/** What every backend is: something that solves problem descriptions. */
import type { DeviceArray, Elements } from '../memory/device.js';
import type { PackedHandle, Problem, ScoreForm, SelectionForm } from '../problem/problem.js';
import type { Location, Numbers, TensorType } from '../tensor/types.js';

/**
 * What an operation runs on. 'auto' is where the tensors are: 'cuda' for those on a device; for those in the memory of the CPU,
 * the cpu backend where it is loaded and computes with the type, else the reference. 'cuda' takes tensors of the CPU there and back.
 */
export type BackendName = 'auto' | 'cuda' | 'cpu' | 'reference';

/** What a backend computes in, and wants the numbers in that come with a problem. */
export function precisionOf({ name }: Backend): 'float32' | 'float64' {
  return name === 'reference' ? 'float64' : 'float32';
}

export interface Backend {
  readonly name: 'cuda' | 'cpu' | 'reference';
  /** Where it computes, and where what it works with in between lies. */
  readonly location: Location;
  /** Whether this backend computes with tensors of the type; the facade asks before it builds a problem. */
  supports(type: TensorType): boolean;
  /** Throws HEED_UNSUPPORTED where it does not have this kind of attention; the facade asks before it builds a problem. */
  expectComputable(score: ScoreForm['kind'], selection: SelectionForm['kind']): void;
  /** Numbers that never change, where it reads them: kept for a while, since operations come back with the same ones. */
  table(numbers: Numbers | DeviceArray): Numbers | DeviceArray;
  /** The same for as long as the caller keeps them, who lets go of what is on a device. */
  place(numbers: Numbers): Numbers | DeviceArray;
  /** Memory for what comes up in between: not necessarily zero. */
  allocate(type: TensorType, size: number, name: string): Elements;
  /**
   * Solves the problems one after the other as a single operation, off the event loop. Rejects with
   * the signal's reason when it aborts, and only once nothing touches the memory any more; `solve` of
   * operation.ts has seen that it had not aborted before. Where all of the memory is on a
   * device, the promise is fulfilled once the work is on its way: whatever reads the results comes behind it.
   */
  solve(problems: readonly Problem[], signal?: AbortSignal): Promise<void>;
  solveSync(problems: readonly Problem[]): void;
  /** [columns, inner], contiguous → the layout this backend multiplies with. Copies what is where the backend computes, or on the CPU. */
  packWeight(weight: { data: Elements; type: TensorType; columns: number; inner: number }): PackedHandle;
}
