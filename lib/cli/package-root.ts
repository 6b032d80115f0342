/** Where heed is installed: the folder of its package.json. */
import { resolve } from 'node:path';

/** This module is compiled to dist/lib/cli. */
export const packageRoot = resolve(__dirname, '../../..');
