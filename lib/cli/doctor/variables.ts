/** The environment variables that heed reads, and misspelt ones. */
import { nearest } from '../../checks/options.js';
import { environment } from '../../environment.js';
import { HeedError } from '../../errors.js';
import type { Finding, Section } from './finding.js';

const defaults: Readonly<Record<string, string>> = {
  HEED_BACKEND: 'auto',
  HEED_NUM_THREADS: 'one per processor core',
  HEED_CPU_ISA: 'the best available',
  HEED_ADDON: 'where heed builds and installs its addon',
  HEED_DEBUG: '0',
  HEED_REQUIRE_NATIVE: '0',
  HEED_CUDA: 'AUTO: heed build builds the cuda backend if nvcc is installed',
};

const known = Object.keys(defaults);

/** Read by heed's tests and their tools only. */
const ofTests = /^HEED_(TEST|EMULATED|EMULATOR|FUZZ|KERNEL)_/;

/** The variable that was meant by a name like HEED_THREADS or HEED_NUM_THREAD. */
function meant(name: string): string | undefined {
  const words = name.toUpperCase().split('_');
  const longer = known.filter((each) => words.every((word) => each.split('_').includes(word)));
  return longer.length === 1 && words.length > 1 ? longer[0] : nearest(name, known);
}

/** Variables with another prefix that differ from one of heed's by a letter, such as HEAD_BACKEND. */
function isMisspelt(name: string): boolean {
  if (known.includes(name) || ofTests.test(name)) return false;
  return /^HEED_/i.test(name) || nearest(name, known, 1) !== undefined;
}

function examineUnknown(): Finding[] {
  return Object.keys(process.env)
    .filter(isMisspelt)
    .sort()
    .map((name) => {
      const suggestion = meant(name);
      if (suggestion === undefined) return { name, value: 'not a variable of heed: it has no effect' };
      const remedy = `heed does not know the environment variable ${name}: did you mean ${suggestion}?`;
      return { name, value: 'not a variable of heed', remedy };
    });
}

export function examineVariables(): Section {
  const complaint = environmentComplaint();
  const findings: Finding[] = Object.entries(defaults).map(([name, meaning]) => {
    const value = process.env[name];
    if (!value) return { name, value: `not set: ${meaning}` };
    return complaint?.includes(`${name} `) ? { name, value, remedy: complaint } : { name, value };
  });
  return { title: 'Environment', findings: [...findings, ...examineUnknown()] };
}

/** Why a variable is invalid, or undefined. */
export function environmentComplaint(): string | undefined {
  try {
    environment();
    return undefined;
  } catch (error) {
    if (error instanceof HeedError) return error.message;
    throw error;
  }
}
