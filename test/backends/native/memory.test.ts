import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { attention, attentionSync } from '../../../lib/attention/attention.js';
import { collected } from '../../support/collected.js';
import { Random } from '../../support/random.js';

function run(child: string) {
  const args = ['--expose-gc', join(__dirname, 'children', child)];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(stderr, '');
  assert.equal(status, 0);
  return JSON.parse(stdout);
}

describe('memory of native operations', () => {
  it('is given back: over 2,000 operations the resident set stays flat', function () {
    this.timeout(120_000);
    const { before, after, forgotten, disposed } = run('leaks.js');
    assert.ok(
      after.arrays - before.arrays < 2 ** 20,
      `arrays: ${before.arrays} bytes before, ${after.arrays} after`,
    );
    const grown = after.resident - before.resident;
    assert.ok(grown < 64 * 2 ** 20, `resident memory has grown by ${grown} bytes`);
    // 2 GiB in all. The collector must know of them: their handles alone would not trigger it.
    assert.ok(forgotten < 512 * 2 ** 20, `forgotten weights came to ${forgotten} bytes`);
    const { bytes, held, left } = disposed;
    assert.ok(held > 0.9 * bytes, `packed weights of ${bytes} bytes came to ${held}`);
    assert.ok(left < 0.1 * bytes, `disposed weights of ${bytes} bytes left ${left}`);
  });

  const lastOperations: readonly [
    title: string,
    steps: number,
    call: typeof attention | typeof attentionSync,
  ][] = [
    ['that ran on a thread', 60, attention],
    ['that was too small for a thread', 4, attention],
    ['that was done when it returned', 60, attentionSync],
  ];
  for (const [title, steps, call] of lastOperations) {
    it(`is nobody's once the last operation has ended, ${title}`, async () => {
      const start = (): [WeakRef<ArrayBufferLike>, unknown] => {
        const tensor = new Random(`memory of the last operation, ${title}`).tensor('float32', [
          1,
          2,
          steps,
          64,
        ]);
        return [new WeakRef(tensor.data.buffer), call(tensor, tensor, tensor)];
      };
      const [memory, operation] = start();
      await operation;
      await collected();
      assert.equal(memory.deref()?.byteLength, undefined);
    });
  }

  it('never holds a matrix of scores: for 32,768 × 32,768 tokens the peak grows by less than 100 MB', function () {
    this.timeout(240_000);
    const { grown, right } = run('peak.js');
    assert.ok(right);
    assert.ok(grown < 100e6, `the peak has grown by ${grown} bytes`);
  });
});
