/**
 * Installs the package with every package manager, as a new user and as CI with a lockfile; checks that none
 * of its scripts ran, although the manager was allowed to run some, and uses it there.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
 * How to install the dependencies of package.json: first without a lockfile, then with the lockfile that this
 * created. `node` is the Node version that the manager needs, if it differs from the one that runs this.
 */
const managers = [
  npm('9'),
  npm('10'),
  npm('11'),
  npm('12', { node: 'newest' }),
  {
    name: 'pnpm-10',
    bin: 'pnpm',
    lockfile: 'pnpm-lock.yaml',
    fresh: ['install', '--no-frozen-lockfile'],
    locked: ['install', '--frozen-lockfile'],
    // A manager that runs no scripts would prove nothing.
    files: { 'pnpm-workspace.yaml': 'packages: [member]\ndangerouslyAllowAllBuilds: true\n' },
  },
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

function berry(linker) {
  return {
    name: 'yarn-4',
    what: `yarn-4 with ${linker}`,
    bin: 'yarn',
    lockfile: 'yarn.lock',
    fresh: ['install', '--no-immutable'],
    locked: ['install', '--immutable'],
    files: {
      '.yarnrc.yml': `nodeLinker: ${linker}\nenableScripts: true\nenableTelemetry: false\n`,
      // Without a lockfile, Yarn would take a parent folder for the project.
      'yarn.lock': '',
    },
    pnp: linker === 'pnp',
  };
}

/**
 * Every project is a workspace whose root and member both depend on heed. A second package, which builds
 * during installation, proves that scripts would have been run and detected.
 */
export function checkManagers(tarball, tools, work) {
  const registry = output('npm', ['config', 'get', 'registry']).trim();
  const builder = packBuilder(work);
  const failures = [];
  for (const manager of managers) {
    const began = performance.now();
    try {
      expectScript(new Project(manager, { tools, work, registry }, 'builder', builder));
      expectNoScript(new Project(manager, { tools, work, registry }, 'heed', tarball));
    } catch (error) {
      failures.push(error.message);
      continue;
    }
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(`${manager.what ?? manager.name}: installs heed without running a script (${seconds} s)`);
  }
  assert.equal(failures.length, 0, failures.join('\n\n'));
}

function expectScript(project) {
  const { sprung, error } = project.install('fresh');
  const said = error?.message ?? '';
  assert.match(sprung, /\S/, `${project.what} was to run the script of a package that has one\n${said}`);
}

function expectNoScript(project) {
  for (const kind of ['fresh', 'locked']) {
    const { sprung, error } = project.install(kind);
    assert.equal(sprung, '', `${project.what}, ${kind}: installing heed was to run no script`);
    assert.equal(error, undefined, `${project.what}, ${kind}: ${error?.message}`);
    assert.doesNotMatch(
      project.lockfile(),
      /hasInstallScript|requiresBuild/,
      `${project.what} locked a script`,
    );
    for (const place of places) {
      assert.equal(
        project.runProgram(place),
        'works\n',
        `${project.what}, ${kind}: heed was to work in ${place}`,
      );
    }
  }
}

/** A package that is built during installation. */
function packBuilder(work) {
  const folder = join(work, 'builder');
  mkdirSync(folder);
  writeJson(join(folder, 'package.json'), { name: 'builder', version: '1.0.0', scripts: { install: 'c++' } });
  output('npm', ['pack', '--silent', '--pack-destination', work], { cwd: folder });
  return join(work, 'builder-1.0.0.tgz');
}

/** The root of the workspace and its member. */
const places = ['.', 'member'];

/** The files that an installation creates, except the lockfile. */
const installed = ['node_modules', 'member/node_modules', '.yarn', '.pnp.cjs', '.pnp.loader.mjs'];

class Project {
  #folder;
  #manager;
  #bin;
  #traps;
  #env;

  constructor(manager, { tools, work, registry }, dependency, tarball) {
    this.what = manager.what ?? manager.name;
    this.#manager = manager;
    this.#bin = binOf(tools, manager.name, manager.bin);
    this.#folder = join(work, `${this.what.replaceAll(' ', '-')}-${dependency}`);
    this.#layOut(dependency, tarball);
    this.#traps = decoys(join(this.#folder, 'decoys'));
    this.#env = {
      ...process.env,
      PATH: [this.#traps.folder, nodeFolder(tools, manager.node), process.env.PATH].join(delimiter),
      npm_config_registry: registry,
      npm_config_script_shell: this.#traps.shell,
      npm_config_store_dir: join(work, 'pnpm-store'),
      YARN_NPM_REGISTRY_SERVER: registry,
      YARN_GLOBAL_FOLDER: join(work, 'yarn-4'),
      // Both Yarn versions read this variable; Yarn 1 keeps data there that several projects share.
      ...(manager.name === 'yarn-1' && { YARN_CACHE_FOLDER: join(work, 'yarn-1') }),
    };
  }

  #layOut(dependency, tarball) {
    const dependencies = { [dependency]: `file:${tarball}` };
    const manifest = { version: '1.0.0', private: true, dependencies };
    for (const place of places) {
      const folder = join(this.#folder, place);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'program.cjs'), program);
    }
    writeJson(join(this.#folder, 'package.json'), { name: 'project', workspaces: ['member'], ...manifest });
    writeJson(join(this.#folder, 'member', 'package.json'), { name: 'member', ...manifest });
    for (const [file, text] of Object.entries(this.#manager.files ?? {})) {
      writeFileSync(join(this.#folder, file), text);
    }
  }

  /** Installs from only the files that the project's author commits. */
  install(kind) {
    for (const left of installed) rmSync(join(this.#folder, left), { recursive: true, force: true });
    let error;
    try {
      capture('node', [this.#bin, ...this.#manager[kind]], { cwd: this.#folder, env: this.#env });
    } catch (thrown) {
      error = thrown;
    }
    return { sprung: this.#traps.sprung(), error };
  }

  lockfile() {
    return readFileSync(join(this.#folder, this.#manager.lockfile), 'utf8');
  }

  runProgram(place) {
    const args = [...(this.#manager.pnp ? [this.#bin, 'node'] : []), 'program.cjs'];
    return capture('node', args, { cwd: join(this.#folder, place), env: this.#env }).stdout;
  }
}

function writeJson(file, value) {
  writeFileSync(file, `${JSON.stringify(value, undefined, 2)}\n`);
}
