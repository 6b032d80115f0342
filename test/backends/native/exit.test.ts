import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const child = join(__dirname, 'children', 'exit.js');

function run(how: string) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [child, how], { encoding: 'utf8' });
  return { status, signal, stdout, stderr };
}

describe('a process that ends while native operations run', () => {
  for (const how of ['exit', 'exit at once', 'abort and exit']) {
    it(`ends cleanly: ${how}`, () => {
      assert.deepEqual(run(how), { status: 0, signal: null, stdout: '', stderr: '' });
    });
  }

  it('ends with the exit code that it chose', () => {
    assert.equal(run('exit code').status, 7);
  });

  it('ends as Node does after an exception', () => {
    const { status, signal, stderr } = run('throw');
    assert.equal(status, 1);
    assert.equal(signal, null);
    assert.match(stderr, /on purpose/);
  });

  it('does not end by itself before they have', () => {
    assert.deepEqual(run('natural'), { status: 0, signal: null, stdout: 'finished\n', stderr: '' });
  });
});
