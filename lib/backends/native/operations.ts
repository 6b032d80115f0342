/** Running operations of the addon, which reports their ends by id, whatever they compute on. */
import { abortReason, isAborted, onAbort } from '../../abort.js';
import { type Addon, type AddonError, type OnEnd, toHeedError } from './addon.js';

/** An operation, and everything whose memory it uses. */
export interface UnderWay {
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  readonly memory: readonly unknown[];
  readonly signal: AbortSignal | undefined;
  /** Copies results back, if that is still to be done. */
  readonly finish: (() => void) | undefined;
  /** Stops listening to the signal. */
  ignoreSignal?: () => void;
}

export class Operations {
  readonly #addon: Addon;
  readonly #underWay = new Map<number, UnderWay>();
  readonly #onEnd: OnEnd = (id, error) => this.#end(id, error);

  constructor(addon: Addon) {
    this.#addon = addon;
  }

  /** @param start passes the operation to the addon, and returns its id */
  add(operation: UnderWay, start: (onEnd: OnEnd) => number): void {
    const { signal, reject } = operation;
    let id: number | undefined;
    try {
      // Listening comes first: an operation that has started must be registered here, whatever fails.
      if (signal !== undefined) {
        operation.ignoreSignal = onAbort(signal, () => {
          if (id !== undefined) this.#addon.cancel(id);
        });
      }
      id = start(this.#onEnd);
      this.#underWay.set(id, operation);
    } catch (error) {
      operation.ignoreSignal?.();
      reject(toHeedError(error));
    }
  }

  #end(id: number, error: AddonError | undefined): void {
    const operation = this.#underWay.get(id);
    if (operation === undefined) return;
    this.#underWay.delete(id);
    const { signal, finish, resolve, reject } = operation;
    operation.ignoreSignal?.();
    if (signal !== undefined && isAborted(signal)) {
      reject(abortReason(signal));
    } else if (error !== undefined) {
      reject(toHeedError(error));
    } else {
      finish?.();
      resolve();
    }
  }
}
