/** The environment variables that heed reads. */
import { environment } from '../../environment.js';
import { HeedError } from '../../errors.js';
import type { Finding, Section } from './finding.js';

const defaults = {
  HEED_BACKEND: 'auto',
  HEED_NUM_THREADS: 'one per processor core',
  HEED_CPU_ISA: 'the best there is',
  HEED_ADDON: 'where heed builds and installs its addon',
  HEED_DEBUG: '0',
  HEED_REQUIRE_NATIVE: '0',
};

export function examineVariables(): Section {
  const complaint = environmentComplaint();
  const findings: Finding[] = Object.entries(defaults).map(([name, meaning]) => {
    const value = process.env[name];
    if (!value) return { name, value: `not set: ${meaning}` };
    return complaint?.includes(name) ? { name, value, remedy: complaint } : { name, value };
  });
  return { title: 'Environment', findings };
}

/** What is wrong with a variable, if anything is. */
export function environmentComplaint(): string | undefined {
  try {
    environment();
    return undefined;
  } catch (error) {
    if (error instanceof HeedError) return error.message;
    throw error;
  }
}
