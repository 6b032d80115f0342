/** The model of speed in scripts/check-cuda, on ways whose cycles can be said beforehand. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../lib/package-root.js';
import { Random } from '../support/random.js';

interface Instruction {
  readonly name: string;
  readonly stall: number;
  readonly pending: number;
  readonly sets: number;
  readonly frees: number;
  readonly waits: number;
}
interface Machine {
  unitOf(instruction: Instruction): { unit?: string; cycles: number };
  latencyOf(instruction: Instruction): number;
  readonly readLatency: number;
  readonly memoryLatency: number;
  readonly barrier: number;
  readonly apart: number;
}
interface Replay {
  cyclesOfTile(way: readonly Instruction[], warps: number, machine: Machine): number;
}

const machine: Machine = {
  unitOf: ({ name }) => (name === 'HMMA' ? { unit: 'matrix', cycles: 8 } : { cycles: 0 }),
  latencyOf: () => 30,
  readLatency: 12,
  memoryLatency: 500,
  barrier: 25,
  apart: 7,
};
const instruction = (name: string, given: Partial<Instruction> = {}): Instruction => ({
  name,
  stall: 1,
  pending: 0,
  sets: 7,
  frees: 7,
  waits: 0,
  ...given,
});

describe('the model of speed of CUDA kernels', () => {
  const random = new Random('scripts/replay');
  let replay: Replay;
  before(async () => {
    const file = pathToFileURL(join(packageRoot, 'scripts', 'check-cuda', 'replay.mjs')).href;
    replay = (await import(file)) as Replay;
  });
  const cycles = (way: readonly Instruction[], warps = 1): number => replay.cyclesOfTile(way, warps, machine);

  it('issues one instruction in a cycle, whatever the number of warps', () => {
    const length = random.integer(50, 300);
    const way = Array.from({ length }, () => instruction('IADD3'));
    for (const warps of [1, 2, 3]) assert.ok(Math.abs(cycles(way, warps) - warps * length) <= warps);
  });

  it('stalls a warp as long as the compiler has noted, while others take their turn', () => {
    const stalls = Array.from({ length: random.integer(50, 100) }, () => random.integer(4, 12));
    const way = stalls.map((stall) => instruction('IADD3', { stall }));
    const sum = stalls.reduce((a, b) => a + b);
    for (const warps of [1, 2]) {
      assert.ok(cycles(way, warps) >= sum - 1);
      assert.ok(cycles(way, warps) <= sum + (warps - 1) * way.length);
    }
    assert.equal(cycles(way), sum);
  });

  it('lets warps share a unit', () => {
    const way = Array.from({ length: 40 }, () => instruction('HMMA'));
    for (const warps of [1, 2, 3]) assert.ok(Math.abs(cycles(way, warps) - warps * 320) <= 8 * warps);
  });

  it('waits for results by their flags', () => {
    const load = instruction('LDSM', { sets: 2 });
    assert.equal(cycles([load, instruction('HMMA', { waits: 1 << 2 })]), 31);
    assert.equal(cycles([load, instruction('HMMA', { waits: 1 << 3 })]), 8);
    const store = instruction('STS', { frees: 1 });
    assert.equal(cycles([store, instruction('IADD3', { waits: 1 << 1 })]), 13);
  });

  it('waits for groups of copies, except those that may be under way', () => {
    const way = (pending: number) => [
      instruction('DEPBAR', { pending }),
      instruction('LDGSTS'),
      instruction('LDGDEPBAR'),
      ...Array.from({ length: 97 }, () => instruction('IADD3')),
    ];
    // The copy of the last tile was issued 99 cycles before this tile begins.
    assert.equal(cycles(way(0)), 501);
    // Six groups under way take six tiles of 100 cycles, which is longer than a copy.
    assert.equal(cycles(way(6)), 100);
  });

  it('counts a barrier', () => {
    assert.equal(cycles([instruction('BAR'), instruction('IADD3')]), 26);
  });
});
