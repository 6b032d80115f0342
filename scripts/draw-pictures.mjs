/**
 * Draws the pictures of the documents. heed as built here computes their numbers on the reference backend.
 * `--check` compares instead, so that the pictures stay up to date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { architecture } from './pictures/architecture.mjs';
import { caches } from './pictures/caches.mjs';
import { cudaAppend } from './pictures/cuda-append.mjs';
import { cudaDecode } from './pictures/cuda-decode.mjs';
import { cudaForward } from './pictures/cuda-forward.mjs';
import { cudaProjection } from './pictures/cuda-projection.mjs';
import { cudaRows } from './pictures/cuda-rows.mjs';
import { cudaStaging } from './pictures/cuda-staging.mjs';
import { fused } from './pictures/fused.mjs';
import { heads } from './pictures/heads.mjs';
import { lookup } from './pictures/lookup.mjs';
import { masks } from './pictures/masks.mjs';
import { matrices } from './pictures/matrices.mjs';
import { multiHead } from './pictures/multi-head.mjs';
import { rotary } from './pictures/rotary.mjs';
import { scores } from './pictures/scores.mjs';
import { selections } from './pictures/selections.mjs';
import { sequences } from './pictures/sequences.mjs';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', 'docs', 'images');
const pictures = {
  architecture,
  caches,
  'cuda-append': cudaAppend,
  'cuda-decode': cudaDecode,
  'cuda-forward': cudaForward,
  'cuda-projection': cudaProjection,
  'cuda-rows': cudaRows,
  'cuda-staging': cudaStaging,
  fused,
  heads,
  lookup,
  masks,
  matrices,
  'multi-head': multiHead,
  rotary,
  scores,
  selections,
  sequences,
};

// Draws identical pictures on every machine.
process.env.HEED_BACKEND = 'reference';

let outdated = 0;
for (const [name, draw] of Object.entries(pictures)) {
  const path = join(folder, `${name}.svg`);
  const drawn = await draw();
  if (!process.argv.includes('--check')) {
    writeFileSync(path, drawn);
  } else if (readFileSync(path, 'utf8') !== drawn) {
    console.error(`docs/images/${name}.svg is not what npm run pictures draws`);
    outdated++;
  }
}
process.exitCode = outdated === 0 ? 0 : 1;
