/**
 * Tests the permanent failure of a device, which the emulated one can simulate: it is reported once in full,
 * and nothing crashes.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { isEmulated } from '../../support/device.js';

const entry = join(__dirname, '..', '..', '..', 'lib', 'index.js');

function run(script: string, env: NodeJS.ProcessEnv): string[] {
  const { stdout, stderr, status, signal } = spawnSync(
    process.execPath,
    ['-e', `const heed = require(${JSON.stringify(entry)});\n(async () => {${script}})();`],
    { env: { ...process.env, ...env }, encoding: 'utf8' },
  );
  assert.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: '' });
  return stdout.trimEnd().split('\n');
}

if (isEmulated) {
  describe('a device that is lost', () => {
    const lose = { HEED_EMULATED_LAUNCHES: '3' };
    const prelude = `
      const { attention, attentionSync, Tensor } = heed;
      const here = new Tensor(new Float32Array(2 * 8 * 16).fill(0.5), [1, 2, 8, 16]);
      const tell = ({ code, message }) => console.log(code + ': ' + message);
    `;

    it('is reported once, and then whatever is tried there fails at once and says what was reported', () => {
      const [first, ...later] = run(
        `${prelude}
        const there = await here.to('cuda');
        for (let i = 0; i < 40; i++) await attention(there, there, there).then((x) => x.getData()).catch(tell);
        await there.getData().catch(tell);
        await here.to('cuda').catch(tell);
        try { attentionSync(there, there, there); } catch (error) { tell(error); }
        await attention(here, here, here, { backend: 'cuda' }).catch(tell);`,
        lose,
      );
      // The reason may contain colons: it names the call that detected the loss, which varies.
      const [, reason] =
        /^HEED_DEVICE_LOST: cuda:0 was lost, and nothing works on it [^:]*: (.+)$/.exec(first) ?? [];
      assert.ok(reason, first);
      assert.ok(later.length >= 40);
      for (const line of later) assert.equal(line, `HEED_DEVICE_LOST: cuda:0 was lost before: ${reason}`);
    });

    it('takes neither the other device with it nor the CPU', () => {
      const lines = run(
        `${prelude}
        const [first, second] = [await here.to('cuda:0'), await here.to('cuda:1')];
        for (let i = 0; i < 4; i++) await attention(first, first, first).then((x) => x.getData()).catch(() => {});
        const cpu = await attention(here, here, here, { backend: 'cpu' });
        console.log(cpu.data.every((x) => x === 0.5));
        console.log((await second.getData()).every((x) => x === 0.5));`,
        lose,
      );
      assert.deepEqual(lines, ['true', 'true']);
    });
  });

  describe('an emulated machine', () => {
    it('without GPUs is one without GPUs', () => {
      const [line] = run(
        `await heed.Tensor.zeros('float32', [3]).to('cuda').catch(({ code, message }) => console.log(code + ': ' + message));`,
        { HEED_EMULATED_GPUS: '0' },
      );
      assert.match(line, /^HEED_NO_CUDA: Expected a CUDA device, but there is none: .*cudaErrorNoDevice/);
    });

    it('has no more memory than it has', () => {
      const [line, after] = run(
        `try { heed.Tensor.zeros('float32', [2 ** 20], 'cuda'); } catch ({ code }) { console.log(code); }
        console.log((await heed.Tensor.zeros('float32', [3], 'cuda').getData()).length);`,
        { HEED_EMULATED_MEMORY: String(2 ** 22 - 1) },
      );
      assert.deepEqual([line, after], ['HEED_OUT_OF_MEMORY', '3']);
    });
  });
}
