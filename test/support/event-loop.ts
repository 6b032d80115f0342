/** Measures how long the event loop of this thread does not turn, excluding other load on the machine. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../../bench/statistics.js';

/**
 * Milliseconds that this thread has waited for a processor, if Linux reports it; this process does not cause
 * that delay.
 */
function queued(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[1]) / 1e6;
  } catch {
    return 0;
  }
}

/**
 * The number of turns of the event loop until the promise is settled, and the maximum of 99 % of them in
 * milliseconds.
 */
export async function turnsDuring(promise: Promise<unknown>): Promise<{ count: number; p99: number }> {
  const turns: number[] = [];
  let settled = false;
  const end = promise.finally(() => {
    settled = true;
  });
  let [last, waited] = [performance.now(), queued()];
  while (!settled) {
    await sleep(1);
    const [now, more] = [performance.now(), queued()];
    turns.push(now - last - (more - waited));
    [last, waited] = [now, more];
  }
  await end;
  turns.sort((a, b) => a - b);
  return { count: turns.length, p99: quantile(turns, 0.99) };
}
