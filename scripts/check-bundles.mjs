/**
 * Checks that heed can be deployed: follows docs/guides/deploying.md in a project that has heed installed
 * from its tarball, and bundles heed in ways that the guide advises against. A program must either compute
 * natively and print nothing else, or fail at once with a message that says what to change. Needs the addon
 * of this checkout and the npm registry. With --next it builds with Next.js instead, which takes minutes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { followGuide } from './bundles/guide.mjs';
import { checkNext } from './bundles/next.mjs';
import { makeProject, usePrebuiltAddon } from './bundles/project.mjs';
import { checkPrebuilt, checkUnmarked } from './bundles/unmarked.mjs';

// Users do not have the variables that CI sets.
for (const name of Object.keys(process.env)) if (name.startsWith('HEED_')) delete process.env[name];

const work = mkdtempSync(join(tmpdir(), 'heed-bundles-'));
try {
  if (process.argv.includes('--next')) await checkNext(work);
  else {
    const project = makeProject(work);
    followGuide(project);
    checkUnmarked(project, work);
    usePrebuiltAddon(project);
    checkPrebuilt(project, work);
  }
  console.log('\nheed can be deployed');
} finally {
  rmSync(work, { recursive: true, force: true });
}
