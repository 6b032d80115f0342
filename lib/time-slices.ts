/**
 * Long work on the calling thread, in slices of a few milliseconds, so that timers and sockets get their turn of the event
 * loop in between. However many operations are under way, they share one slice per turn of the loop.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { throwIfAborted } from './abort.js';

const sliceMilliseconds = 5;

interface Task {
  readonly work: Generator<void>;
  readonly signal: AbortSignal | undefined;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

const waiting: Task[] = [];

/** Works until the time is over; whether that was the end of the work. */
function runUntil(end: number, { work, signal }: Task): boolean {
  do {
    throwIfAborted(signal);
    if (work.next().done) return true;
  } while (performance.now() < end);
  return false;
}

function runSlice(): void {
  const end = performance.now() + sliceMilliseconds;
  do {
    const task = waiting.shift();
    if (task === undefined) return;
    try {
      if (runUntil(end, task)) task.resolve();
      else waiting.push(task);
    } catch (error) {
      task.reject(error);
    }
  } while (performance.now() < end);
  if (waiting.length > 0) setImmediate(runSlice);
}

/** Runs the work to its end; when the signal aborts, stops it where it pauses and rejects with the signal's reason. */
export function runInSlices(work: Generator<void>, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    waiting.push({ work, signal, resolve, reject });
    if (waiting.length === 1) setImmediate(runSlice);
  });
}

/** Begins at once, and lets the event loop have its turn wherever the work pauses. */
export async function inTurns<Result>(work: Generator<void, Result>): Promise<Result> {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    await nextTurn();
  }
}

/** Pauses nowhere. */
export function atOnce<Result>(work: Generator<void, Result>): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}
