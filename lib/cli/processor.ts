/** What the processor can run. */
import { readFileSync } from 'node:fs';
import { hasSources, sourcesOf } from './build/sources.js';

/** What Linux calls what a flag of the compiler asks for, where it is not the flag's own name. */
const linuxNames: Readonly<Record<string, string>> = { '-march=armv8.2-a+dotprod': 'asimddp' };

/** By Linux's names; undefined where the system does not tell. */
export function processorFlags(): ReadonlySet<string> | undefined {
  try {
    const line = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'));
    return new Set(line?.[1].split(/\s+/));
  } catch {
    return undefined;
  }
}

/**
 * Of the instruction sets that heed has kernels for; undefined where neither the system nor the package tells. Their
 * compiler flags are named as Linux names what processors have, but for underscores (avx512_bf16).
 */
export function processorInstructionSets(root: string): string[] | undefined {
  const known = processorFlags();
  if (known === undefined || !hasSources(root)) return undefined;
  const { instructionSets, flags } = sourcesOf(root);
  const names = new Set([...known].map((name) => name.replaceAll('_', '')));
  const has = (flag: string) => {
    const name = linuxNames[flag];
    return name === undefined ? flag.includes('=') || names.has(flag.replace(/^-m/, '')) : names.has(name);
  };
  return instructionSets.filter((set) => flags[set].every(has));
}
