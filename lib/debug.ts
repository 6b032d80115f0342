/** Debug output, like util.debuglog: on stderr, if HEED_DEBUG=1. */
import { format } from 'node:util';
import { environment } from './environment.js';

/** The message is composed only if debug output is on. */
export function debug(message: () => string): void {
  if (environment().debug) process.stderr.write(format('HEED %d: %s\n', process.pid, message()));
}
