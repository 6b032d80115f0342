/** A project with heed and bundlers installed. */
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { output, root, run } from '../package/run.mjs';

const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts'];

/** Packs the compiled files as they are; scripts/check-package.mjs checks how the package is compiled. */
export function installHeed(project, work) {
  const packArguments = ['pack', '--json', '--ignore-scripts', '--pack-destination', work];
  const [{ filename }] = JSON.parse(output('npm', packArguments));
  run('npm', ['install', '--no-save', ...quiet, join(work, filename)], { cwd: project });
  const built = join('build', 'Release', 'heed.node');
  cpSync(join(root, built), join(project, 'node_modules', 'heed', built));
}

export function makeProject(work) {
  const project = join(work, 'project');
  mkdirSync(project);
  for (const file of ['package.json', 'package-lock.json', '.npmrc']) {
    cpSync(join(root, 'scripts', 'bundles', file), join(project, file));
  }
  run('npm', ['ci', ...quiet], { cwd: project });
  installHeed(project, work);
  return project;
}

/** Moves the addon into a separate package, as in a release. */
export function usePrebuiltAddon(project) {
  const heed = join(project, 'node_modules', 'heed');
  const { version } = JSON.parse(readFileSync(join(heed, 'package.json'), 'utf8'));
  const name = `heed-${process.platform}-${process.arch}`;
  const prebuilt = join(project, 'node_modules', name);
  mkdirSync(prebuilt);
  renameSync(join(heed, 'build', 'Release', 'heed.node'), join(prebuilt, 'heed.node'));
  rmSync(join(heed, 'build'), { recursive: true });
  writeFileSync(join(prebuilt, 'package.json'), JSON.stringify({ name, version }));
}
