/** The sources of the package without anything built from them, so that nothing stale can get in; tests stay away. */
import { cpSync, existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { output, root } from './run.mjs';

export function freshCheckout(work) {
  const folder = join(work, 'checkout');
  const files = output('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard']).split('\0');
  for (const file of files.filter((name) => !/^(test\/|$)/.test(name) && existsSync(join(root, name)))) {
    cpSync(join(root, file), join(folder, file));
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}
