/** Follows docs/guides/deploying.md from top to bottom, as a reader would. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root, run } from '../package/run.mjs';
import { expectBackend } from './expect.mjs';

const { commandsOf, readDocument } = createRequire(import.meta.url)(
  join(root, 'dist/test/documentation/markdown.js'),
);

/** A command that runs the program, or a bundle of it. */
const runsProgram = /(^|\s)(node (--\S+ )*(out\/\S+\.[mc]js|program\.mjs)|\.\/out\/\S+)$/;

const { blocks } = readDocument(join(root, 'docs', 'guides', 'deploying.md'));

/** The content that the guide shows under this file name. */
export function guideFile(name) {
  return blocks.find(({ file }) => file === name).code;
}

export function followGuide(project) {
  let programs = 0;
  for (const { language, file, code, line } of blocks) {
    if (language === 'js') {
      assert(file, `line ${line} of the guide: a block without a name is of no use`);
      writeFileSync(join(project, file), code);
    } else if (language === 'sh') {
      for (const command of commandsOf(code)) {
        if (runsProgram.test(command)) {
          expectBackend('cpu', `line ${line} of the guide`, command, { cwd: project });
          programs++;
        } else run('sh', ['-euc', command], { cwd: project });
      }
    } else assert.equal(language, 'dockerfile', `line ${line} of the guide: nothing checks it`);
  }
  assert(programs >= 8, `the guide was to run programs, and ran ${programs}`);
}
