/** The interface of a backend, which solves problem descriptions. */

import type { DeviceArray, Elements } from '../memory/device.js';
import type { PackedHandle, Problem, ScoreForm, SelectionForm } from '../problem/problem.js';
import type { QuantisedType, QuantisedWeight } from '../problem/quantised-weight.js';
import type { FloatType, Location, Numbers, TensorType } from '../tensor/types.js';

/**
 * What an operation runs on. 'auto' is where the tensors are: 'cuda' for those on a device; for those in the memory of the CPU,
 * the cpu backend where it is loaded and computes with the type, else the reference. 'cuda' takes tensors of the CPU there and back.
 */
export type BackendName = 'auto' | 'cuda' | 'cpu' | 'reference';

/** The precision that a backend computes in, which is also that of the numbers in a problem. */
export function precisionOf({ name }: Backend): 'float32' | 'float64' {
  return name === 'reference' ? 'float64' : 'float32';
}

/** What of a scoring a backend may lack. */
export interface ScoringKinds {
  readonly score: ScoreForm['kind'];
  readonly selection: SelectionForm['kind'];
}

export interface Backend {
  readonly name: 'cuda' | 'cpu' | 'reference';
  /** Where it computes, and where its intermediate memory is. */
  readonly location: Location;
  /** Whether this backend supports tensors of the type; the facade asks before it builds a problem. */
  supports(type: TensorType): boolean;
  /**
   * Throws HEED_UNSUPPORTED if it does not support this kind of attention; the facade asks before it builds a
   * problem.
   */
  expectComputable(kinds: ScoringKinds): void;
  /**
   * Throws HEED_UNSUPPORTED if its products have no epilogues; the facade asks before it builds one.
   *
   * @param what needs them, for messages
   */
  expectEpilogues(what: string): void;
  /** Throws HEED_UNSUPPORTED if it does not multiply with weights of the type; the facade asks before it makes any. */
  expectQuantised(type: QuantisedType): void;
  /**
   * Constant numbers, where the backend reads them. Kept for a while, because later operations use the same
   * ones.
   */
  table(numbers: Numbers | DeviceArray): Numbers | DeviceArray;
  /** The same for as long as the caller keeps them; the caller releases device memory. */
  place(numbers: Numbers): Numbers | DeviceArray;
  /** Memory for intermediate results; its content is undefined. */
  allocate(type: TensorType, size: number, name: string): Elements;
  /**
   * Solves the problems one after the other as a single operation, off the event loop. Rejects with the
   * signal's reason when aborted, and only once nothing touches the memory any more. Where all of the memory
   * is on a device, the promise is fulfilled once the work is enqueued: later reads of the results are
   * ordered after it.
   */
  solve(problems: readonly Problem[], signal?: AbortSignal): Promise<void>;
  solveSync(problems: readonly Problem[]): void;
  /**
   * The layout that this backend multiplies with. Copies floating-point elements, which are where it computes or on the CPU;
   * quantised ones nobody changes.
   */
  packWeight(weight: WeightElements | QuantisedWeight): PackedHandle;
}

/** [columns, inner], contiguous, of a floating-point type. */
export interface WeightElements {
  readonly type: FloatType;
  readonly data: Elements;
  readonly columns: number;
  readonly inner: number;
}

export function isQuantised(weight: WeightElements | QuantisedWeight): weight is QuantisedWeight {
  return !('data' in weight);
}
