/** The reader of machine code and the budgets of scripts/check-cuda, on code written for it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../lib/package-root.js';
import { Random } from '../support/random.js';
import { assemble, cubin, type Line, times } from './machine-code.js';

interface Budget {
  readonly times?: readonly number[];
  readonly copies?: number;
  readonly loads?: number;
  readonly limits: Readonly<Record<string, number>>;
}
type Counts = Readonly<Record<string, number>>;
interface Budgets {
  measure(code: Buffer, architecture: number, way?: Omit<Budget, 'limits'>): Counts | undefined;
  localAccesses(code: Buffer, architecture: number): number;
  complaints(budgets: Readonly<Record<string, Budget>>, measured: ReadonlyMap<string, Counts>): string[];
  gains(budgets: Readonly<Record<string, Budget>>, measured: ReadonlyMap<string, Counts>): string[];
  lowered(
    budgets: Readonly<Record<string, Budget>>,
    measured: ReadonlyMap<string, Counts>,
  ): Record<string, Budget>;
}
interface Cubins {
  readCubin(bytes: Buffer): { architecture: number; kernels: { symbol: string; code: Buffer }[] };
}

const load = async <Module>(name: string): Promise<Module> =>
  import(pathToFileURL(join(packageRoot, 'scripts', 'check-cuda', name)).href) as Promise<Module>;

const architectures = [80, 86, 89, 90, 100, 120];

/** A loop that copies in one way where rows are aligned, and in a longer one where they are not. */
function kernel(addresses: number, others: number): Line[] {
  return [
    ...times(3, 'IADD3'),
    { name: 'BAR', label: 'tile' },
    { name: 'BRA', guard: 1, to: 'unaligned' },
    ...times(addresses, 'IADD3'),
    { name: 'LDS', guard: 15 },
    ...times(4, 'LDGSTS'),
    { name: 'BRA', to: 'copied' },
    { name: 'IADD3', label: 'unaligned' },
    ...times(addresses + 9, 'IADD3'),
    ...times(4, 'LDGSTS'),
    { name: 'LDGDEPBAR', label: 'copied' },
    ...times(others, 'FFMA'),
    { name: 'MUFU', function: 4 },
    { name: 'MUFU' },
    { name: 'MUFU' },
    { name: 'HMMA', label: 'step' },
    ...times(7, 'HMMA'),
    { name: 'BRA', guard: 2, to: 'step' },
    { name: 'BRA', guard: 3, to: 'rare' },
    { name: 'IADD3', label: 'behind' },
    { name: 'BRA', guard: 0, to: 'tile' },
    { name: 'EXIT' },
    // Code that a compiler has moved out of the way, with a loop of its own, leads back into the main loop.
    { name: 'IADD3', label: 'rare' },
    { name: 'BRA', guard: 2, to: 'rare' },
    { name: 'BRA', to: 'behind' },
  ];
}

/** What `kernel` costs if its inner loop runs three times. */
const cost = (addresses: number, others: number) => ({
  instructions: 1 + 1 + addresses + 1 + 4 + 1 + 1 + others + 3 + 3 * 9 + 1 + 2,
  perMatrix: Math.ceil(((addresses + others + 42) / 24) * 10 - 1e-9) / 10,
  // The branches around, and the place that is only taken, are part of copying.
  perCopy: Math.ceil(((addresses + 1 + 1 + 4 + 1 + 1) / 4) * 10 - 1e-9) / 10,
  perExponential: Math.ceil(((others + 3) / 2) * 10 - 1e-9) / 10,
  loops: 2,
});

describe('scripts/check-cuda', () => {
  let budgets: Budgets, cubins: Cubins;
  before(async () => {
    budgets = await load<Budgets>('budgets.mjs');
    cubins = await load<Cubins>('cubin.mjs');
  });

  for (const architecture of architectures) {
    it(`counts the shortest way around a main loop that does all of the work (sm_${architecture})`, () => {
      const random = new Random('scripts/check-cuda');
      for (let round = 0; round < 20; ++round) {
        const [addresses, others] = [random.integer(0, 400), random.integer(0, 400)];
        const code = assemble(kernel(addresses, others), architecture);
        assert.deepEqual(budgets.measure(code, architecture, { times: [3] }), cost(addresses, others));
      }
    });
  }

  it('finds the way with the loads of a page that a budget asks for', () => {
    const code = (architecture: number) =>
      assemble(
        [
          { name: 'BAR', label: 'tile' },
          { name: 'BRA', guard: 1, to: 'paged' },
          ...times(2, 'LDGSTS'),
          { name: 'BRA', to: 'copied' },
          { name: 'LDG', label: 'paged' },
          ...times(5, 'IADD3'),
          ...times(2, 'LDGSTS'),
          { name: 'LDGDEPBAR', label: 'copied' },
          { name: 'HMMA' },
          { name: 'BRA.U', to: 'tile' },
          { name: 'EXIT' },
        ],
        architecture,
      );
    for (const architecture of architectures) {
      assert.equal(budgets.measure(code(architecture), architecture)?.instructions, 8);
      assert.equal(
        budgets.measure(code(architecture), architecture, { copies: 2, loads: 0 })?.instructions,
        8,
      );
      assert.equal(
        budgets.measure(code(architecture), architecture, { copies: 2, loads: 1 })?.instructions,
        13,
      );
      assert.equal(budgets.measure(code(architecture), architecture, { loads: 2 }), undefined);
    }
  });

  it('refuses a loop on the way that no budget means', () => {
    const code = assemble(kernel(1, 1), 80);
    assert.throws(() => budgets.measure(code, 80), /Expected 0 loops within the main loop, found 1/);
    assert.throws(() => budgets.measure(code, 80, { times: [2, 2] }), /Expected 2 loops .*, found 1/);
  });

  it('finds no main loop where nothing copies or multiplies', () => {
    const code = assemble(
      [{ name: 'FFMA', label: 'all' }, { name: 'BRA', guard: 0, to: 'all' }, { name: 'EXIT' }],
      80,
    );
    assert.equal(budgets.measure(code, 80), undefined);
  });

  it('counts accesses to local memory', () => {
    for (const architecture of architectures) {
      const code = assemble([...times(2, 'LDL'), ...times(3, 'STL'), ...times(4, 'LDS')], architecture);
      assert.equal(budgets.localAccesses(code, architecture), 5);
    }
  });

  it('complains of a kernel above its budget or without one, and of a budget without a kernel', () => {
    const limits = cost(20, 30);
    const known = { decode: { times: [3], limits } };
    const planted = (addresses: number, others: number) => {
      const code = assemble(kernel(addresses, others), 80);
      return new Map([['decode', budgets.measure(code, 80, known.decode) ?? {}]]);
    };
    assert.deepEqual(budgets.complaints(known, planted(20, 30)), []);
    assert.deepEqual(budgets.gains(known, planted(20, 30)), []);
    assert.deepEqual(budgets.complaints(known, planted(21, 30)), [
      'decode takes 93 instructions, and its budget is 92',
      'decode takes 7.3 per copy, and its budget is 7',
    ]);
    assert.deepEqual(budgets.complaints(known, planted(10, 30)), []);
    assert.match(
      budgets.gains(known, planted(10, 30)).join(),
      /decode takes 4.5 per copy of 7: --write lowers/,
    );
    assert.match(budgets.complaints({}, new Map([['append', { loops: 1 }]])).join(), /append has no budget/);
    assert.match(
      budgets.complaints({ gone: { limits } }, new Map()).join(),
      /gone has a budget, and there is no/,
    );
    // A measure that disappears, or a new one, is no smaller cost.
    const { loops: _, ...fewer } = limits;
    assert.equal(budgets.complaints({ a: { limits } }, new Map([['a', fewer]])).length, 1);
    assert.equal(budgets.complaints({ a: { limits: fewer } }, new Map([['a', limits]])).length, 1);
  });

  it('lowers budgets, and never raises them', () => {
    const before = { a: { times: [3], limits: { instructions: 90, perCopy: 5 } } };
    const measured = new Map([['a', { instructions: 80, perCopy: 6 }]]);
    assert.deepEqual(budgets.lowered(before, measured), {
      a: { times: [3], limits: { instructions: 80, perCopy: 5 } },
    });
  });

  it('reads the kernels of a cubin', () => {
    const random = new Random('scripts/check-cuda');
    const kernels = new Map(
      Array.from({ length: 5 }, (_, i) => [`kernel_${i}`, assemble(times(random.integer(1, 9), 'FFMA'), 90)]),
    );
    const { architecture, kernels: found } = cubins.readCubin(cubin(kernels, 90));
    assert.equal(architecture, 90);
    assert.deepEqual(new Map(found.map(({ symbol, code }) => [symbol, Buffer.from(code)])), kernels);
    const broken = [Buffer.alloc(0), Buffer.alloc(100), Buffer.from(cubin(kernels, 90)).fill(0, 18, 20)];
    for (const bytes of broken) assert.throws(() => cubins.readCubin(bytes), /Expected a cubin/);
  });

  it('refuses code that it cannot have read right', () => {
    assert.throws(
      () => budgets.measure(Buffer.alloc(24), 80),
      /Expected whole instructions, received 24 bytes/,
    );
    const code = assemble([{ name: 'BRA', guard: 0, label: 'here', to: 'here' }, { name: 'EXIT' }], 80);
    code.writeBigUInt64LE(code.readBigUInt64LE(0) ^ (1n << 44n), 0);
    assert.throws(() => budgets.measure(code, 80), /leads to/);
  });
});
