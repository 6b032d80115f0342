/** Measures rows in this process, which is started with a number of threads, and tells its parent. */
import { nativeStatus } from '../lib/native.js';
import { difference, duel } from './duel.js';
import { limitResult, measureLimit } from './limits.js';
import { Random } from './random.js';
import type { Message, OpponentResult, RowResult } from './results.js';
import type { Contest, Opponent, Row } from './row.js';
import { allRows } from './rows/all.js';
import { threads } from './threads.js';

const mainSeconds = 2;
const otherSeconds = 0.7;
/** They know no more than one thread: beside heed on two they would tell nothing. */
const singleThreaded = new Set(['tfjs wasm', 'heed reference']);

function tell(message: Message): void {
  process.send?.(message);
}

async function meet(
  contest: Contest,
  opponent: Opponent,
  tolerance: number,
  seconds: number,
): Promise<OpponentResult> {
  const contestant = await contest.opponent(opponent.peer);
  if (contestant === undefined) {
    tell({ kind: 'absent', peer: opponent.peer });
    return { ...opponent, agrees: true };
  }
  await contest.heed.run(0);
  await contestant.run(0);
  const apart = opponent.differs ? undefined : difference(contest.heed.result(), contestant.result());
  const result = await duel(contest.heed, contestant, seconds);
  await contestant.dispose?.();
  return {
    ...opponent,
    duel: result,
    ...(apart && { difference: apart }),
    agrees: apart === undefined || apart.relative <= tolerance,
  };
}

async function measure(row: Row, seed: string): Promise<RowResult> {
  const instructionSet = nativeStatus().instructionSet ?? 'none';
  const contest = row.contest(new Random(seed, row.name));
  const peak = () => (row.work && measureLimit(row.work, instructionSet, threads)) ?? 0;
  const before = peak();
  const opponents: OpponentResult[] = [];
  for (const opponent of row.opponents) {
    if (threads > 1 && singleThreaded.has(opponent.peer)) continue;
    tell({ kind: 'begin', label: `${row.name} · ${opponent.peer}` });
    const seconds = opponents.length === 0 ? mainSeconds : otherSeconds;
    opponents.push(await meet(contest, opponent, row.tolerance, seconds));
  }
  const perSecond = Math.max(before, peak());
  await contest.heed.dispose?.();
  const times = opponents[0].duel?.heed;
  if (times === undefined) throw new Error(`${row.name} has nobody to be measured with`);
  return {
    name: row.name,
    section: row.section,
    threads,
    instructionSet,
    times,
    ...(row.work && perSecond > 0 && { limit: limitResult(row.work, perSecond, times, row.limitBar) }),
    opponents,
  };
}

async function main(names: readonly string[], seed: string): Promise<void> {
  for (const name of names) {
    const row = allRows.find((candidate) => candidate.name === name);
    if (row !== undefined) tell({ kind: 'row', result: await measure(row, seed) });
  }
  process.disconnect();
}

void main(JSON.parse(process.argv[2]) as string[], process.argv[3]);
