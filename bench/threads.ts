/** The number of threads of this process's measurements: heed was started with it, and every peer is, too. */
import { nativeStatus } from '../lib/backends/native/native.js';

export const threads = nativeStatus().threads ?? 1;
