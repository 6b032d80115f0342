/** Saves results as files: JSON, with charts next to it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../lib/package-root.js';
import type { Results } from '../results.js';

export const resultsFolder = join(packageRoot, 'bench', 'results');

/** More digits than were measured would be noise and make lines long. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(5)) : value;
}

/**
 * Draws charts next to the JSON file, by their suffix. The drawing code is shared with the pictures of the
 * documents.
 */
export async function drawCharts(results: Results): Promise<Record<string, string>> {
  const { charts } = (await import(
    pathToFileURL(join(packageRoot, 'bench', 'report', 'charts.mjs')).href
  )) as {
    charts: (results: Results) => Record<string, string>;
  };
  return charts(results);
}

/** @returns the path of the JSON file */
export async function saveResults(results: Results): Promise<string> {
  mkdirSync(resultsFolder, { recursive: true });
  const name = results.date.slice(0, 16).replace(':', '').replace('T', '-');
  const file = join(resultsFolder, name);
  const kept = JSON.stringify(results, rounded, 1);
  writeFileSync(`${file}.json`, `${kept}\n`);
  for (const [chart, drawing] of Object.entries(await drawCharts(JSON.parse(kept) as Results))) {
    writeFileSync(`${file}-${chart}.svg`, drawing);
  }
  return `${relative(process.cwd(), file)}.json`;
}
