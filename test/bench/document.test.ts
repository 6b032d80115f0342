/** Tests that docs/performance.md states the measured results. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { shownResults, withResults } from '../../bench/report/document.js';
import { rowTable } from '../../bench/report/table.js';
import type { Results, RowResult } from '../../bench/results.js';
import { timesOf } from '../../bench/statistics.js';
import { packageRoot } from '../../lib/package-root.js';

const row = (threads: number, time: number, peerTime: number): RowResult => ({
  name: 'some work',
  section: 'Attention',
  threads,
  instructionSet: 'avx2',
  times: timesOf([time]),
  limit: {
    work: { limit: 'multiply-adds', operations: 1e9 },
    perSecond: 1e11,
    share: 0.9,
    bestShare: 0.9,
    ...(threads === 1 && { bar: 0.8 }),
  },
  opponents: [
    {
      peer: 'onnxruntime Attention',
      bar: 1.5,
      duel: { heed: timesOf([time]), peer: timesOf([peerTime]), ratio: peerTime / time },
      difference: { absolute: 1e-7, relative: 1e-7 },
      agrees: true,
    },
  ],
});

const results: Results = {
  heed: '1.2.3',
  date: '2026-01-02T03:04:05Z',
  command: 'npm run bench --',
  seed: 'abc',
  machine: {
    processor: 'Some',
    cores: 2,
    caches: { L1: '32K' },
    memoryGiB: 8,
    system: 'linux',
    node: 'v20',
    instructionSet: 'avx2',
    peaks: [{ threads: 1, multiplyAddOperations: 1e11 }],
  },
  peers: { 'onnxruntime-node': '1.0.0' },
  rows: [row(1, 10, 20), row(2, 8, 10)],
  absent: ['what it has no instructions for'],
  growth: [],
  grid: [],
};

const document = 'before\n<!-- results of old -->\nold ones\n<!-- end of results -->\nafter\n';

describe('the document of performance', () => {
  it('names the run that it shows', () => {
    assert.equal(shownResults(document), 'old');
    assert.throws(() => shownResults('no markers'));
  });

  it('shows another run in its place, with what was reached and what was to be', () => {
    const written = withResults(document, 'new', results);
    assert.equal(shownResults(written), 'new');
    assert.ok(written.startsWith('before\n') && written.endsWith('after\n'));
    assert.doesNotMatch(written, /old/);
    assert.ok(
      written.includes(
        '| some work | 10.0 ms | 90 % ✓ 80 | 90 % | 1.25× ✗ | onnxruntime Attention | 2.00× ✓ | 1.25× ✗ | 1.5× |',
      ),
    );
    // 1.25 / 0.9 is less than 1.5 in any arithmetic.
    assert.ok(written.includes('| some work | 2 | onnxruntime Attention | 1.25× | 1.38× | 1.5× | no |'));
    // Two ratios, one limit, one scaling.
    assert.match(written, /2 of 4 bars are met/);
    assert.equal(withResults(written, 'new', results), written);
  });

  it('names what this machine has no instructions for', () => {
    assert.match(
      withResults(document, 'new', results),
      /\nNot on this machine:\n\n- what it has no instructions for\n/,
    );
    const last = rowTable(results).at(-1);
    assert.deepEqual(last?.slice(0, 3), ['what it has no instructions for', '', 'not on this machine']);
    assert.equal(last?.length, rowTable(results)[0].length);
  });

  it('is up to date', () => {
    const script = join(packageRoot, 'dist/bench/document.js');
    const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  });
});
