/**
 * npm run bench:document: writes results into docs/performance.md and draws their charts. With a name from
 * bench/results, the document shows that run from now on; without one, it updates the run that it shows.
 * `--check` only compares.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../lib/package-root.js';
import { shownResults, withResults } from './report/document.js';
import { drawCharts, resultsFolder } from './report/save.js';
import type { Results } from './results.js';

const page = join(packageRoot, 'docs', 'performance.md');

async function main(args: readonly string[]): Promise<void> {
  const document = readFileSync(page, 'utf8');
  const name = args.find((argument) => !argument.startsWith('-')) ?? shownResults(document);
  const results = JSON.parse(readFileSync(join(resultsFolder, `${name}.json`), 'utf8')) as Results;
  const files: [string, string][] = [
    [page, withResults(document, name, results)],
    ...Object.entries(await drawCharts(results)).map(([chart, drawing]): [string, string] => [
      join(resultsFolder, `${name}-${chart}.svg`),
      drawing,
    ]),
  ];
  for (const [file, content] of files) {
    if (!args.includes('--check')) {
      writeFileSync(file, content);
    } else if (readFileSync(file, 'utf8') !== content) {
      console.error(`${file} is not what npm run bench:document writes`);
      process.exitCode = 1;
    }
  }
}

void main(process.argv.slice(2));
