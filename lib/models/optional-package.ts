/** Packages that users install where they want what heed does with them. */
import { HeedError } from '../errors.js';

/**
 * What an `import()` of such a package does where it is not installed: `import(name).catch(missing(name, purpose))`. With a
 * `catch` behind it, bundlers do not insist on finding the package.
 *
 * @param purpose what it is for, as a sentence without a stop
 */
export function missing(name: string, purpose: string): (cause: unknown) => never {
  return (cause) => {
    throw new HeedError(
      'HEED_MISSING_PACKAGE',
      `Expected the package ${name} to be installed, with which ${purpose}: npm install ${name}`,
      { cause },
    );
  };
}
