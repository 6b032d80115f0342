/** A row of the benchmark: some work, and the contenders that heed is compared with. */
import type { Random } from './random.js';

/** What heed runs against; 'heed …' is heed itself, doing the work in another way. */
export type PeerName =
  | 'onnxruntime Attention'
  | 'onnxruntime GroupQueryAttention'
  | 'onnxruntime MatMul'
  | 'onnxruntime layer'
  | 'tfjs wasm'
  | 'OpenBLAS'
  | 'heed unfused'
  | 'heed reference'
  | 'heed float32'
  | 'heed without window'
  | 'heed without sharing';

export interface Opponent {
  readonly peer: PeerName;
  /** What the ratio of medians, the peer's time over heed's, has to reach. */
  readonly bar?: number;
  /** It does other work, so that its result is not heed's. */
  readonly differs?: true;
}

/** Useful work only: neither scores that a mask takes away, nor bytes that are read twice. */
export type Work =
  | { readonly limit: 'multiply-adds'; readonly operations: number }
  | { readonly limit: 'reading from cache' | 'reading from memory'; readonly bytes: number };

/** A contender that can do a row's work. */
export interface Contestant {
  /**
   * @param turn counts calls: where data shall come from memory, each turn takes other data
   * @returns how many milliseconds it took, from a contestant in another process: asking it takes time too
   */
  run(turn: number): unknown;
  /** The result of turn 0. */
  result(): Float32Array;
  dispose?(): void | Promise<void>;
}

export interface Contest {
  readonly heed: Contestant;
  /** Made one after the other, and disposed after they have run; undefined where the peer is not on this machine. */
  opponent(peer: PeerName): Promise<Contestant | undefined>;
}

export interface Row {
  readonly name: string;
  readonly section: string;
  readonly work?: Work;
  /** The share of the machine's limit that one thread has to reach. */
  readonly limitBar?: number;
  /** The first is the one that the row is there for. */
  readonly opponents: readonly Opponent[];
  /** How far results may lie apart: ‖heed − peer‖ / ‖peer‖. */
  readonly tolerance: number;
  /** Runs in a process of its own with this best instruction set, on one thread only. */
  readonly instructionSet?: 'avx2';
  contest(random: Random): Contest;
}

/** Contenders that use only one thread, and cannot be compared with heed on several. */
const singleThreaded: ReadonlySet<PeerName> = new Set(['tfjs wasm', 'heed reference']);

export function opponentsOn(threads: number, { opponents }: Row): readonly Opponent[] {
  return opponents.filter(({ peer }) => threads === 1 || !singleThreaded.has(peer));
}
