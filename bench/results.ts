/** The results of a benchmark run, in the structure of its JSON file. */
import type { Difference, Duel } from './duel.js';
import type { LimitResult } from './limits.js';
import type { Opponent } from './row.js';
import type { Times } from './statistics.js';
import type { GridResult } from './studies/grid.js';
import type { GrowthResult } from './studies/growth.js';

export interface OpponentResult extends Opponent {
  /** undefined if the peer is not available on this machine. */
  readonly duel?: Duel;
  readonly difference?: Difference;
  /** Whether results agree within the row's tolerance. */
  readonly agrees: boolean;
}

export interface RowResult {
  readonly name: string;
  readonly section: string;
  readonly threads: number;
  readonly instructionSet: string;
  /** heed's times in the first duel. */
  readonly times: Times;
  readonly limit?: LimitResult;
  readonly opponents: readonly OpponentResult[];
}

/** The processor's peak performance per second, with the given number of threads. */
export interface Peaks {
  readonly threads: number;
  readonly multiplyAddOperations?: number;
  readonly bytesFromCache?: number;
  readonly bytesFromMemory?: number;
}

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly caches: Readonly<Record<string, string>>;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly instructionSet: string;
  readonly peaks: readonly Peaks[];
}

export interface Results {
  /** Version and, if git knows it, commit. */
  readonly heed: string;
  readonly date: string;
  readonly command: string;
  readonly seed: string;
  readonly machine: Machine;
  readonly peers: Readonly<Record<string, string>>;
  readonly rows: readonly RowResult[];
  /** Names of rows that need instructions which this machine has not. */
  readonly absent?: readonly string[];
  readonly growth: readonly GrowthResult[];
  readonly grid: readonly GridResult[];
}

/** A report from a measuring process to its parent. */
export type Message =
  | { readonly kind: 'begin'; readonly label: string }
  | { readonly kind: 'row'; readonly result: RowResult }
  | { readonly kind: 'absent'; readonly name: string }
  | { readonly kind: 'growth'; readonly result: GrowthResult }
  | { readonly kind: 'grid'; readonly result: GridResult };
