/**
 * AbortSignals, read through the class's own methods: what a caller may have put over them on one
 * signal never runs.
 */
import { invalid } from './checks/numbers.js';

const abortedOf = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted')?.get as (
  this: unknown,
) => boolean;
const reasonOf = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'reason')?.get as (
  this: unknown,
) => unknown;
const { addEventListener, removeEventListener } = EventTarget.prototype;

/** The signal among options. */
export function readSignal(value: unknown, name: string): AbortSignal | undefined {
  if (value === undefined) return undefined;
  try {
    abortedOf.call(value);
  } catch {
    throw invalid(name, 'an AbortSignal', value);
  }
  return value as AbortSignal;
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
