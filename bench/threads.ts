/** How many threads this process measures with: heed was started with as many, and every peer is. */
import { nativeStatus } from '../lib/backends/native/native.js';

export const threads = nativeStatus().threads ?? 1;
