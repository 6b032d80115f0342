/** The instruction sets that there are kernels for. */

/** Those of each architecture, as `process.arch` has it; each computes what those before it do, and faster. */
const ofArchitectures = {
  x64: ['baseline', 'avx2', 'avxvnni', 'avx512', 'avx512vnni', 'avx512bf16'],
  arm64: ['baseline', 'dotprod'],
} as const;

export type InstructionSet = (typeof ofArchitectures)[keyof typeof ofArchitectures][number];

export const instructionSets: readonly InstructionSet[] = [
  ...new Set<InstructionSet>(Object.values(ofArchitectures).flat()),
];

/** Of `available` those that `best` allows. One of another architecture leaves the baseline. */
export function allowedBy(best: InstructionSet, available: readonly string[]): string[] {
  const orders: readonly (readonly string[])[] = Object.values(ofArchitectures);
  const order = orders.find((sets) => sets.includes(best)) ?? [];
  const allowed = order.slice(0, order.indexOf(best) + 1);
  return available.filter((set) => allowed.includes(set));
}
