/** Tests the choices of a build for GPUs, native/cuda/choice.cmake, with fake programs. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../lib/package-root.js';
import { describeWith } from '../../support/programs.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';

describeWith(['cmake'], 'a build for GPUs', () => {
  const at = temporaryDirectory();
  let bin: string;

  function program(name: string, script: string): void {
    const file = join(bin, name);
    writeFileSync(file, `#!/bin/sh\n${script}\n`);
    chmodSync(file, 0o755);
  }

  /** The result of one of its functions. */
  function ask(name: 'cuda_complaint' | 'cuda_architectures'): string {
    const script = at('ask.cmake');
    const choice = join(packageRoot, 'native', 'cuda', 'choice.cmake');
    writeFileSync(
      script,
      `cmake_minimum_required(VERSION 3.19)\ninclude(${choice})\n${name}(answer ${bin}/nvcc)\nmessage("=\${answer}=")\n`,
    );
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
    const { stderr } = spawnSync('cmake', ['-P', script], { env, encoding: 'utf8' });
    const [, answer] = /^=(.*)=$/m.exec(stderr) ?? [];
    assert.ok(answer !== undefined, stderr);
    return answer;
  }

  function nvcc(release: string, ...known: number[]): void {
    const list = known.map((architecture) => `echo compute_${architecture}`).join('; ');
    program(
      'nvcc',
      `case "$1" in --version) echo "tools, release ${release}, V1";; *) ${list || ':'};; esac`,
    );
  }

  beforeEach(() => {
    bin = at('bin');
    mkdirSync(bin, { recursive: true });
    program('nvidia-smi', 'exit 9');
  });

  for (const [gpus, architectures] of [
    [['9.0'], '90'],
    [['8.6', '8.6', '8.0'], '86;80'],
    // Kernels do not run on this GPU.
    [['7.5', '8.9'], '89'],
    [['7.5'], '80'],
    // The compiler does not know this GPU, which runs the code for others.
    [['12.0'], '80'],
    [['12.0', '9.0'], '80;90'],
  ] as const) {
    it(`is for ${architectures} where there are ${gpus.join(' and ')}`, () => {
      nvcc('12.4', 80, 86, 89, 90);
      program('nvidia-smi', gpus.map((gpu) => `echo ${gpu}`).join('; '));
      assert.equal(ask('cuda_architectures'), architectures);
    });
  }

  it('is for the oldest GPUs that kernels run on where there are none, or nothing knows', () => {
    nvcc('12.4', 80, 90);
    assert.equal(ask('cuda_architectures'), '80');
    program('nvidia-smi', 'echo "No devices were found"');
    assert.equal(ask('cuda_architectures'), '80');
    program('nvidia-smi', 'echo 9.0; exit 9');
    assert.equal(ask('cuda_architectures'), '80');
  });

  it('does without a compiler that is too old, or no compiler', () => {
    nvcc('11.5');
    assert.match(ask('cuda_complaint'), /nvcc is of CUDA 11\.5, and C\+\+20 needs 12\.0$/);
    program('nvcc', 'echo nothing');
    assert.match(ask('cuda_complaint'), /does not say its version$/);
    program('nvcc', 'exit 1');
    assert.match(ask('cuda_complaint'), /does not say its version$/);
    for (const release of ['12.0', '12.9', '13.0']) {
      nvcc(release);
      assert.equal(ask('cuda_complaint'), '');
    }
  });
});
