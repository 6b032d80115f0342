/** What became of the native addon. */

import { environment } from '../../environment.js';
import { remedies } from '../../native/remedies.js';
import { availableInstructionSets, nativeStatus } from '../../native.js';
import type { Finding, Section } from './finding.js';

export function examineNative(): Section {
  const { loaded, path, tried, why, instructionSet, threads } = nativeStatus();
  const attempts: Finding[] = tried.map((attempt) => ({ name: 'tried', value: attempt }));
  if (!loaded) {
    const value = `not loaded: ${why}`;
    const remedy =
      environment().addon === undefined
        ? 'build the native addon: npx heed build (in a checkout of heed: npm run build)'
        : remedies().join('; ');
    return { title: 'Native addon', findings: [...attempts, { name: 'addon', value, remedy }] };
  }
  return {
    title: 'Native addon',
    findings: [
      ...attempts,
      { name: 'loaded', value: String(path) },
      {
        name: 'instruction set',
        value: `${instructionSet}, of ${availableInstructionSets().join(', ')}`,
      },
      { name: 'threads', value: String(threads) },
    ],
  };
}
