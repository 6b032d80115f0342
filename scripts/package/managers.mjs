/**
 * Installs the package with every package manager, as newcomers do and as CI does, with a lockfile; sees that no script of it
 * ran, though the manager was allowed to run some, and uses it there.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { decoys } from './decoys.mjs';
import { capture, output } from './run.mjs';
import { binOf, nodeFolder } from './tools.mjs';

const program = `
const { attentionSync, Tensor } = require('heed');
const x = new Tensor('float32', new Float32Array(16).fill(1), [1, 1, 2, 8]);
const ones = attentionSync(x, x, x, { backend: 'reference' }).data.every((value) => value === 1);
import('heed').then((modules) => console.log(ones && modules.Tensor === Tensor ? 'works' : 'does not work'));
`;

/**
 * How to install what package.json names: first without a lockfile, then by the lockfile that this has left. `node` is the Node
 * that the manager needs, where it is not the one that runs this.
 */
const managers = [
  npm('9'),
  npm('10'),
  npm('11'),
  npm('12', { node: 'newest' }),
  pnpm('9'),
  pnpm('10'),
  pnpm('11', { node: 'newest' }),
  {
    name: 'yarn-1',
    bin: 'yarn',
    lockfile: 'yarn.lock',
    fresh: ['install', '--non-interactive'],
    locked: ['install', '--frozen-lockfile', '--non-interactive'],
  },
  berry('node-modules'),
  berry('pnp'),
];

function npm(version, more) {
  const flags = ['--no-audit', '--no-fund', '--prefer-offline'];
  return {
    name: `npm-${version}`,
    bin: 'npm',
    lockfile: 'package-lock.json',
    fresh: ['install', ...flags],
    locked: ['ci', ...flags],
    files: { '.npmrc': 'dangerously-allow-all-scripts=true\n' },
    ...more,
  };
}

function pnpm(version, more) {
  return {
    name: `pnpm-${version}`,
    bin: 'pnpm',
    lockfile: 'pnpm-lock.yaml',
    fresh: ['install', '--no-frozen-lockfile'],
    locked: ['install', '--frozen-lockfile'],
    // A manager that runs no scripts would prove nothing.
    files: { 'pnpm-workspace.yaml': 'packages: ["packages/*"]\ndangerouslyAllowAllBuilds: true\n' },
    ...more,
  };
}

function berry(linker) {
  return {
    name: 'yarn-4',
    what: `yarn-4 with ${linker}`,
    bin: 'yarn',
    lockfile: 'yarn.lock',
    fresh: ['install', '--no-immutable'],
    locked: ['install', '--immutable'],
    files: {
      '.yarnrc.yml': `nodeLinker: ${linker}\nenableScripts: true\nenableTelemetry: false\nenableGlobalCache: false\n`,
      // Without one, Yarn takes a folder further up for the project.
      'yarn.lock': '',
    },
    run: linker === 'pnp' ? ['node'] : undefined,
  };
}

export function checkManagers(tarball, tools, work) {
  const registry = output('npm', ['config', 'get', 'registry']).trim();
  const failures = [];
  for (const manager of managers) {
    for (const place of ['.', 'packages/member']) {
      try {
        checkOne(manager, place, { tarball, tools, work, registry });
      } catch (error) {
        failures.push(error.message);
      }
    }
  }
  assert.equal(failures.length, 0, failures.join('\n\n'));
}

/** `place` is where, in the project, the package is that depends on heed. */
function checkOne(manager, place, { tarball, tools, work, registry }) {
  const what = `${manager.what ?? manager.name}${place === '.' ? '' : ', in a workspace'}`;
  const project = join(work, what.replaceAll(/[ ,]+/g, '-'));
  layOut(project, place, manager, tarball);
  const traps = decoys(join(project, 'decoys'));
  const env = {
    ...process.env,
    PATH: [traps.folder, nodeFolder(tools, manager.node), process.env.PATH].join(delimiter),
    npm_config_registry: registry,
    npm_config_script_shell: traps.shell,
    npm_config_store_dir: join(work, 'pnpm-store'),
    YARN_NPM_REGISTRY_SERVER: registry,
    ...(manager.name === 'yarn-1' ? { YARN_CACHE_FOLDER: join(work, 'yarn-cache') } : {}),
  };
  const bin = binOf(tools, manager.name, manager.bin);
  const began = performance.now();
  for (const kind of ['fresh', 'locked']) {
    for (const folder of installedIn(project)) rmSync(folder, { recursive: true });
    try {
      capture('node', [bin, ...manager[kind]], { cwd: project, env });
    } catch (error) {
      throw new Error(`${what}, ${kind}: ${traps.sprung() || 'no script ran'}\n${error.message}`);
    }
    assert.equal(traps.sprung(), '', `${what}, ${kind}: installing heed was to run no script`);
    const lockfile = readFileSync(join(project, manager.lockfile), 'utf8');
    assert.doesNotMatch(lockfile, /hasInstallScript|requiresBuild/, `${what} was to lock no install script`);
    const args = manager.run ? [bin, ...manager.run, 'program.cjs'] : ['program.cjs'];
    const { stdout } = capture('node', args, { cwd: join(project, place), env });
    assert.equal(stdout, 'works\n', `${what}, ${kind}: heed was to work`);
  }
  console.log(`${what}: ran no script, ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

function layOut(project, place, { files = {} }, tarball) {
  mkdirSync(join(project, place), { recursive: true });
  const dependencies = { heed: `file:${tarball}` };
  const root = { name: 'project', version: '1.0.0', private: true, workspaces: ['packages/*'] };
  if (place === '.') Object.assign(root, { dependencies });
  else writeJson(join(project, place, 'package.json'), { name: 'member', version: '1.0.0', dependencies });
  writeJson(join(project, 'package.json'), root);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(project, file), text);
  writeFileSync(join(project, place, 'program.cjs'), program);
}

function writeJson(file, value) {
  writeFileSync(file, `${JSON.stringify(value, undefined, 2)}\n`);
}

/** What an installation leaves in the project, its lockfile aside. */
function installedIn(project) {
  const places = ['.', 'packages/member'].map((place) => join(project, place, 'node_modules'));
  const yarns = readdirSync(project)
    .filter((file) => /^\.(yarn|pnp\..*)$/.test(file))
    .map((file) => join(project, file));
  return [...places, ...yarns].filter((folder) => existsSync(folder));
}
