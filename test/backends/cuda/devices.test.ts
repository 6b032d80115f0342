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

  if (isEmulated) {
    const tell = (env: Readonly<Record<string, string>>) =>
      runHeed(['doctor'], { env: { HEED_BACKEND: 'cuda-emulator', ...env } });

    it('is told of with the driver that the addon needs, and the one that is there', function () {
      this.timeout(60_000);
      const { status, stdout } = tell({ HEED_EMULATED_DRIVER: '13020' });
      assert.equal(status, 0, stdout);
      assert.match(stdout, /built with +CUDA 13\.0\n/);
      assert.match(stdout, /needs a driver +R580 or later, for CUDA 13\n/);
      assert.match(stdout, /driver +for CUDA 13\.2\n/);
      assert.doesNotMatch(stdout, /at their first use/);
    });

    it('is not used with a driver that is too old, and the doctor says which would do', function () {
      this.timeout(60_000);
      const { status, stdout } = tell({ HEED_EMULATED_DRIVER: '12090' });
      assert.equal(status, 1, stdout);
      assert.match(
        stdout,
        /a GPU is not used +This build .* needs an NVIDIA driver R580 or later, for CUDA 13, and .* for CUDA 12\.9\n/,
      );
      assert.match(stdout, /What to do\n.*install a newer NVIDIA driver/);
      assert.doesNotMatch(stdout, /cuda:0/);
    });

    it('of a kind that the addon has no code for is told of where the driver compiles, by HEED_DEBUG too', function () {
      this.timeout(60_000);
      const env = { HEED_EMULATED_ARCHITECTURES: '80-real,80-virtual', HEED_DEBUG: '1' };
      const { status, stdout, stderr } = tell(env);
      assert.equal(status, 0, stdout);
      const lines = stdout.split('\n').filter((line) => /^ +cuda:/.test(line));
      assert.deepEqual(
        lines.map((line) => line.endsWith('; the driver compiles kernels for it at their first use')),
        [false, true],
      );
      assert.doesNotMatch(stderr, /no machine code/);
      const other = tell({ ...env, HEED_EMULATED_ARCHITECTURES: '90-virtual' });
      assert.match(
        other.stderr,
        /cuda:0 \(Emulated GPU 0\): the addon has no machine code for it; the driver/,
      );
      // A driver of the same major version runs machine code, and does not compile what a newer CUDA has made.
      assert.equal(other.status, 0, other.stdout);
    });
  }
});
