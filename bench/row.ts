/** A row of the benchmark: some work, and the contenders that heed is compared with. */
import type { Random } from './random.js';

/** The opponents of heed; 'heed …' is heed itself, doing the work in another way. */
export type PeerName =
  | 'onnxruntime Attention'
  | 'onnxruntime GroupQueryAttention'
  | 'onnxruntime MatMul'
  | 'onnxruntime DynamicQuantizeMatMul'
  | 'onnxruntime MatMulNBits'
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
  /** The required ratio of medians, the peer's time over heed's. */
  readonly bar?: number;
  /** It does other work, so its result differs from heed's. */
  readonly differs?: true;
  /** In place of the row's, where it rounds on its own. */
  readonly tolerance?: number;
}

/** Counts useful work only: neither masked scores nor bytes that are read twice. */
export type Work =
  | { readonly limit: 'multiply-adds' | 'products of bfloat16'; readonly operations: number }
  | { readonly limit: 'reading from cache' | 'reading from memory'; readonly bytes: number };

/** A contender that can do a row's work. */
export interface Contestant {
  /**
   * @param turn counts calls: if data should come from memory, each turn uses other data
   * @returns the time in milliseconds, from a contestant in another process: communication takes time, too
   */
  run(turn: number): unknown;
  /** The result of turn 0. */
  result(): Float32Array;
  dispose?(): void | Promise<void>;
}

export interface Contest {
  readonly heed: Contestant;
  /**
   * Created one after the other and disposed after their run; undefined if the peer is not available on this
   * machine.
   */
  opponent(peer: PeerName): Promise<Contestant | undefined>;
}

export interface Row {
  readonly name: string;
  readonly section: string;
  /** Each with the limit that it would have alone: the one that takes longest is the row's. */
  readonly work?: readonly Work[];
  /** The share of the machine's limit that one thread must reach. */
  readonly limitBar?: number;
  /** The first is the main opponent. */
  readonly opponents: readonly Opponent[];
  /** The largest allowed difference of results: ‖heed − peer‖ / ‖peer‖. */
  readonly tolerance: number;
  /** Measured only where heed has this instruction set, or a later one. */
  readonly needs?: 'avx512vnni' | 'avx512bf16';
  /** Runs in a separate process with this best instruction set, on one thread only. */
  readonly instructionSet?: 'avx2';
  contest(random: Random): Contest;
}

/** Contenders that use only one thread and cannot be compared with heed on several. */
const singleThreaded: ReadonlySet<PeerName> = new Set(['tfjs wasm', 'heed reference']);

export function opponentsOn(threads: number, { opponents }: Row): readonly Opponent[] {
  return opponents.filter(({ peer }) => threads === 1 || !singleThreaded.has(peer));
}
