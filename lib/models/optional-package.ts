/** Packages that users install where they want what heed does with them. */
import { HeedError } from '../errors.js';

/**
 * @param load imports it: a function, so that bundlers see the name
 * @param purpose why it is loaded, for the message
 */
export async function loadPackage<Package>(
  name: string,
  load: () => Promise<unknown>,
  purpose: string,
): Promise<Package> {
  try {
    return (await load()) as Package;
  } catch (cause) {
    throw new HeedError(
      'HEED_MISSING_PACKAGE',
      `Expected the package ${name} to be installed, with which ${purpose}: npm install ${name}`,
      { cause },
    );
  }
}
