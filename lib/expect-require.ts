/**
 * Every entry of heed loads this first. heed is CommonJS: if esbuild bundles it into an ES module, Node's own
 * modules are out of its reach, and esbuild says no more than "Dynamic require is not supported".
 */
import { HeedError } from './errors.js';

/** A function instead of a `try` around `require`, because rollup does not transform code inside a `try`. */
function expectRequire(load: () => unknown): void {
  try {
    load();
  } catch (cause) {
    throw new HeedError(
      'HEED_NO_NATIVE',
      'Expected require to give heed the modules of Node.js, but heed was bundled to an ES module that has no require.\n' +
        '  to leave heed out of the bundle, mark it as external: esbuild --external:heed\n' +
        '  to bundle it, make a CommonJS module (esbuild --format=cjs), or give it a require: esbuild ' +
        `--banner:js="import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"`,
      { cause },
    );
  }
}

expectRequire(() => require('node:util'));
