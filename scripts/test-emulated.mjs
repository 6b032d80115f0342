// Runs the tests of the cuda backend on an emulated GPU: its own, and those that all backends share. `node
// scripts/test-emulated.mjs FILES` runs only these files. `npm run test:emulated` builds first.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const everything = [
  'dist/test/backends/cuda/*.test.js',
  'dist/test/attention/*.test.js',
  'dist/test/bench/gpu.test.js',
  'dist/test/fuzz/*.test.js',
  'dist/test/key-value-cache/{attention,float8,pool,pool-state-machine,save,state-machine,sharing}.test.js',
  'dist/test/multi-head-attention/{cache,forward,kept-context,many-sequences,rotary}.test.js',
  'dist/test/onnx/{attention,conformance}.test.js',
  'dist/test/onnx/microsoft/operators.test.js',
  'dist/test/projection/{project,rotation}.test.js',
  'dist/test/{embedding,norm,pooling,sampling}/*.test.js',
  'dist/test/properties/{any-batch,invariants,same-bits}.test.js',
  'dist/test/sync.test.js',
];
const given = process.argv.slice(2);

const { status, error } = spawnSync(
  process.execPath,
  [join(root, 'node_modules', 'mocha', 'bin', 'mocha.js'), ...(given.length > 0 ? given : everything)],
  { cwd: root, env: { ...process.env, HEED_BACKEND: 'cuda-emulator' }, stdio: 'inherit' },
);
if (error) console.error(`test-emulated: ${error.message}`);
process.exit(status ?? 1);
