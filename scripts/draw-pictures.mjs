/**
 * Draws the pictures of the documents. Their numbers are computed by heed as it is built here, on the
 * reference. `--check` compares instead, so that no picture outlives what it shows.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { architecture } from './pictures/architecture.mjs';
import { fused } from './pictures/fused.mjs';
import { lookup } from './pictures/lookup.mjs';
import { masks } from './pictures/masks.mjs';
import { matrices } from './pictures/matrices.mjs';
import { multiHead } from './pictures/multi-head.mjs';
import { sequences } from './pictures/sequences.mjs';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', 'docs', 'images');
const pictures = { architecture, fused, lookup, masks, matrices, 'multi-head': multiHead, sequences };

let outdated = 0;
for (const [name, draw] of Object.entries(pictures)) {
  const path = join(folder, `${name}.svg`);
  if (!process.argv.includes('--check')) {
    writeFileSync(path, draw());
  } else if (readFileSync(path, 'utf8') !== draw()) {
    console.error(`docs/images/${name}.svg is not what npm run pictures draws`);
    outdated++;
  }
}
process.exitCode = outdated === 0 ? 0 : 1;
