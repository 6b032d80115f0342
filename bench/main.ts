/** npm run bench: heed against everybody else. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
// biome-ignore lint/correctness/noUndeclaredDependencies: one of heed's own, next to which this is compiled
import { Command, InvalidArgumentError } from 'commander';
import { Progress } from '../lib/cli/progress.js';
import { packageRoot } from '../lib/package-root.js';
import { describeMachine } from './machine.js';
import { peerVersions } from './peers/packages.js';
import { batches, runBatch } from './processes.js';
import { table } from './report/table.js';
import type { Results, RowResult } from './results.js';
import { allRows } from './rows/all.js';

interface Options {
  readonly filter?: string;
  readonly threads: readonly number[];
  readonly seed: string;
  readonly compare?: string;
}

function threadCounts(text: string): number[] {
  const counts = text.split(',').map(Number);
  if (!counts.every((count) => Number.isInteger(count) && count > 0)) {
    throw new InvalidArgumentError(`Expected numbers of threads such as 1,2, received '${text}'`);
  }
  return counts;
}

async function measure({ filter, threads, seed }: Options): Promise<RowResult[]> {
  const rows = allRows.filter(({ name }) => filter === undefined || name.includes(filter));
  const work = batches(rows, threads);
  const results: RowResult[] = [];
  using progress = new Progress(work.flatMap((batch) => batch.rows).length);
  for (const batch of work) {
    await runBatch(batch, seed, (message) => {
      if (message.kind === 'begin') progress.begin(message.label);
      if (message.kind === 'row') results.push(message.result);
    });
  }
  return results;
}

async function main(options: Options): Promise<void> {
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  const results: Results = {
    heed: version,
    date: new Date().toISOString(),
    command: ['npm run bench --', ...process.argv.slice(2)].join(' '),
    seed: options.seed,
    machine: describeMachine(),
    peers: peerVersions(),
    rows: await measure(options),
  };
  const folder = join(packageRoot, 'bench/results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${results.date.slice(0, 16).replaceAll(':', '')}.json`);
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
  const older =
    options.compare === undefined
      ? undefined
      : (JSON.parse(readFileSync(options.compare, 'utf8')) as Results);
  console.log(table(results, older));
  console.log(`\n${file}`);
  if (results.rows.some((row) => row.opponents.some(({ agrees }) => !agrees))) process.exitCode = 1;
}

new Command('npm run bench --')
  .description('Measures heed against onnxruntime and others, call by call in turn.')
  .option('--filter <text>', 'only rows whose name contains it')
  .option('--threads <counts>', 'how many threads everybody has', threadCounts, [1, 2])
  .option('--seed <text>', 'what random inputs are drawn from', randomBytes(4).toString('hex'))
  .option('--compare <file>', 'an earlier JSON file, to see each row beside')
  .action(main)
  .parseAsync();
