/**
 * Shell commands of the documentation that the documentation tests do not run, because a step of `.ci/run`
 * does or because a test may not, each with the reason.
 */
export const commandsRunElsewhere: ReadonlyMap<string, { step?: string; because: string }> = new Map([
  ['npm start', { step: 'main-job', because: 'sets up the checkout that the tests stand in' }],
  ['npm test', { step: 'tests', because: 'would run itself' }],
  ['npm run build', { step: 'tests', because: 'replaces the addon under the tests' }],
  ['npm run watch', { because: 'runs until it is stopped' }],
  ['npm run lint', { step: 'tidy', because: 'takes minutes' }],
  ['npm run lint:typescript', { step: 'lint', because: 'takes long' }],
  ['cmake --preset tidy', { step: 'tidy', because: 'needs CMake' }],
  ['cmake --preset native-tests', { step: 'instruction-sets', because: 'needs doctest' }],
  ['cmake --build --preset native-tests', { step: 'instruction-sets', because: 'takes minutes' }],
  ["build/native-tests/heed_native_tests --test-case='cast*'", { because: 'needs that build' }],
  ['npm run format', { because: 'changes the sources; npm run lint checks what it would do' }],
  ['npm run types', { step: 'types', because: 'takes long' }],
  ['npm run test:peers', { step: 'peers', because: 'installs what heed is compared with' }],
  ['npm run docs', { step: 'docs', because: 'takes long' }],
  ['npm run pictures', { step: 'docs', because: 'overwrites the pictures that the step compares' }],
  ['scripts/check-instruction-sets.sh', { step: 'instruction-sets', because: 'takes minutes' }],
  ['scripts/check-compilers.sh', { step: 'compilers', because: 'takes minutes' }],
  ['node scripts/sanitize.mjs', { step: 'sanitizers', because: 'takes minutes' }],
  ['node scripts/emulate.mjs', { step: 'emulator', because: 'takes minutes' }],
  ['npm run test:emulated', { step: 'cuda-emulator', because: 'takes minutes' }],
  [
    "node scripts/emulate.mjs --test-case='attention_decode: at the edges of tiles and chunks'",
    { because: 'builds what the step emulator builds' },
  ],
  ["node scripts/emulate.mjs --test-case='cast*'", { because: 'builds what the step emulator builds' }],
  ['node scripts/check-cuda.mjs', { step: 'cuda', because: 'takes minutes' }],
  ['node scripts/check-cuda.mjs --arch sm_90', { because: 'takes minutes' }],
  ['node scripts/check-cuda.mjs --arch compute_80', { because: 'takes minutes' }],
  ['node scripts/check-cuda.mjs --write', { because: 'overwrites what the document says' }],
  ['npm run bench', { because: 'takes a quarter of an hour, of a machine with nothing else to do' }],
  ['npm run bench -- --filter decode', { because: 'installs what heed is measured against' }],
  ['npm run bench -- --threads 1', { because: 'takes minutes' }],
  ['npm run bench -- --compare old.json', { because: 'takes a quarter of an hour' }],
  ['npm run bench:document', { because: 'overwrites the page that test/bench/document.test.ts compares' }],
  ['npm run bench:charts', { because: 'overwrites the charts of measurements' }],
  ['bench/gpu/first', { because: 'needs a GPU, and takes minutes' }],
  ['bench/gpu/first build', { because: 'needs nvcc, and takes minutes' }],
  ['bench/gpu/first --deadline 300 --results FOLDER', { because: 'needs a GPU, and takes minutes' }],
  ['bench/gpu/run', { because: 'needs a GPU, and takes minutes' }],
  ['bench/gpu/run --steps benchmark', { because: 'needs a GPU, and takes minutes' }],
  ['npm run pack:prebuilt -- --cpu', { step: 'package', because: 'takes minutes' }],
  ['npm run check:package', { step: 'package', because: 'takes minutes' }],
  ['npm run check:bundles', { step: 'bundles', because: 'takes a minute or two' }],
  ['.ci/run', { because: 'is what runs the tests' }],
  ['node dist/examples/make-heads.js', { because: 'another test compares the file with what it makes' }],
  ['npm ci --prefix examples/language-model', { step: 'language-model', because: 'installs 300 MB' }],
  ['node dist/examples/language-model/train.js', { step: 'language-model', because: 'takes half an hour' }],
  [
    'node dist/examples/language-model/evaluate.js',
    { step: 'language-model', because: 'measures the machine' },
  ],
  ['npx heed build', { step: 'package', because: 'would replace the addon under the tests' }],
  ['npm install heed', { step: 'package', because: 'the tarball of this checkout is installed there' }],
]);

/** Documents all of whose blocks a step of `.ci/run` runs, with that step. */
export const documentsRunElsewhere: ReadonlyMap<string, string> = new Map([
  ['docs/guides/deploying.md', 'bundles'],
]);
