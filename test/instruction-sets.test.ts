import assert from 'node:assert/strict';
import { allowedBy, type InstructionSet, instructionSets } from '../lib/instruction-sets.js';

describe('the best instruction set that may be used', () => {
  const x64 = ['baseline', 'avx2', 'avx512', 'avx512vnni'];
  const arm64 = ['baseline', 'dotprod'];
  for (const [best, available, allowed] of [
    ['baseline', x64, ['baseline']],
    ['avxvnni', x64, ['baseline', 'avx2']],
    ['avx512', x64, ['baseline', 'avx2', 'avx512']],
    ['avx512bf16', x64, x64],
    ['dotprod', x64, ['baseline']],
    ['baseline', arm64, ['baseline']],
    ['dotprod', arm64, arm64],
    ['dotprod', ['baseline'], ['baseline']],
    ['avx512bf16', arm64, ['baseline']],
  ] as const satisfies [InstructionSet, readonly string[], readonly string[]][]) {
    it(`${best} leaves ${allowed.join(', ')} of ${available.join(', ')}`, () => {
      assert.deepEqual(allowedBy(best, available), allowed);
    });
  }

  it('is one of any architecture', () => {
    for (const set of [...x64, ...arm64]) assert.ok(instructionSets.some((known) => known === set));
    assert.equal(new Set(instructionSets).size, instructionSets.length);
  });
});
