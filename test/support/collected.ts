/** Requests a garbage collection, whatever the flags of the process. */
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Resolves once unreachable objects are finalised, which happens when the event loop turns. */
export async function collected(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    collect();
    await setImmediate();
  }
}
