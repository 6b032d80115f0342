/** Debug output, in the manner of util.debuglog: on stderr, when HEED_DEBUG=1. */
import { format } from 'node:util';
import { environment } from './environment.js';

/** The message is only composed when somebody wants to read it. */
export function debug(message: () => string): void {
  if (environment().debug) process.stderr.write(format('HEED %d: %s\n', process.pid, message()));
}
