/** Tests the choice of the backend. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attentionSync } from '../../lib/attention/attention.js';
import { chooseBackend } from '../../lib/backends/choose.js';
import { devices } from '../../lib/backends/devices.js';
import { nativeBackend, nativeStatus } from '../../lib/backends/native/native.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { eachInstructionSet } from '../support/backends.js';
import { throwsHeed } from '../support/rejects.js';

const root = join(__dirname, '..', '..', '..');

eachInstructionSet('the choice of a backend', () => {
  it('is the cpu for the types that it computes with, else the reference', () => {
    for (const type of ['float32', 'float16', 'bfloat16'] as const) {
      assert.equal(chooseBackend('auto', type), nativeBackend());
      assert.equal(chooseBackend(undefined, type).name, 'cpu');
    }
    assert.equal(chooseBackend('auto', 'float64').name, 'reference');
  });

  it('may not be the cpu for float64', () => {
    const tensor = Tensor.zeros('float64', [1, 1, 1, 1]);
    throwsHeed(
      () => attentionSync(tensor, tensor, tensor, { backend: 'cpu' }),
      'HEED_UNSUPPORTED_TYPE',
      "a type that the cpu backend supports, received 'float64'",
    );
  });
});

describe('the choice of a backend', () => {
  it('may be the reference for every type', () => {
    for (const type of ['float32', 'float16', 'bfloat16', 'float64'] as const) {
      assert.equal(chooseBackend('reference', type).name, 'reference');
    }
  });
});

describe('devices', () => {
  it('come best first, one of them preferred', () => {
    const list = devices();
    const gpus = list.filter(({ backend, available }) => backend === 'cuda' && available);
    assert.deepEqual(
      list.map(({ backend }) => backend),
      [...gpus.map(() => 'cuda'), 'cpu', 'reference', ...(gpus.length === 0 ? ['cuda'] : [])],
    );
    assert.equal(list.filter(({ preferred }) => preferred).length, 1);
    for (const { name, backend, threads, available } of list) {
      assert.ok(name.length > 0);
      assert.equal(threads > 0, available && backend !== 'cuda');
    }
  });

  it('tell what the native backend is like, or why there is none', () => {
    const cpu = devices().find(({ backend }) => backend === 'cpu');
    assert.ok(cpu);
    const { loaded, instructionSet, threads } = nativeStatus();
    assert.equal(cpu.available, loaded);
    assert.equal(cpu.instructionSet, instructionSet);
    if (loaded) assert.equal(cpu.threads, threads);
    else assert.ok(cpu.reason);
    assert.deepEqual(cpu.types, loaded ? ['float32', 'float16', 'bfloat16'] : []);
  });
});

describe('without the addon', () => {
  let folder: string;

  /** A copy of the package without anything to load. */
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'heed-without-addon-'));
    cpSync(join(root, 'package.json'), join(folder, 'package.json'));
    cpSync(join(root, 'dist', 'lib'), join(folder, 'dist', 'lib'), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  });
  after(() => rmSync(folder, { recursive: true }));

  function run(script: string, backend?: string) {
    const { HEED_BACKEND, ...inherited } = process.env;
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], {
      cwd: folder,
      env: { ...inherited, ...(backend && { HEED_BACKEND: backend }) },
      encoding: 'utf8',
    });
    return { stdout, stderr };
  }

  const attendTwice = `
    const { attentionSync, Tensor } = require('./dist/lib/index.js');
    const tensor = Tensor.zeros('float32', [1, 1, 2, 4]);
    try {
      for (let i = 0; i < 2; i++) console.log(attentionSync(tensor, tensor, tensor).size);
    } catch (error) {
      console.log(error.code, error.message);
    }
  `;

  it('runs on the reference, and says once why, what was tried and what to do', () => {
    const { stdout, stderr } = run(attendTwice);
    assert.equal(stdout, '8\n8\n');
    assert.equal(stderr.match(/HEED_NO_NATIVE/g)?.length, 1);
    assert.match(stderr, /reference backend, because the native addon could not be loaded: \S/);
    assert.match(stderr, /tried .*heed\.node/);
    assert.match(stderr, /npx heed build/);
  });

  it('says nothing when the reference is asked for', () => {
    assert.deepEqual(run(attendTwice, 'reference'), { stdout: '8\n8\n', stderr: '' });
  });

  it('fails when the cpu backend is asked for', () => {
    const { stdout } = run(attendTwice, 'cpu');
    assert.match(stdout, /^HEED_NO_NATIVE Expected the cpu backend to be available/);
    assert.match(stdout, /npx heed build/);
  });
});
