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

/** Calls back once when the signal aborts; the function returned takes that back. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  addEventListener.call(signal, 'abort', callback, { once: true });
  return () => removeEventListener.call(signal, 'abort', callback);
}
