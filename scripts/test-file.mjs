// Compiles changed sources and runs the named test files: `npm run test:file -- test/tensor/half.test.ts
// --grep NaN`.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import './compile-typescript.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const compiled = (argument) =>
  /^test\/.*\.ts$/.test(argument) ? join('dist', argument.replace(/\.ts$/, '.js')) : argument;

const mocha = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
const args = [mocha, ...process.argv.slice(2).map(compiled)];
const { status, error } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
if (error) console.error(`test-file: ${error.message}`);
process.exit(status ?? 1);
