/**
 * Compiles users' programs against the declarations without skipping any, with the oldest supported
 * TypeScript up to the newest.
 */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './run.mjs';
import { binOf } from './tools.mjs';

/** All entry points. */
const program = `
import { attention, KeyValueCache, MultiHeadAttention, Tensor } from 'heed';
import { loadModel } from 'heed/models';
import { attention as onnxAttention } from 'heed/onnx';
import { open, save } from 'heed/safetensors';
import { Engine, type ServedModel } from 'heed/serving';
const x = new Tensor(new Float32Array(16), [1, 1, 2, 8]);
export const output: Promise<Tensor> = attention(x, x, x, { causal: true });
export const serve = (model: ServedModel): Engine => new Engine(model, { pages: 1 });
export { KeyValueCache, loadModel, MultiHeadAttention, onnxAttention, open, save };
`;

const strict = ['--strict', '--skipLibCheck', 'false', '--target', 'es2022'];
const nodeTypes = ['--types', 'node', '--typeRoots', join(root, 'node_modules', '@types')];

/** Module resolutions, their purpose and names. */
const resolutions = [
  { module: 'commonjs', resolution: 'node10', files: ['bare.ts'] },
  { module: 'node16', resolution: 'node16', files: ['bare.ts', 'bare.mts', 'bare.cts'] },
  { module: 'esnext', resolution: 'bundler', files: ['bare.ts'] },
];

/** Leaves the compiled consumers in the project. */
export function checkTypes(project, tools) {
  const fixtures = join(root, 'test', 'fixtures', 'consumer');
  const consumers = ['consumer.mts', 'consumer.cts'];
  for (const file of consumers) cpSync(join(fixtures, file), join(project, file));
  const own = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  for (const module of ['nodenext', 'node20']) {
    const kind = ['--module', module, '--moduleResolution', 'nodenext', '--rootDir', '.'];
    run(process.execPath, [own, ...strict, ...kind, ...nodeTypes, ...consumers], { cwd: project });
  }

  const folder = join(project, 'types');
  mkdirSync(folder);
  for (const file of ['bare.ts', 'bare.mts', 'bare.cts']) writeFileSync(join(folder, file), program);
  const compilers = [
    { tsc: binOf(tools, 'typescript-oldest', 'tsc'), knows: ['node10', 'node16', 'bundler'] },
    { tsc: binOf(tools, 'typescript-newest', 'tsc'), knows: ['node16', 'bundler'] },
  ];
  for (const { tsc, knows } of compilers) {
    for (const { module, resolution, files } of resolutions) {
      if (!knows.includes(resolution)) continue;
      const kind = ['--module', module, '--moduleResolution', resolution];
      const bare = ['--noEmit', '--lib', 'es2022,dom'];
      run(process.execPath, [tsc, ...strict, ...kind, ...bare, ...files], { cwd: folder });
    }
    const kind = ['--module', 'node16', '--moduleResolution', 'node16', '--noEmit', '--lib', 'es2022'];
    run(process.execPath, [tsc, ...strict, ...kind, ...nodeTypes, 'bare.mts', 'bare.cts'], { cwd: folder });
  }
}
