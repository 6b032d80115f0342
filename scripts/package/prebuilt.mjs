/** The packages of a release. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { output } from './run.mjs';

export const variants = [
  { name: 'heed-linux-x64', cuda: false, what: 'for machines without a GPU' },
  {
    name: 'heed-linux-x64-cuda',
    cuda: true,
    what: 'with kernels for NVIDIA GPUs; it runs on machines without one, too',
  },
];

function manifestOf(checkout) {
  return JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
}

function pack(folder, work) {
  const [packed] = JSON.parse(
    output('npm', ['pack', '--json', '--foreground-scripts=false', '--pack-destination', work], {
      cwd: folder,
    }),
  );
  console.log(`${packed.filename}: ${packed.files.length} files, ${packed.size} bytes packed`);
  return join(work, packed.filename);
}

export function packAddon(checkout, { name, what }, addon, work) {
  const folder = join(work, `package-${name}`);
  const { version, license, author } = manifestOf(checkout);
  mkdirSync(folder);
  cpSync(addon, join(folder, 'heed.node'));
  cpSync(join(checkout, 'LICENSE'), join(folder, 'LICENSE'));
  const description = `The native addon of heed, built for Linux on x64 with glibc, ${what}`;
  writeFileSync(
    join(folder, 'README.md'),
    `# ${name}\n\n${description}. heed installs and loads it by itself.\n`,
  );
  const manifest = {
    name,
    version,
    description,
    license,
    author,
    os: ['linux'],
    cpu: ['x64'],
    libc: ['glibc'],
    files: ['heed.node'],
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  return pack(folder, work);
}

/** Lists the packages, in exactly heed's version, in the checkout from which heed is packed. */
export function nameOptional(checkout, made) {
  const manifest = manifestOf(checkout);
  manifest.optionalDependencies = Object.fromEntries(made.map(({ name }) => [name, manifest.version]));
  writeFileSync(join(checkout, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

export function packHeed(checkout, work) {
  return pack(checkout, work);
}
