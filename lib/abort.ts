/**
 * AbortSignals. Those of the class that was there when heed was loaded, Node's in general, are read through the class's own
 * methods: what a caller may have put over them on one signal never runs. Those of other makes (jsdom, happy-dom, polyfills)
 * are read by their own.
 */

type Getter<Value> = ((this: unknown) => Value) | undefined;

function getter<Value>(property: string): Getter<Value> {
  return Object.getOwnPropertyDescriptor(AbortSignal.prototype, property)?.get as Getter<Value>;
}

const abortedOf = getter<boolean>('aborted');
const reasonOf = getter<unknown>('reason');
const { addEventListener, removeEventListener } = AbortSignal.prototype;

/**
 * The state of a signal of another implementation; it has one listener of heed's, however many operations use
 * it.
 */
interface Foreign {
  aborted: boolean;
  reason: unknown;
  readonly callbacks: Set<() => void>;
}

const foreigners = new WeakMap<object, Foreign>();

/** The reason that Node's own controllers give, for signals without a reason. */
function abortError(): DOMException {
  return new DOMException('This operation was aborted', 'AbortError');
}

function markAborted(signal: object, foreign: Foreign): void {
  if (foreign.aborted) return;
  foreign.aborted = true;
  try {
    foreign.reason = (signal as { reason?: unknown }).reason ?? abortError();
  } catch {
    foreign.reason = abortError();
  }
  for (const callback of foreign.callbacks) callback();
  foreign.callbacks.clear();
}

/** As Node's own functions tell a signal, and with what it takes to listen to it. Throws what its properties throw. */
function isForeign(value: object): boolean {
  if (!('aborted' in value && 'addEventListener' in value)) return false;
  const known = foreigners.get(value);
  const foreign = known ?? { aborted: false, reason: undefined, callbacks: new Set() };
  if (value.aborted) markAborted(value, foreign);
  else if (known === undefined) {
    const signal = value as Pick<AbortSignal, 'addEventListener'>;
    signal.addEventListener('abort', () => markAborted(value, foreign), { once: true });
  }
  foreigners.set(value, foreign);
  return true;
}

function isOfKnownClass(value: object): boolean {
  if (abortedOf === undefined) return false;
  try {
    abortedOf.call(value);
    return true;
  } catch {
    return false;
  }
}

export function isSignal(value: unknown): value is AbortSignal {
  if (typeof value !== 'object' || value === null) return false;
  try {
    return isOfKnownClass(value) || isForeign(value);
  } catch {
    return false;
  }
}

export function isAborted(signal: AbortSignal): boolean {
  return foreigners.get(signal)?.aborted ?? abortedOf?.call(signal) ?? false;
}

export function abortReason(signal: AbortSignal): unknown {
  const foreign = foreigners.get(signal);
  return foreign === undefined ? reasonOf?.call(signal) : foreign.reason;
}

/** Throws the reason of an aborted signal. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal !== undefined && isAborted(signal)) throw abortReason(signal);
}

/**
 * The callbacks that wait for a signal. One listener serves all, because Node reports many listeners on one
 * signal as a leak.
 */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

function callAll(this: AbortSignal): void {
  const callbacks = waiting.get(this);
  waiting.delete(this);
  for (const callback of callbacks ?? []) callback();
}

/** Calls back once when the signal aborts; the returned function cancels this. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const foreign = foreigners.get(signal);
  if (foreign !== undefined) {
    foreign.callbacks.add(callback);
    return () => foreign.callbacks.delete(callback);
  }
  const callbacks = waiting.get(signal) ?? new Set();
  if (callbacks.size === 0) {
    waiting.set(signal, callbacks);
    addEventListener.call(signal, 'abort', callAll, { once: true });
  }
  callbacks.add(callback);
  return () => {
    callbacks.delete(callback);
    if (callbacks.size > 0 || waiting.get(signal) !== callbacks) return;
    waiting.delete(signal);
    removeEventListener.call(signal, 'abort', callAll);
  };
}
