/** The native side of heed, as the rest of it sees it. Only this file and those under native/ touch the addon. */
import type { Backend } from './backend.js';
import { integerBetween, invalid } from './checks/numbers.js';
import { debug } from './debug.js';
import { environment } from './environment.js';
import type { Addon } from './native/addon.js';
import { cpuBackend } from './native/cpu-backend.js';
import { type Loaded, loadAddon } from './native/load.js';

/** What became of loading the addon. */
export interface NativeStatus {
  readonly loaded: boolean;
  readonly path?: string;
  /** Every place that was looked at in vain, and what was wrong with it. */
  readonly tried: readonly string[];
  /** Why it is not loaded. */
  readonly why?: string;
  readonly instructionSet?: string;
  readonly threads?: number;
}

interface Native extends Loaded {
  readonly backend?: Backend;
}

let known: Native | undefined;

/** HEED_CPU_ISA names the best instruction set that may be used: a processor may not have it. */
function limitInstructionSet(addon: Addon, best: string): void {
  const order = ['baseline', 'avx2', 'avx512'];
  const allowed = addon
    .availableInstructionSets()
    .filter((name) => order.indexOf(name) <= order.indexOf(best));
  addon.setInstructionSet(allowed[allowed.length - 1]);
}

function native(): Native {
  if (known !== undefined) return known;
  const { instructionSet, threads } = environment();
  const loaded = loadAddon();
  const { addon, path, why } = loaded;
  debug(() => (addon ? `loaded ${path}` : `no native backend: ${why}`));
  if (addon === undefined) {
    known = loaded;
    return known;
  }
  // First the backend: the pool of threads lasts only as long as somebody is connected to it.
  const backend = cpuBackend(addon);
  if (instructionSet !== undefined) limitInstructionSet(addon, instructionSet);
  if (threads !== undefined) addon.setThreads(threads);
  known = { ...loaded, backend };
  return known;
}

/** Undefined where the addon cannot be loaded; `nativeStatus()` says why. */
export function nativeBackend(): Backend | undefined {
  return native().backend;
}

export function nativeStatus(): NativeStatus {
  const { addon, path, tried, why } = native();
  return {
    loaded: addon !== undefined,
    tried,
    ...(path !== undefined && { path }),
    ...(why !== undefined && { why }),
    ...(addon !== undefined && { instructionSet: addon.instructionSet(), threads: addon.threads() }),
  };
}

/** What this processor can run and the addon was built with, best last; nothing without the addon. */
export function availableInstructionSets(): string[] {
  return native().addon?.availableInstructionSets() ?? [];
}

export function instructionSet(): string | undefined {
  return native().addon?.instructionSet();
}

/** For the whole process. Operations and packed weights that exist keep the one that they began with. */
export function setInstructionSet(name: string): void {
  const { addon } = native();
  const available = availableInstructionSets();
  if (!available.includes(name)) throw invalid('the instruction set', `one of ${available.join(', ')}`, name);
  addon?.setInstructionSet(name);
}

export function threads(): number | undefined {
  return native().addon?.threads();
}

/** For the whole process. */
export function setThreads(count: number): void {
  native().addon?.setThreads(integerBetween(count, 'the number of threads', 1, 1024));
}
