/** Tests the descriptions of GPUs for programs and users. */
import assert from 'node:assert/strict';
import { devices } from '../../../lib/backends/devices.js';
import { cudaStatus } from '../../../lib/backends/native/native.js';
import { runHeed } from '../../cli/run-heed.js';
import { isEmulated, onDevice } from '../../support/device.js';

onDevice('a GPU', () => {
  it('comes first among the devices, with what it is like', () => {
    const { devices: gpus } = cudaStatus();
    const list = devices();
    for (const [index, gpu] of gpus.entries()) {
      const { backend, location, available, types, threads, ...rest } = list[index];
      assert.deepEqual(
        { backend, location, available, types, threads },
        {
          backend: 'cuda',
          location: `cuda:${index}`,
          available: true,
          types: ['float32', 'float16', 'bfloat16'],
          threads: 0,
        },
      );
      assert.deepEqual(rest, { ...gpu, preferred: isEmulated && index === 0 });
      assert.match(gpu.computeCapability, /^\d+\.\d$/);
      assert.ok(gpu.memory > 0 && gpu.multiprocessors > 0);
    }
    assert.deepEqual(
      list.slice(gpus.length).map(({ backend }) => backend),
      ['cpu', 'reference'],
    );
  });

  it('is told of by the doctor, who tries it', function () {
    this.timeout(60_000);
    const { status, stdout } = runHeed(['doctor'], {
      env: { HEED_BACKEND: isEmulated ? 'cuda-emulator' : 'cuda' },
    });
    assert.equal(status, 0, stdout);
    const [{ name, computeCapability }] = cudaStatus().devices;
    assert.match(stdout, /^CUDA$/m);
    assert.match(
      stdout,
      new RegExp(`cuda:0 +${name}, compute capability ${computeCapability}, \\d+\\.\\d GiB`),
    );
    assert.match(stdout, /chosen +cuda backend/);
    const errors = [...stdout.matchAll(/agrees with the reference: error ([\d.e-]+)/g)].map(([, error]) =>
      Number(error),
    );
    assert.equal(errors.length, 2);
    for (const error of errors) assert.ok(error > 0 && error <= 1e-5, `${error}`);
  });
});
