/**
 * What the predictions assume of GPUs. None of it was measured with heed: clocks, multiprocessors and peaks
 * are NVIDIA's; how long a unit is occupied follows from its width; latencies are those that others have
 * published for these GPUs, rounded.
 */

/**
 * @typedef {object} Machine
 * @property {string} name
 * @property {number} clock Hz
 * @property {number} multiprocessors
 * @property {number} peak of matrix instructions of 16 bits, in operations a second
 * @property {number} copy bytes that a copy reads and writes in a second: what memory really gives
 * @property {(instruction: import('./instructions.mjs').Instruction) => { unit?: string, cycles: number }} unitOf
 * @property {(instruction: import('./instructions.mjs').Instruction) => number} latencyOf cycles
 * @property {number} readLatency cycles until operands are read
 * @property {number} memoryLatency cycles until a copy from global memory has come
 * @property {number} barrier cycles that a block's barrier takes
 * @property {number} apart cycles by which warps start after each other
 */

/** Units, and for how many cycles an instruction of a warp occupies a scheduler's share of one. */
const units = {
  LDSM: ['memory', 16],
  LDGSTS: ['memory', 16],
  LDG: ['memory', 8],
  LDS: ['memory', 8],
  STS: ['memory', 8],
  SHFL: ['memory', 8],
  MUFU: ['special', 8],
  EX2: ['special', 8],
  FFMA: ['multiply-add'],
  FMUL: ['multiply-add'],
  FADD: ['multiply-add'],
  HMMA: ['matrix'],
  BRA: [],
  CALL: [],
  BAR: [],
  DEPBAR: [],
  LDGDEPBAR: [],
};
const latencies = { LDSM: 33, MUFU: 22, EX2: 22, SHFL: 24, LDS: 28, LDG: 600, LD: 600 };

/** @returns {Machine} */
const machine = ({ matrix, multiplyAdd, ...said }) => ({
  ...said,
  readLatency: 12,
  memoryLatency: 800,
  barrier: 25,
  apart: 700,
  unitOf({ name, never }) {
    const [unit, cycles] = never ? [] : (units[name] ?? ['integer', 2]);
    if (name === 'IMAD' && multiplyAdd === 2) return { unit: 'multiply-add', cycles: 2 };
    return { unit, cycles: unit === 'matrix' ? matrix : unit === 'multiply-add' ? multiplyAdd : cycles };
  },
  latencyOf: ({ name }) => latencies[name] ?? 25,
});

export const machines = {
  // 1024 operations of tensor cores in a cycle of a multiprocessor's quarter would be 4 cycles for an HMMA of
  // sm_90, which only wgmma reaches: mma.sync has come to two thirds of it.
  sm_80: machine({
    name: 'A100 (SXM, 80 GB)',
    clock: 1.41e9,
    multiprocessors: 108,
    peak: 312e12,
    copy: 1.75e12,
    matrix: 8,
    multiplyAdd: 2,
  }),
  sm_90: machine({
    name: 'H200',
    clock: 1.755e9,
    multiprocessors: 132,
    peak: 989e12,
    copy: 4.3e12,
    matrix: 6,
    multiplyAdd: 1,
  }),
};
