/** How many blocks of a kernel a multiprocessor holds. */

/**
 * Per multiprocessor: registers, KiB of shared memory, and the maximum of warps and blocks; a block takes 1
 * KiB more than it requests.
 */
export const processors = {
  sm_80: { registers: 65536, shared: 164, warps: 64, blocks: 32 },
  sm_86: { registers: 65536, shared: 100, warps: 48, blocks: 16 },
  sm_89: { registers: 65536, shared: 100, warps: 48, blocks: 24 },
  sm_90: { registers: 65536, shared: 228, warps: 64, blocks: 32 },
  sm_100: { registers: 65536, shared: 228, warps: 64, blocks: 32 },
  sm_120: { registers: 65536, shared: 100, warps: 48, blocks: 24 },
};

export function occupancyOf(processor, { registers, threads, shared }) {
  const warps = threads / 32;
  const registersOfBlock = Math.ceil((registers * 32) / 256) * 256 * warps;
  const sharedOfBlock = Math.ceil(shared / 128) * 128 + 1024;
  const blocks = Math.min(
    Math.floor(processor.registers / registersOfBlock),
    Math.floor((processor.shared * 1024) / sharedOfBlock),
    Math.floor(processor.warps / warps),
    processor.blocks,
  );
  return { blocks, occupancy: (blocks * warps) / processor.warps };
}

/**
 * One row for the instantiations of a kernel that differ only in their types, with the values of the one with
 * the most registers.
 */
export function rowsOf(kernels) {
  const groups = new Map();
  for (const kernel of kernels) {
    const key = `${kernel.label} ${kernel.type}`;
    const other = groups.get(key);
    if (other === undefined || other.registers < kernel.registers) groups.set(key, kernel);
  }
  const sorted = [...groups.entries()].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
  return [
    ['kernel', 'elements', 'threads', 'registers', 'shared memory', 'blocks', 'occupancy'],
    ...sorted.map(([, kernel]) => [
      kernel.label,
      kernel.type,
      String(kernel.threads),
      String(kernel.registers),
      `${(kernel.shared / 1024).toFixed(1)} KiB`,
      String(kernel.blocks),
      `${Math.round(100 * kernel.occupancy)} %`,
    ]),
  ];
}
