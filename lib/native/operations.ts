/** Operations that the addon has under way: their ends are told by id, whatever they compute on. */
import { abortReason, isAborted, onAbort } from '../abort.js';
import type { Addon, AddonError } from './addon.js';
import { toHeedError } from './errors.js';

/** An operation, and everything whose memory it uses. */
export interface UnderWay {
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  readonly memory: readonly unknown[];
  readonly signal: AbortSignal | undefined;
  /** Hands over what was written, where that is not done already. */
  readonly finish: (() => void) | undefined;
  /** Stops listening to the signal. */
  ignoreSignal?: () => void;
}

export class Operations {
  readonly #addon: Addon;
  readonly #underWay = new Map<number, UnderWay>();

  constructor(addon: Addon) {
    this.#addon = addon;
    addon.connect((id, error) => this.#end(id, error));
  }

  /** @param start gives the operation to the addon, and answers its id */
  add(operation: UnderWay, start: () => number): void {
    const { signal, reject } = operation;
    try {
      const id = start();
      if (signal !== undefined) operation.ignoreSignal = onAbort(signal, () => this.#addon.cancel(id));
      this.#underWay.set(id, operation);
    } catch (error) {
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
