/** Requests a garbage collection, whatever the flags of the process. */
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/**
 * Resolves once unreachable objects are finalised, which happens when the event loop turns. What finalising
 * makes unreachable takes another collection. Each takes 0.2 s beside thousands of other tests.
 */
export async function collected(times = 5): Promise<void> {
  for (let i = 0; i < times; i++) {
    collect();
    await setImmediate();
  }
}
