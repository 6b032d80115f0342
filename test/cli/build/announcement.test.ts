import assert from 'node:assert/strict';
import { CudaAnnouncement, unitsToCompile } from '../../../lib/cli/build/announcement.js';
import { sourcesOf } from '../../../lib/cli/build/sources.js';
import { packageRoot } from '../../../lib/package-root.js';

describe('what a build announces', () => {
  it('is the cuda backend, with its version, place and time, and how to leave it out', () => {
    const announcement = new CudaAnnouncement();
    assert.equal(announcement.listen('-- Looking for a CUDA compiler'), undefined);
    assert.equal(announcement.listen('-- Looking for a CUDA compiler - /opt/cuda/bin/nvcc'), undefined);
    const one = announcement.listen('-- CUDA 13.0.88, for compute capabilities 80');
    assert.match(
      String(one),
      /^also building the cuda backend with CUDA 13\.0\.88 \(\/opt\/cuda\/bin\/nvcc\), for compute capabilities 80: about .*minutes? more; HEED_CUDA=OFF skips it$/,
    );
    assert.match(
      String(announcement.listen('-- CUDA 13.0.88, for compute capabilities 80;90')),
      /80 and 90: /,
    );
  });

  it('is why it is left out', () => {
    const why = '/usr/bin/nvcc is of CUDA 11.8, and C++20 needs 12.0';
    assert.equal(
      new CudaAnnouncement().listen(`-- Without the cuda backend: ${why}`),
      `skipping the cuda backend: ${why}`,
    );
  });

  it('counts what is compiled', () => {
    const { instructionSets } = sourcesOf(packageRoot);
    assert.deepEqual(
      instructionSets,
      process.arch === 'x64'
        ? ['baseline', 'avx2', 'avxvnni', 'avx512', 'avx512vnni', 'avx512bf16']
        : ['baseline', 'dotprod'],
    );
    const units = (cuda: boolean) => unitsToCompile(packageRoot, 'cmake-js', instructionSets, cuda);
    assert.ok(units(true) > units(false) + 10);
  });
});
