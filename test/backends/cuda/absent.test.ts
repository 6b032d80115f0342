/** Tests the error for a requested GPU that does not exist. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { attention } from '../../../lib/attention/attention.js';
import { deviceMemory, devices, limitDeviceMemory, trimDeviceMemory } from '../../../lib/backends/devices.js';
import { KeyValueCache } from '../../../lib/key-value-cache/key-value-cache.js';
import { packWeight } from '../../../lib/projection/packed-weight.js';
import { project } from '../../../lib/projection/project.js';
import { Tensor } from '../../../lib/tensor/tensor.js';
import { runHeed } from '../../cli/run-heed.js';
import { deviceCount } from '../../support/device.js';
import { rejectsHeed, throwsHeed } from '../../support/rejects.js';

const entry = join(__dirname, '..', '..', '..', 'lib', 'index.js');

if (deviceCount() === 0) {
  describe('without a GPU', () => {
    const tensor = Tensor.zeros('float32', [1, 1, 2, 4]);
    const matrix = Tensor.zeros('float32', [2, 2]);

    it('whatever asks for one says why there is none', async () => {
      const { reason } = devices().find(({ backend }) => backend === 'cuda') ?? {};
      assert.ok(reason);
      for (const call of [
        () => tensor.to('cuda'),
        async () => Tensor.zeros('float32', [3], 'cuda'),
        () => attention(tensor, tensor, tensor, { backend: 'cuda' }),
        () => project(matrix, matrix, undefined, { backend: 'cuda' }),
        async () => packWeight(matrix, { location: 'cuda' }),
        async () => new KeyValueCache({ batch: 1, heads: 1, width: 4, capacity: 8, location: 'cuda' }),
        async () => deviceMemory('cuda'),
        async () => limitDeviceMemory(2 ** 30),
        async () => trimDeviceMemory(),
      ]) {
        await rejectsHeed(call, 'HEED_NO_CUDA', reason);
      }
    });

    it('the doctor says why none is used, and that all is well without', function () {
      this.timeout(60_000);
      const { status, stdout } = runHeed(['doctor'], { env: { HEED_BACKEND: 'auto' } });
      assert.equal(status, 0, stdout);
      const { reason } = devices().find(({ backend }) => backend === 'cuda') ?? {};
      assert.ok(stdout.includes(`no GPU is used                ${reason}`), stdout);
    });

    it('HEED_BACKEND=cuda says so', () => {
      const script = `
        const { attentionSync, Tensor } = require(${JSON.stringify(entry)});
        const tensor = Tensor.zeros('float32', [1, 1, 2, 4]);
        try { attentionSync(tensor, tensor, tensor); } catch ({ code }) { console.log(code); }
        console.log(attentionSync(tensor, tensor, tensor, { backend: 'cpu' }).size);
      `;
      const env = { ...process.env, HEED_BACKEND: 'cuda' };
      const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { env, encoding: 'utf8' });
      assert.equal(stdout, 'HEED_NO_CUDA\n8\n', stderr);
    });
  });
}

describe('the memory of devices', () => {
  it('is not that of the CPU, nor of what is no device', () => {
    throwsHeed(() => deviceMemory('cpu'), 'HEED_INVALID_ARGUMENT', "received 'cpu'");
    throwsHeed(() => trimDeviceMemory('gpu' as 'cpu'), 'HEED_INVALID_ARGUMENT', "received 'gpu'");
    throwsHeed(() => limitDeviceMemory(-1), 'HEED_INVALID_ARGUMENT', 'Expected bytes to be an integer');
  });
});
