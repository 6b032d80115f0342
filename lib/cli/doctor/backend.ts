/** Which backend computes, and whether its results are correct. */
import { devices } from '../../backends/devices.js';
import { HeedError } from '../../errors.js';
import { compareWithReference } from '../addon/agreement.js';
import type { Finding, Section } from './finding.js';

export function examineBackend(): Section {
  try {
    const preferred = devices().find((device) => device.preferred);
    const backend = preferred?.backend ?? 'reference';
    const findings: Finding[] = [
      { name: 'chosen', value: `${backend} backend, for ${preferred?.types.join(', ')}` },
      ...(backend === 'reference'
        ? [{ name: 'note', value: 'the reference backend is correct, and slow' }]
        : [
            { name: 'note', value: 'the reference backend computes with float64' },
            ...checkAgainstReference(backend),
          ]),
    ];
    return { title: 'Backend', findings };
  } catch (error) {
    if (!(error instanceof HeedError)) throw error;
    return { title: 'Backend', findings: [{ name: 'chosen', value: 'none', remedy: error.message }] };
  }
}

function checkAgainstReference(backend: 'cuda' | 'cpu'): Finding[] {
  return compareWithReference(backend).map(({ name, error, agrees }) => {
    if (agrees) return { name, value: `agrees with the reference: error ${error.toExponential(1)}` };
    return {
      name,
      value: `differs from the reference: error ${error.toExponential(1)}`,
      remedy: `this build of heed computes wrong results: rebuild it (npx heed build --force), and use HEED_BACKEND=reference until then`,
    };
  });
}
