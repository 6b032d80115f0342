/** Tests environment variables, each in a separate process. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const index = JSON.stringify(join(__dirname, '..', 'lib', 'index.js'));

const attend = `
  const { attentionSync, Tensor } = require(${index});
  const tensor = Tensor.zeros('float32', [1, 1, 2, 4]);
  attentionSync(tensor, tensor, tensor, {});
`;

function run(script: string, variables: Record<string, string>): { stdout: string; stderr: string } {
  const { HEED_BACKEND, HEED_NUM_THREADS, HEED_CPU_ISA, HEED_DEBUG, ...inherited } = process.env;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], {
    env: { ...inherited, ...variables },
    encoding: 'utf8',
  });
  return { stdout, stderr };
}

/** The error that the script throws, as "code: message". */
function errorOf(script: string, variables: Record<string, string>): string {
  const caught = `try { ${script} } catch (error) { console.log(error.code + ': ' + error.message); }`;
  return run(caught, variables).stdout;
}

describe('environment variables', () => {
  for (const [name, value, expectation] of [
    ['HEED_BACKEND', 'gpu', "one of auto, cuda, cpu, reference, cuda-emulator, received 'gpu'"],
    ['HEED_NUM_THREADS', '0', "an integer from 1 to 1024, received '0'"],
    ['HEED_NUM_THREADS', 'many', "received 'many'"],
    ['HEED_NUM_THREADS', '1.5', "received '1.5'"],
    ['HEED_NUM_THREADS', '1025', "received '1025'"],
    [
      'HEED_CPU_ISA',
      'sse9',
      "one of baseline, avx2, avxvnni, avx512, avx512vnni, avx512bf16, dotprod, received 'sse9'",
    ],
    ['HEED_DEBUG', 'yes', "one of 0, 1, received 'yes'"],
  ]) {
    it(`${name}=${value} is a HeedError that names it`, () => {
      const error = errorOf(attend, { [name]: value });
      assert.match(error, /^HEED_ENVIRONMENT: /);
      assert.ok(error.includes(`environment variable ${name} to be `) && error.includes(expectation), error);
    });
  }

  it('do not count when they are empty', () => {
    const empty = { HEED_NUM_THREADS: '', HEED_CPU_ISA: '', HEED_DEBUG: '' };
    assert.equal(errorOf(attend, { ...empty, HEED_BACKEND: 'reference' }), '');
  });

  it('HEED_BACKEND says what backend auto is', () => {
    const preferred = `console.log(require(${index}).devices().find((device) => device.preferred).backend)`;
    assert.equal(run(preferred, { HEED_BACKEND: 'reference' }).stdout, 'reference\n');
  });

  it('HEED_DEBUG=1 tells on stderr what is done', () => {
    const { stderr } = run(attend, { HEED_BACKEND: 'reference', HEED_DEBUG: '1' });
    assert.match(stderr, /^HEED \d+: attention on reference in \d+\.\d+ ms$/m);
    assert.equal(run(attend, { HEED_BACKEND: 'reference', HEED_DEBUG: '0' }).stderr, '');
  });
});
