/**
 * Work on the calling thread that pauses now and then, with or without turns of the event loop in between.
 */
import { setImmediate } from 'node:timers/promises';

/** Begins at once, and yields to the event loop whenever the work pauses. */
export async function inTurns<Result>(work: Generator<void, Result>): Promise<Result> {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    await setImmediate();
  }
}

/** Runs without pauses. */
export function atOnce<Result>(work: Generator<void, Result>): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}
