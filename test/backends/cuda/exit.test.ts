/** Tests the end of a process while work runs on a device. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { onDevice } from '../../support/device.js';

const child = join(__dirname, 'children', 'exit.js');

function run(how: string) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [child, how], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { status, signal, stdout, stderr };
}

onDevice('a process that ends while operations run', () => {
  for (const how of ['exit', 'exit at once', 'abort and exit']) {
    it(`ends cleanly: ${how}`, () => {
      assert.deepEqual(run(how), { status: 0, signal: null, stdout: '', stderr: '' });
    });
  }

  it('ends as Node does after an exception', () => {
    const { status, signal, stderr } = run('throw');
    assert.deepEqual({ status, signal }, { status: 1, signal: null });
    assert.match(stderr, /on purpose/);
  });

  it('does not end by itself before they have', () => {
    assert.deepEqual(run('natural'), { status: 0, signal: null, stdout: 'finished\n', stderr: '' });
  });
});
