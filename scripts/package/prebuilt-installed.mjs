/** Installs the packages into empty projects, and checks that heed is native there without a build. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { capture, output, run } from './run.mjs';

const program = `
const { attentionSync, devices, Tensor } = require('heed');
const ones = () => new Tensor('float32', new Float32Array(2 * 8).fill(1), [1, 1, 2, 8]);
const { data } = attentionSync(ones(), ones(), ones(), { backend: 'cpu' });
if (data.some((x) => Math.abs(x - 1) > 1e-6)) throw new Error(\`Expected ones, received \${data}\`);
console.log(devices().some(({ backend, available }) => backend === 'cpu' && available) ? 'native' : 'not native');
`;

export function checkPrebuilt(tarballs, made, work) {
  for (const { name } of made) checkOne(name, tarballs, work);
}

function checkOne(name, tarballs, work) {
  const project = join(work, `with-${name}`);
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "private": true }\n');
  // Neither npm nor heed minds that the other optional dependency is missing.
  const flags = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts'];
  run('npm', ['install', ...flags, tarballs.heed, tarballs[name]], { cwd: project });
  writeFileSync(join(project, 'program.cjs'), program);
  const { stdout, stderr } = capture('node', ['program.cjs'], { cwd: project });
  assert.equal(stderr, '', `${name}: heed was to be silent`);
  assert.match(stdout, /^native\n$/, `${name}: heed was to be native`);
  const said = output('npx', ['--no-install', 'heed', 'doctor'], { cwd: project });
  assert.match(said, new RegExp(`node_modules/${name}/heed\\.node`), `heed doctor was to name ${name}`);
  console.log(`${name}: heed loads it from a bare folder\n${said}`);
}
