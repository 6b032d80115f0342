/** Measures a row: heed against each of its opponents, and the limit of the machine. */
import { nativeStatus } from '../lib/backends/native/native.js';
import { difference, duel } from './duel.js';
import { limitResult, measureLimit } from './limits.js';
import { Random } from './random.js';
import type { OpponentResult, RowResult } from './results.js';
import { type Contest, type Opponent, opponentsOn, type Row } from './row.js';
import { threads } from './threads.js';

const mainSeconds = 2;
const otherSeconds = 0.7;

async function meet(
  contest: Contest,
  opponent: Opponent,
  rowTolerance: number,
  seconds: number,
): Promise<OpponentResult> {
  const contestant = await contest.opponent(opponent.peer);
  if (contestant === undefined) {
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
    agrees: apart === undefined || apart.relative <= (opponent.tolerance ?? rowTolerance),
  };
}

/** @param onOpponent called with the next opponent */
export async function measureRow(
  row: Row,
  seed: string,
  onOpponent: (label: string) => void,
): Promise<RowResult> {
  const instructionSet = nativeStatus().instructionSet ?? 'none';
  const contest = row.contest(new Random(seed, row.name));
  const works = row.work ?? [];
  const peaks = () => works.map((work) => measureLimit(work, instructionSet, threads) ?? 0);
  const before = peaks();
  const opponents: OpponentResult[] = [];
  for (const opponent of opponentsOn(threads, row)) {
    onOpponent(`${row.name} · ${opponent.peer}`);
    const seconds = opponents.length === 0 ? mainSeconds : otherSeconds;
    opponents.push(await meet(contest, opponent, row.tolerance, seconds));
  }
  const after = peaks();
  const [first, ...others] = works
    .map((work, i) => ({ work, perSecond: Math.max(before[i], after[i]) }))
    .filter(({ perSecond }) => perSecond > 0);
  await contest.heed.dispose?.();
  const times = opponents[0].duel?.heed;
  if (times === undefined) throw new Error(`${row.name} has nobody to be measured with`);
  return {
    name: row.name,
    section: row.section,
    threads,
    instructionSet,
    times,
    ...(first && { limit: limitResult([first, ...others], times, threads === 1 ? row.limitBar : undefined) }),
    opponents,
  };
}
