/** Copies rows from one tensor to another with as few copies as there can be, in the memory of the CPU or on a device. */
import { isDetachedArray } from '../checks/data.js';
import { HeedError } from '../errors.js';
import { bytesOf } from '../memory/arrays.js';
import { type Elements, isOnDevice } from '../memory/device.js';
import { hostElements } from '../tensor/elements.js';

/** Bytes between two pauses: a few milliseconds of copying. */
const bytesPerTurn = 1 << 23;

export function detached({ name }: { readonly name: string }): HeedError {
  return new HeedError('HEED_DETACHED', `Expected the memory of ${name} to stay while the operation runs`);
}

/** An axis along which rows lie evenly on both sides; all strides are in bytes. */
export interface Axis {
  /** At least 1. */
  readonly length: number;
  readonly from: number;
  readonly to: number;
}

interface Side {
  readonly name: string;
  readonly data: Elements;
}

/** Where the first row begins, in bytes. */
interface Starts {
  readonly from: number;
  readonly to: number;
}

/** What lies without a gap on both sides is one row, and two axes along which rows are evenly spaced are one axis. */
function merge(axes: readonly Axis[], rowBytes: number): { bytes: number; axes: Axis[] } {
  let bytes = rowBytes;
  let rest = axes.filter(({ length }) => length > 1);
  const without = (...taken: Axis[]) => rest.filter((axis) => !taken.includes(axis));
  for (let next: Axis | undefined; ; bytes *= next.length) {
    next = rest.find(({ from, to }) => from === bytes && to === bytes);
    if (next === undefined) break;
    rest = without(next);
  }
  for (const inner of rest) {
    const span = { from: inner.from * inner.length, to: inner.to * inner.length };
    const outer = rest.find(({ from, to }) => from === span.from && to === span.to);
    if (outer)
      return merge([...without(inner, outer), { ...inner, length: inner.length * outer.length }], bytes);
  }
  return { bytes, axes: rest.sort((a, b) => b.length - a.length) };
}

/** The starts of all rows along some axes. */
function* startsAlong([axis, ...inner]: readonly Axis[], { from, to }: Starts): Generator<Starts> {
  if (axis === undefined) {
    yield { from, to };
    return;
  }
  for (let i = 0; i < axis.length; i++) {
    yield* startsAlong(inner, { from: from + i * axis.from, to: to + i * axis.to });
  }
}

/** Copies rows that no two of overlap. On a device it waits for nothing; else it pauses now and then. */
export function* copyRows(
  from: Side,
  to: Pick<Side, 'data'>,
  axes: readonly Axis[],
  rowBytes: number,
  first: Starts = { from: 0, to: 0 },
): Generator<void, void> {
  const merged = merge(axes, rowBytes);
  const { bytes } = merged;
  const [rows = { length: 1, from: bytes, to: bytes }, ...outer] = merged.axes;
  if (isOnDevice(from.data) && isOnDevice(to.data)) {
    for (const start of startsAlong(outer, first)) {
      from.data.device.copy(
        { array: from.data, offset: start.from, pitch: rows.from },
        { array: to.data, offset: start.to, pitch: rows.to },
        bytes,
        rows.length,
      );
    }
    return;
  }
  const given = hostElements(from.data);
  if (isDetachedArray(given)) throw detached(from);
  const source = bytesOf(given);
  const target = bytesOf(hostElements(to.data));
  let sinceTurn = 0;
  for (const start of startsAlong([...outer, rows], first)) {
    for (let at = 0; at < bytes; at += bytesPerTurn) {
      const count = Math.min(bytes - at, bytesPerTurn);
      target.set(source.subarray(start.from + at, start.from + at + count), start.to + at);
      sinceTurn += count;
      if (sinceTurn < bytesPerTurn) continue;
      sinceTurn = 0;
      yield;
      if (source.length === 0) throw detached(from);
    }
  }
}
