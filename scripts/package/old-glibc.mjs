/**
 * Makes libraries for linking that look like an older glibc: of each function of the machine's glibc, they
 * have the newest version that the older glibc also had. The libraries contain no code; they tell the linker
 * which versions to record, and the machine's glibc has all of its old versions.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { output, run } from './run.mjs';

/** Compares versions such as [2, 2, 5]: negative, zero or positive, for sorting. */
export function compareVersions(a, b) {
  for (let i = 0; i < Math.max(a.length, b.length); ++i) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Fills a folder for the linker's search path with libc and libm of glibc `newest`, such as [2, 28]. */
export function makeOldGlibc(folder, newest) {
  mkdirSync(folder, { recursive: true });
  for (const library of ['libc.so.6', 'libm.so.6']) makeLibrary(folder, library, newest);
  // Like the machine's own: with the statically linked part and the loader.
  const others = `${find('libc_nonshared.a')} AS_NEEDED ( ${find('ld-linux-x86-64.so.2')} )`;
  writeFileSync(join(folder, 'libc.so'), `GROUP ( ${join(folder, 'libc.so.6')} ${others} )\n`);
  writeFileSync(join(folder, 'libm.so'), `GROUP ( ${join(folder, 'libm.so.6')} )\n`);
}

function find(library) {
  const path = output('gcc', [`-print-file-name=${library}`]).trim();
  if (!path.includes('/')) throw new Error(`Expected GCC to know ${library}: apt-get install libc6-dev`);
  return path;
}

function makeLibrary(folder, library, newest) {
  const symbols = symbolsOf(find(library), newest);
  const assembly = [...symbols].map(
    ([name, { type }]) => `.globl ${name}\n.type ${name}, @${type}\n.size ${name}, 1\n${name}: .byte 0\n`,
  );
  const versions = new Map();
  for (const [name, { version }] of symbols) {
    const text = version.join('.');
    versions.set(text, `${versions.get(text) ?? ''} ${name};`);
  }
  const script = [...versions].map(([version, names]) => `GLIBC_${version} { global:${names} };\n`);
  const source = join(folder, `${library}.s`);
  const map = join(folder, `${library}.map`);
  writeFileSync(source, `.data\n${assembly.join('')}.section .note.GNU-stack,"",@progbits\n`);
  writeFileSync(map, script.join(''));
  run('gcc', [
    '-shared',
    '-nostdlib',
    `-Wl,-soname,${library},--version-script=${map}`,
    '-o',
    join(folder, library),
    source,
  ]);
}

/** For each symbol, its type and its newest version that is not newer than `newest`. */
function symbolsOf(path, newest) {
  const symbols = new Map();
  const types = { FUNC: 'function', IFUNC: 'function', OBJECT: 'object' };
  for (const line of output('readelf', ['--dyn-syms', '--wide', path]).split('\n')) {
    const [, , , kind, , , section, symbol] = line.trim().split(/\s+/);
    const [, name, text] = /^(.+?)@@?GLIBC_([\d.]+)$/.exec(symbol ?? '') ?? [];
    if (name === undefined || section === 'UND' || types[kind] === undefined) continue;
    const version = text.split('.').map(Number);
    const known = symbols.get(name);
    if (compareVersions(version, newest) > 0 || (known && compareVersions(known.version, version) > 0))
      continue;
    symbols.set(name, { version, type: types[kind] });
  }
  return symbols;
}
