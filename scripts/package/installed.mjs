/** Installs the tarball into empty projects and uses it there as users do. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkConditions } from './conditions.mjs';
import { capture, output, run } from './run.mjs';
import { checkTypes } from './types.mjs';

const programs = ['consumer.mjs', 'consumer.cjs'];

export function checkInstalled(tarball, tools, work) {
  const bare = pathWithoutCompiler(work);
  // A folder name that users might choose.
  const consumers = install(join(work, 'a project of größe 1'), tarball, []);
  checkTypes(consumers, tools);

  const scriptless = install(join(work, 'scriptless'), tarball, ['--ignore-scripts']);
  for (const program of programs) cpSync(join(consumers, program), join(scriptless, program));

  for (const project of [consumers, scriptless]) {
    for (const env of [process.env, bare]) expectReference(project, env);
  }
  expectBuildToSay(scriptless, bare);

  run('npx', ['--no-install', 'heed', 'build'], { cwd: consumers });
  expectNative(consumers);
  for (const args of [['--help'], ['doctor'], ['generate', '--length', '8']])
    run('npx', ['--no-install', 'heed', ...args], { cwd: consumers });
  checkConditions(consumers, programs, tools, work);
}

function install(project, tarball, flags) {
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "private": true }\n');
  run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...flags, tarball], { cwd: project });
  return project;
}

/** An environment with node, npm and a shell, but without a compiler, CMake or make. */
function pathWithoutCompiler(work) {
  const folder = join(work, 'bin');
  mkdirSync(folder);
  symlinkSync(process.execPath, join(folder, 'node'));
  for (const tool of ['npm', 'npx', 'sh', 'env']) {
    symlinkSync(output('sh', ['-c', `command -v ${tool}`]).trim(), join(folder, tool));
  }
  return { ...process.env, PATH: folder, CC: undefined, CXX: undefined };
}

function expectReference(project, env) {
  for (const program of programs) {
    const { stdout, stderr } = capture('node', [program], { cwd: project, env });
    assert.equal(stdout, 'reference\n', `${program} was to run on the reference`);
    const said = stderr.match(/HEED_NO_NATIVE/g)?.length ?? 0;
    assert.equal(said, 1, `${program} was to say once that the native backend is missing:\n${stderr}`);
  }
  console.log(`${project}: runs on the reference, and says so once`);
}

/** Without a compiler, the build fails with a message, without a stack trace. */
function expectBuildToSay(project, env) {
  const { stdout, stderr } = capture('sh', ['-c', 'npx --no-install heed build || test $? -eq 1'], {
    cwd: project,
    env,
  });
  assert.match(stdout + stderr, /reference/, 'heed build was to say that only the reference is there');
  assert.doesNotMatch(stdout + stderr, /\n\s+at .*:\d+:\d+/, 'heed build printed a stack');
  console.log(`${project}: heed build without a compiler says\n${stdout}${stderr}`);
}

function expectNative(project) {
  for (const program of programs) {
    const { stdout, stderr } = capture('node', [program], { cwd: project });
    assert.equal(stdout, 'cpu\n', `${program} was to run on the native backend`);
    assert.equal(stderr, '', `${program} was to be silent`);
  }
  console.log(`${project}: runs on the native backend, silently`);
}
