/**
 * npm run bench:charts: redraws the charts of results next to their JSON: of all files in bench/results, or
 * of the named files. It is the only tool that draws runs of bench/gpu/run, because machines with GPUs often
 * lack Node.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { charts } from './report/charts.mjs';
import { gpuCharts } from './report/gpu-charts.mjs';

function allResults() {
  const folder = join(dirname(fileURLToPath(import.meta.url)), 'results');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => join(folder, name));
}

const named = process.argv.slice(2);
for (const file of named.length > 0 ? named : allResults()) {
  const results = JSON.parse(readFileSync(file, 'utf8'));
  const drawn = results.kind === 'gpu' ? gpuCharts(results) : charts(results);
  for (const [chart, drawing] of Object.entries(drawn))
    writeFileSync(file.replace(/\.json$/, `-${chart}.svg`), drawing);
  console.log(`${file}: ${Object.keys(drawn).join(', ') || 'nothing to draw'}`);
}
