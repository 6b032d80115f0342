/** Whether heed is a checkout of its sources, where builds follow each other, or installed, where one is all. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The package has what is compiled from this file, and not the file. */
export function isCheckout(root: string): boolean {
  return existsSync(join(root, 'lib', 'index.ts'));
}
