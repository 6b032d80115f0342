/**
 * Loads the addon that is named and computes with it: in a process of its own, as what is wrong with an addon may end
 * the process that loads it. Writes one line of JSON: an empty list, or what is wrong.
 */
import type { Addon } from '../../native/addon.js';
import { availableInstructionSets, setInstructionSet, useAddon } from '../../native.js';
import { compareWithReference } from './agreement.js';

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0];
}

function check(path: string): string[] {
  let addon: Addon;
  try {
    addon = require(path);
  } catch (error) {
    return [`does not load: ${firstLine(error)}`];
  }
  try {
    useAddon(addon, path);
    return availableInstructionSets().flatMap((set) => {
      setInstructionSet(set);
      return compareWithReference('cpu')
        .filter(({ agrees }) => !agrees)
        .map(
          ({ name, error }) =>
            `computes wrong: with ${set}, ${name} has an error of ${error.toExponential(1)}`,
        );
    });
  } catch (error) {
    return [`does not work with this version of heed: ${firstLine(error)}`];
  }
}

console.log(JSON.stringify(check(process.argv[2])));
