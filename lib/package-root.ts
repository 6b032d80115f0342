/** Where heed is: the folder of its package.json. */
import { resolve } from 'node:path';

/** This module is compiled to dist/lib. */
export const packageRoot = resolve(__dirname, '../..');
