/**
 * Computes with the addon that HEED_ADDON names, in a separate process, because a broken addon may end the
 * process that loads it. Writes one line of JSON: an empty list, or the reason.
 */
import { availableInstructionSets, nativeStatus, setInstructionSet } from '../../backends/native/native.js';
import { compareWithReference } from './agreement.js';

function check(): string[] {
  const { loaded, why } = nativeStatus();
  if (!loaded) return [`does not load: ${why}`];
  try {
    return availableInstructionSets().flatMap((set) => {
      setInstructionSet(set);
      return compareWithReference('cpu')
        .filter(({ agrees }) => !agrees)
        .map(
          ({ name, error }) =>
            `computes wrong results: with ${set}, ${name} has an error of ${error.toExponential(1)}`,
        );
    });
  } catch (error) {
    const [complaint] = (error instanceof Error ? error.message : String(error)).split('\n');
    return [`does not work with this version of heed: ${complaint}`];
  }
}

console.log(JSON.stringify(check()));
