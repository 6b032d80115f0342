import assert from 'node:assert/strict';
import { runSupervised } from '../../../lib/cli/supervised/run.js';

async function run(script: string, limit?: number) {
  const lines: string[] = [];
  const ended = await runSupervised(['/bin/sh', '-c', script], {
    onLine: (line) => lines.push(line),
    ...(limit !== undefined && { limit }),
  });
  return { ...ended, lines };
}

describe('a supervised program', () => {
  it('is heard on both streams, and its end is told', async () => {
    const { status, expired, lines } = await run('echo one; echo two >&2; exit 3');
    assert.deepEqual([status, expired, lines.sort()], [3, false, ['one', 'two']]);
    assert.equal((await run('kill -ILL $$')).status, 132);
  });

  it('that is not there has failed', async () => {
    const lines: string[] = [];
    const { status } = await runSupervised(['/nonexistent/program'], { onLine: (line) => lines.push(line) });
    assert.equal(status, 127);
    assert.match(lines.join('\n'), /ENOENT/);
  });

  it('is ended with all of its children when its time is over', async () => {
    const { expired, lines } = await run('sleep 3600 & echo $!; trap "" TERM; wait; wait', 1);
    assert.equal(expired, true);
    assert.throws(() => process.kill(Number(lines[0]), 0), { code: 'ESRCH' });
  });

  it('leaves no listeners behind', async () => {
    const before = process.listenerCount('SIGTERM');
    await run('true');
    assert.equal(process.listenerCount('SIGTERM'), before);
  });
});
