/** What a run of the benchmark found, as its JSON file keeps it. */
import type { Difference, Duel } from './duel.js';
import type { Opponent, Work } from './row.js';
import type { Times } from './statistics.js';
import type { GridResult } from './studies/grid.js';
import type { GrowthResult } from './studies/growth.js';

export interface OpponentResult extends Opponent {
  /** undefined where the peer is not on this machine. */
  readonly duel?: Duel;
  readonly difference?: Difference;
  /** Whether results agree within the row's tolerance. */
  readonly agrees: boolean;
}

export interface LimitResult {
  readonly work: Work;
  /** Operations or bytes a second that the machine can do at best, measured beside the row. */
  readonly perSecond: number;
  /** What heed reaches of it, by its median time and by its shortest. */
  readonly share: number;
  readonly bestShare: number;
  readonly bar?: number;
}

export interface RowResult {
  readonly name: string;
  readonly section: string;
  readonly threads: number;
  readonly instructionSet: string;
  /** heed's, in the first duel. */
  readonly times: Times;
  readonly limit?: LimitResult;
  readonly opponents: readonly OpponentResult[];
}

/** What the processor can do at best on so many threads, a second. */
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
  readonly growth: readonly GrowthResult[];
  readonly grid: readonly GridResult[];
}

/** What a measuring process reports to the one that started it. */
export type Message =
  | { readonly kind: 'begin'; readonly label: string }
  | { readonly kind: 'row'; readonly result: RowResult }
  | { readonly kind: 'growth'; readonly result: GrowthResult }
  | { readonly kind: 'grid'; readonly result: GridResult };
