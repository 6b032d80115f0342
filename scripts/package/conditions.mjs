/**
 * Runs users' programs on the native backend under unusual conditions: other hosts, flags, permissions and
 * limits.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { capture, run } from './run.mjs';
import { nodeFolder, packageFolder } from './tools.mjs';

const [major] = process.versions.node.split('.').map(Number);
const permission = major < 24 ? '--experimental-permission' : '--permission';

/** 8 GiB: Node alone reserves more than two, and uses almost none of it. */
const addressSpace = 8 << 20;

/** `programs` may be CommonJS or ES modules, both with the three entry points of heed. */
export function checkConditions(project, programs, tools, work) {
  const oldest = join(nodeFolder(tools, 'oldest'), 'node');
  // A user without privileges, if the check runs as root; that user may not be able to run root's Node.
  const nobody = process.getuid() === 0 ? { command: oldest, uid: 65534, gid: 65534 } : {};
  const hosts = {
    'the oldest Node': { command: oldest },
    'the newest Node': { command: join(nodeFolder(tools, 'newest'), 'node') },
    Bun: { command: join(packageFolder(tools, 'bun'), 'bin', 'bun') },
    Deno: {
      command: join(packageFolder(tools, 'deno'), 'deno'),
      args: ['run', '--allow-all'],
      env: { DENO_DIR: join(work, 'deno'), DENO_NO_UPDATE_CHECK: '1' },
    },
  };
  const conditions = {
    'the permission model': { args: [permission, '--allow-fs-read=*', '--allow-addons'] },
    'frozen intrinsics': { args: ['--frozen-intrinsics'] },
    'no __proto__': { args: ['--disable-proto=throw'] },
    'no code from strings': { args: ['--disallow-code-generation-from-strings'] },
    'no HOME': { env: { HOME: undefined } },
    'another user': nobody,
    'limited address space': {
      command: 'sh',
      args: ['-c', `ulimit -v ${addressSpace} && exec "$0" "$@"`, process.execPath],
    },
  };
  for (const [what, condition] of Object.entries({ ...hosts, ...conditions })) expectCpu(what, condition);

  run('chmod', ['-R', 'a-w', join(project, 'node_modules')]);
  expectCpu('a node_modules that it may not write to', nobody);
  // Restores the permission that removal needs.
  run('chmod', ['-R', 'u+w', join(project, 'node_modules')]);

  function expectCpu(what, { command = process.execPath, args = [], env = {}, ...rest }) {
    const options = { cwd: project, env: { ...process.env, ...env }, ...rest };
    for (const program of programs) {
      const { stdout } = capture(command, [...args, program], options);
      assert.equal(stdout, 'cpu\n', `${program} was to run on the native backend with ${what}`);
    }
    console.log(`with ${what}: runs on the native backend`);
  }
}
