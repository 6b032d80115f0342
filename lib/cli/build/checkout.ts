/** Whether heed is a checkout, which is built repeatedly, or an installed package, which is built once. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The package contains the compiled form of this file, but not the file itself. */
export function isCheckout(root: string): boolean {
  return existsSync(join(root, 'lib', 'index.ts'));
}
