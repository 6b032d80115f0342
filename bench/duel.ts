/**
 * Runs two contestants on the same work in alternating calls, so that other load on the machine affects both
 * equally.
 */
import type { Contestant } from './row.js';
import { type Times, timesOf } from './statistics.js';

export interface Duel {
  readonly heed: Times;
  readonly peer: Times;
  /** The ratio of medians: the peer's time over heed's. */
  readonly ratio: number;
}

const warmUps = 3;
const fewestRounds = 7;
const mostRounds = 50_000;

export async function duel(heed: Contestant, peer: Contestant, seconds: number): Promise<Duel> {
  let turn = 1;
  const timed = async (contestant: Contestant) => {
    const began = performance.now();
    const itsOwn = await contestant.run(turn++);
    return typeof itsOwn === 'number' ? itsOwn : performance.now() - began;
  };
  for (let i = 0; i < warmUps; i++) {
    await timed(heed);
    await timed(peer);
  }
  const times = { heed: [] as number[], peer: [] as number[] };
  const end = performance.now() + 1000 * seconds;
  for (let round = 0; round < mostRounds && (round < fewestRounds || performance.now() < end); round++) {
    // The caches may be warmer, or fuller, for the second contestant.
    if (round % 2 === 0) times.heed.push(await timed(heed));
    times.peer.push(await timed(peer));
    if (round % 2 === 1) times.heed.push(await timed(heed));
  }
  const summary = { heed: timesOf(times.heed), peer: timesOf(times.peer) };
  return { ...summary, ratio: summary.peer.median / summary.heed.median };
}

/** NaN, which agrees with nothing, if any element is NaN or missing. */
export interface Difference {
  /** The largest difference of any element. */
  readonly absolute: number;
  /** ‖heed − peer‖ / ‖peer‖. */
  readonly relative: number;
}

export function difference(heed: Float32Array, peer: Float32Array): Difference {
  let absolute = 0;
  let squares = 0;
  let norm = heed.length === peer.length ? 0 : Number.NaN;
  for (let i = 0; i < peer.length; i++) {
    const apart = heed[i] - peer[i];
    absolute = Math.max(absolute, Math.abs(apart));
    squares += apart * apart;
    norm += peer[i] * peer[i];
  }
  return { absolute, relative: Math.sqrt(squares / norm) };
}
