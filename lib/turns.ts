/** Work of the calling thread that pauses now and then: with turns of the event loop in between, or without. */
import { setImmediate } from 'node:timers/promises';

/** Begins at once, and lets the event loop have its turn wherever the work pauses. */
export async function inTurns<Result>(work: Generator<void, Result>): Promise<Result> {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    await setImmediate();
  }
}

/** Pauses nowhere. */
export function atOnce<Result>(work: Generator<void, Result>): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}
