/**
 * AbortSignals. Node's own are read through the class's methods: what a caller may have put over them on one signal never
 * runs. Those of other makes (jsdom, happy-dom, polyfills) are followed by one of Node's.
 */
import { invalid } from './checks/numbers.js';

const abortedOf = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted')?.get as (
  this: unknown,
) => boolean;
const reasonOf = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'reason')?.get as (
  this: unknown,
) => unknown;
const { addEventListener, removeEventListener } = EventTarget.prototype;

/** What the signals of other makes have in common. */
interface ForeignSignal {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void, options: { once: true }): void;
}

function isNodes(value: unknown): value is AbortSignal {
  try {
    abortedOf.call(value);
    return true;
  } catch {
    return false;
  }
}

/** One for each foreign signal, so that it has one listener of heed's however many operations it is given to. */
const followers = new WeakMap<ForeignSignal, AbortController>();

function reasonOfForeign(foreign: ForeignSignal): unknown {
  try {
    return foreign.reason;
  } catch {
    return undefined;
  }
}

/** As Node's own functions tell a signal, and with what it takes to listen to it. Throws what its properties throw. */
function follow(value: object): AbortSignal | undefined {
  if (!('aborted' in value && 'addEventListener' in value)) return undefined;
  const foreign = value as ForeignSignal;
  const known = followers.get(foreign);
  const controller = known ?? new AbortController();
  // Polyfills know no reasons; without one, Node's controller gives its own.
  const abort = () => controller.abort(reasonOfForeign(foreign));
  if (foreign.aborted) abort();
  else if (known === undefined) foreign.addEventListener('abort', abort, { once: true });
  followers.set(foreign, controller);
  return controller.signal;
}

function followed(value: unknown): AbortSignal | undefined {
  try {
    return typeof value === 'object' && value !== null ? follow(value) : undefined;
  } catch {
    return undefined;
  }
}

/** The signal among options. */
export function readSignal(value: unknown, name: string): AbortSignal | undefined {
  if (value === undefined || isNodes(value)) return value;
  const signal = followed(value);
  if (signal === undefined) throw invalid(name, 'an AbortSignal', value);
  return signal;
}

export function isAborted(signal: AbortSignal): boolean {
  return abortedOf.call(signal);
}

export function abortReason(signal: AbortSignal): unknown {
  return reasonOf.call(signal);
}

/** Throws the reason of an aborted signal. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal !== undefined && isAborted(signal)) throw abortReason(signal);
}

/** Who waits for a signal. One listener serves all: Node takes many on one signal for a leak, and says so. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

function tellAll(this: AbortSignal): void {
  const callbacks = waiting.get(this);
  waiting.delete(this);
  for (const callback of callbacks ?? []) callback();
}

/** Calls back once when the signal aborts; the function returned takes that back. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const callbacks = waiting.get(signal) ?? new Set();
  if (callbacks.size === 0) {
    waiting.set(signal, callbacks);
    addEventListener.call(signal, 'abort', tellAll, { once: true });
  }
  callbacks.add(callback);
  return () => {
    callbacks.delete(callback);
    if (callbacks.size > 0 || waiting.get(signal) !== callbacks) return;
    waiting.delete(signal);
    removeEventListener.call(signal, 'abort', tellAll);
  };
}
