/**
 * Checks which files may and must be in the tarball, and that every source map in it contains its sources.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from './run.mjs';

const allowed = [
  /^(package\.json|README\.md|CHANGELOG\.md|LICENSE|CMakeLists\.txt)$/,
  /^dist\/binding\.gyp$/,
  /^dist\/lib\/[a-z0-9/-]+\.(js|mjs|d\.ts|d\.mts|js\.map|mjs\.map)$/,
  /^lib\/demo\/page\/[a-z/-]+\.(html|css)$/,
  /^native\/sources\.json$/,
  /^native\/node-gyp\/include\/node\/common\.gypi$/,
  /^native\/addon\/exports\.map$/,
  /^native\/cuda\/(CMakeLists\.txt|choice\.cmake)$/,
  /^native\/(addon|core|cpu|cuda)\/[a-z0-9_/-]+\.(cc|cuh?|h|inc)$/,
  /^examples\/(attention\.txt|heads\.safetensors)$/,
  /^examples\/language-model\/(config\.json|model\.safetensors|tokenizer\.json)$/,
];

const required = [
  'LICENSE',
  'README.md',
  'CMakeLists.txt',
  'dist/binding.gyp',
  'native/sources.json',
  'examples/attention.txt',
  'examples/heads.safetensors',
  'examples/language-model/model.safetensors',
  'dist/lib/index.js',
  'dist/lib/index.mjs',
  'dist/lib/index.d.ts',
  'dist/lib/index.d.mts',
  'dist/lib/cli/main.js',
];

/** The small compressed package is a promise of heed; raise this limit only deliberately. */
const maximumBytes = 2_250_000;

export function checkContents(packed, tarball, work) {
  const paths = packed.files.map((file) => file.path);
  const strangers = paths.filter((path) => !allowed.some((pattern) => pattern.test(path)));
  assert.deepEqual(strangers, [], 'the package contains files that it should not');
  for (const path of required) assert(paths.includes(path), `the package lacks ${path}`);
  assert(packed.size <= maximumBytes, `the package has ${packed.size} bytes, more than ${maximumBytes}`);

  const folder = join(work, 'unpacked');
  mkdirSync(folder);
  run('tar', ['-xzf', tarball, '-C', folder, '--strip-components=1']);
  for (const path of paths.filter((each) => /\.m?js$/.test(each))) {
    const map = /^\/\/# sourceMappingURL=(.+)$/m.exec(readFileSync(join(folder, path), 'utf8'))?.[1];
    if (map === undefined) continue;
    assert(existsSync(join(folder, dirname(path), map)), `${path} names ${map}, which is not in the package`);
  }
  for (const path of paths.filter((each) => each.endsWith('js.map'))) {
    const { sources, sourcesContent } = JSON.parse(readFileSync(join(folder, path), 'utf8'));
    assert(
      sources.every((_, i) => typeof sourcesContent?.[i] === 'string'),
      `${path} points to sources that are not in the package`,
    );
  }
  console.log(`\n${paths.length} files, ${packed.size} bytes packed, ${packed.unpackedSize} unpacked`);
}
