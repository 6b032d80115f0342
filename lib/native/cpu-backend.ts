/** The `cpu` backend: problems are encoded and handed to the addon, which computes on threads of its own. */
import { abortReason, isAborted, onAbort } from '../abort.js';
import type { Backend } from '../backend.js';
import { HeedError } from '../errors.js';
import type { Problem } from '../problem.js';
import type { Addon, AddonError, Buffers } from './addon.js';
import { encode } from './encode.js';
import { Encoder, typeNumber } from './encoder.js';
import { PackedPanels } from './packed-panels.js';
import { PrivateCopies } from './private-copies.js';
import { isSmall } from './work.js';

function toHeedError(error: unknown): HeedError {
  const { code, message } = error as AddonError;
  if (code === 'HEED_OUT_OF_MEMORY') return new HeedError(code, message, { cause: error });
  return new HeedError('HEED_NATIVE', `The native backend failed: ${message}`, { cause: error });
}

/** An operation that the addon has, and everything whose memory it uses. */
interface UnderWay {
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  readonly buffers: Buffers;
  readonly problems: readonly Problem[];
  readonly copies: PrivateCopies | undefined;
  readonly signal: AbortSignal | undefined;
  /** Stops listening to the signal. */
  ignoreSignal?: () => void;
}

class CpuBackend implements Backend {
  readonly name = 'cpu';
  readonly #addon: Addon;
  readonly #pins: boolean;
  readonly #encoder = new Encoder();
  readonly #underWay = new Map<number, UnderWay>();

  constructor(addon: Addon) {
    this.#addon = addon;
    this.#pins = addon.pins();
    addon.connect((id, error) => this.#end(id, error));
  }

  supports(type: string): boolean {
    return type === 'float32' || type === 'float16' || type === 'bfloat16';
  }

  solve(problems: readonly Problem[], signal?: AbortSignal): Promise<void> {
    // A signal may still abort until the promise settles: such an operation always has a thread.
    if (signal === undefined && isSmall(problems)) return this.#solveHere(problems);
    return new Promise((resolve, reject) => {
      if (signal !== undefined && isAborted(signal)) reject(abortReason(signal));
      else this.#start({ problems, signal, resolve, reject });
    });
  }

  solveSync(problems: readonly Problem[]): void {
    const encoder = this.#encoder;
    encode(encoder, problems);
    try {
      this.#addon.solveSync(encoder.numbers, encoder.length, encoder.buffers, isSmall(problems));
    } catch (error) {
      throw toHeedError(error);
    }
  }

  #solveHere(problems: readonly Problem[]): Promise<void> {
    try {
      this.solveSync(problems);
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  packWeight(weight: Parameters<Backend['packWeight']>[0]): PackedPanels {
    const { data, type, columns, inner } = weight;
    try {
      const external = this.#addon.packWeight(data, typeNumber(type), columns, inner);
      return new PackedPanels(this.#addon, external, columns, inner);
    } catch (error) {
      throw toHeedError(error);
    }
  }

  #start({
    problems,
    signal,
    resolve,
    reject,
  }: Pick<UnderWay, 'problems' | 'signal' | 'resolve' | 'reject'>): void {
    const encoder = this.#encoder;
    encode(encoder, problems);
    const copies = PrivateCopies.of(encoder.buffers, this.#pins);
    const buffers = copies?.substitute(encoder.buffers) ?? encoder.buffers;
    const operation: UnderWay = { resolve, reject, buffers, problems, copies, signal };
    try {
      const id = this.#addon.solve(encoder.numbers, encoder.length, buffers);
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
    const { signal, copies, problems, resolve, reject } = operation;
    operation.ignoreSignal?.();
    if (signal !== undefined && isAborted(signal)) {
      reject(abortReason(signal));
    } else if (error !== undefined) {
      reject(toHeedError(error));
    } else {
      copies?.restore(problems);
      resolve();
    }
  }
}

export function cpuBackend(addon: Addon): Backend {
  return new CpuBackend(addon);
}
