/** The exports of the addon (native/addon/module.cc). */
import type { TypedArray } from '../tensor-type.js';

/** A packed weight: memory of the addon's. */
export interface External {
  readonly external: unique symbol;
}

/** What the numbers of encoded problems refer to by index. */
export type Buffers = (TypedArray | External)[];

/** Errors from the addon have one of heed's codes. */
export interface AddonError extends Error {
  readonly code?: unknown;
}

export interface Addon {
  /** Has to come first, once. Ends are told in batches, one call each, on the JavaScript thread. */
  connect(onEnd: (id: number, error: AddonError | undefined) => void): void;
  /** Starts an operation: the first `length` numbers are problems as native/addon/decode.h describes them. */
  solve(numbers: Float64Array, length: number, buffers: Buffers): number;
  /** `alone`: on the calling thread only. */
  solveSync(numbers: Float64Array, length: number, buffers: Buffers, alone: boolean): void;
  /** The operation still ends the usual way, only sooner. */
  cancel(id: number): void;
  packWeight(data: TypedArray, type: number, columns: number, inner: number): External;
  packedByteLength(weight: External): number;
  disposeWeight(weight: External): void;
  /** Best last. */
  availableInstructionSets(): string[];
  instructionSet(): string;
  setInstructionSet(name: string): void;
  threads(): number;
  setThreads(count: number): void;
  /** Whether memory stays while an operation runs, even when its ArrayBuffer is transferred. */
  pins(): boolean;
}
