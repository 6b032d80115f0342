/** The addon of a prebuilt package: its compilation and its requirements. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { compareVersions, makeOldGlibc } from './old-glibc.mjs';
import { output, run } from './run.mjs';

/** The oldest glibc that a prebuilt addon and Node itself support: that of Red Hat 8 and Debian 10. */
const newestGlibc = [2, 28];
/** The unwinder of the same systems; the addon uses that of the machine. */
const newestUnwinder = [7, 0, 0];
const maximumBytes = 50_000_000;

/** Machine code for known architectures, and PTX, which drivers compile for later ones. */
const architectures = '80-real;86-real;89-real;90-real;100-real;120-real;90-virtual';

/** Compiles the addon of a checkout, strips it, and returns its path. */
export function buildAddon(checkout, { cuda }, folder) {
  mkdirSync(folder, { recursive: true });
  const switches = cuda
    ? ['-DHEED_CUDA=ON', `-DCMAKE_CUDA_ARCHITECTURES=${architectures}`]
    : ['-DHEED_CUDA=OFF'];
  // Omits unused functions: parts of the C++ library would require a later glibc.
  const linker = '-DCMAKE_MODULE_LINKER_FLAGS=-Wl,--gc-sections';
  const glibc = join(folder, 'old-glibc');
  makeOldGlibc(glibc, newestGlibc);
  const options = ['-DCMAKE_BUILD_TYPE=Release', '-DHEED_WERROR=ON', `-DHEED_OLD_GLIBC=${glibc}`, linker];
  run('cmake', ['-S', checkout, '-B', folder, ...options, ...switches]);
  const began = performance.now();
  run('cmake', ['--build', folder, '--parallel', String(availableParallelism()), '--target', 'heed']);
  const addon = join(folder, 'heed.node');
  const whole = statSync(addon).size;
  run('strip', ['--strip-unneeded', addon]);
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  console.log(`built in ${seconds} s: ${whole} bytes, ${statSync(addon).size} stripped`);
  return addon;
}

/**
 * Fails if the addon would not load on a machine that the package is for, or would conflict with other
 * libraries there.
 */
export function checkAddon(addon, { name, cuda }) {
  const { size } = statSync(addon);
  assert(size <= maximumBytes, `${name}: the addon has ${size} bytes, more than ${maximumBytes}`);

  const needed = matches(output('readelf', ['--dynamic', '--wide', addon]), /\(NEEDED\).*\[(.+)\]/g);
  const strangers = needed.filter((library) => !/^(lib(c|m|dl|rt|pthread|gcc_s)\.so|ld-linux)/.test(library));
  assert.deepEqual(strangers, [], `${name}: the addon needs libraries that a machine may not have`);

  const symbols = output('readelf', ['--dyn-syms', '--wide', addon]).split('\n').slice(3);
  const exported = symbols
    .map((line) => line.trim().split(/\s+/))
    .filter(
      ([, , , , binding, visibility, section, symbol]) =>
        symbol && section !== 'UND' && binding !== 'LOCAL' && visibility,
    )
    .map((columns) => columns[7].replace(/@.*/, ''));
  assert.deepEqual(
    exported.sort(),
    ['napi_register_module_v1', 'node_api_module_get_api_version_v1'],
    `${name}: the addon shows more than Node asks for`,
  );

  // Symbols of Node's interface have no version; any other symbol without a version belongs to no known
  // library.
  const unknown = symbols
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , , binding, , section]) => section === 'UND' && binding === 'GLOBAL')
    .map((columns) => columns[7])
    .filter((symbol) => !/@|^(napi|node_api)_/.test(symbol));
  assert.deepEqual(
    unknown,
    [],
    `${name}: the addon needs functions that glibc ${newestGlibc.join('.')} does not have`,
  );

  const versions = output('readelf', ['--version-info', '--wide', addon]);
  const glibc = newestOf(matches(versions, /GLIBC_(\d[\d.]*)/g));
  const unwinder = newestOf(matches(versions, /GCC_(\d[\d.]*)/g));
  assert(
    compareVersions(glibc, newestGlibc) <= 0,
    `${name}: the addon needs glibc ${glibc.join('.')}, newer than ${newestGlibc.join('.')}`,
  );
  assert(
    compareVersions(unwinder, newestUnwinder) <= 0,
    `${name}: the addon needs libgcc ${unwinder.join('.')}, newer than ${newestUnwinder.join('.')}`,
  );

  // Kernels have their own section; this checks that the addon is the right one of the two.
  const hasKernels = readFileSync(addon).includes('.nv_fatbin');
  assert.equal(hasKernels, cuda, `${name}: the addon was to have ${cuda ? '' : 'no '}kernels for GPUs`);
  console.log(`${name}: ${size} bytes, needs ${needed.join(', ')} and glibc ${glibc.join('.')}`);
}

function newestOf(versions) {
  return versions
    .map((version) => version.split('.').map(Number))
    .sort(compareVersions)
    .at(-1);
}

function matches(text, pattern) {
  return [...text.matchAll(pattern)].map((match) => match[1]);
}
