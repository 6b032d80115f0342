/** npm run bench: heed against all other contenders. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
// biome-ignore lint/correctness/noUndeclaredDependencies: one of heed's own, next to which this is compiled
import { Command, InvalidArgumentError } from 'commander';
import { Progress } from '../lib/cli/progress.js';
import { describeHeed, describeMachine } from './machine.js';
import { peerVersions } from './peers/packages.js';
import { runBatch } from './processes.js';
import { report } from './report/report.js';
import { saveResults } from './report/save.js';
import type { Results, RowResult } from './results.js';
import type { GridResult } from './studies/grid.js';
import type { GrowthResult } from './studies/growth.js';
import { allTasks, batches, stepsOf } from './tasks.js';

interface Options {
  readonly filter: string;
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

const tasksNamed = (part: string) => allTasks.filter(({ name }) => name.includes(part));

function partOfName(text: string): string {
  if (tasksNamed(text).length > 0) return text;
  throw new InvalidArgumentError(`Expected a part of a name of some work, received '${text}'`);
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}

async function measure({ filter, threads, seed }: Options) {
  const work = batches(tasksNamed(filter), threads);
  const rows: RowResult[] = [];
  const absent = new Set<string>();
  const growth: GrowthResult[] = [];
  const grid: GridResult[] = [];
  using progress = new Progress(work.reduce((sum, batch) => sum + stepsOf(batch), 0));
  for (const batch of work) {
    const ended = runBatch(batch, seed, (message) => {
      if (message.kind === 'row') rows.push(message.result);
      else if (message.kind === 'absent') absent.add(message.name);
      else if (message.kind === 'growth') growth.push(message.result);
      else if (message.kind === 'grid') grid.push(message.result);
      else if (process.stderr.isTTY) progress.begin(message.label);
      else console.error(`${batch.threads} × ${message.label}`);
    });
    // Keeps the measurements so far.
    await ended.catch((error: Error) => fail(error.message));
  }
  const order = allTasks.map(({ name }) => name);
  rows.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name) || a.threads - b.threads);
  return { rows, absent: [...absent], growth, grid };
}

async function main(options: Options): Promise<void> {
  // Reads it before an hour of measuring, so that an error shows early.
  const older =
    options.compare === undefined
      ? undefined
      : (JSON.parse(readFileSync(resolve(options.compare), 'utf8')) as Results);
  const results: Results = {
    heed: describeHeed(),
    date: new Date().toISOString(),
    command: ['npm run bench --', ...process.argv.slice(2)].join(' '),
    seed: options.seed,
    machine: describeMachine(options.threads),
    peers: peerVersions(),
    ...(await measure(options)),
  };
  console.log(report(results, older));
  console.log(`\nKept in ${await saveResults(results)}`);
  if (results.rows.some((row) => row.opponents.some(({ agrees }) => !agrees))) {
    fail('Some results do not agree.');
  }
}

new Command('npm run bench --')
  .description('Measures heed against onnxruntime and others, call by call in turn.')
  .option('--filter <text>', 'only what has it in its name', partOfName, '')
  .option('--threads <counts>', 'how many threads everybody has', threadCounts, [1, 2])
  .option('--seed <text>', 'what random inputs are drawn from', randomBytes(4).toString('hex'))
  .option('--compare <file>', 'an earlier JSON file, to see each row beside')
  .action(main)
  .parseAsync();
