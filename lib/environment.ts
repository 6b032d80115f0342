/** All environment variables that heed reads, and the debug output that one of them asks for. */
import { resolve } from 'node:path';
import { format } from 'node:util';
import { HeedError } from './errors.js';
import { type InstructionSet, instructionSets } from './instruction-sets.js';

export interface Environment {
  /** HEED_BACKEND: what backend 'auto' means for tensors in the memory of the CPU; default auto. */
  readonly backend: 'auto' | 'cuda' | 'cpu' | 'reference';
  /** HEED_BACKEND=cuda-emulator: the cuda backend, its kernels run by the emulator of heed's test builds. */
  readonly emulated: boolean;
  /** HEED_NUM_THREADS: worker threads of the cpu backend; default one per processor core. */
  readonly threads: number | undefined;
  /** HEED_CPU_ISA: the best instruction set that the cpu backend may use; default what the processor has. */
  readonly instructionSet: InstructionSet | undefined;
  /** HEED_ADDON: the absolute path of the only addon to load. */
  readonly addon: string | undefined;
  /** HEED_DEBUG=1: print on stderr what heed does. */
  readonly debug: boolean;
  /** HEED_REQUIRE_NATIVE=1: a build fails if it produces no native backend. */
  readonly requireNative: boolean;
  /** HEED_CUDA: whether `heed build` also builds the cuda backend; default AUTO: if nvcc is installed. */
  readonly cuda: 'AUTO' | 'ON' | 'OFF';
}

function choice<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
  const value = process.env[name];
  if (value === undefined || value === '') return undefined;
  const found = choices.find((candidate) => candidate === value);
  if (found === undefined) {
    throw new HeedError(
      'HEED_ENVIRONMENT',
      `Expected the environment variable ${name} to be one of ${choices.join(', ')}, received '${value}'`,
    );
  }
  return found;
}

const mostThreads = 1024;

function threadCount(name: string): number | undefined {
  const value = process.env[name];
  if (value === undefined || value === '') return undefined;
  const count = /^\d{1,4}$/.test(value) ? Number(value) : 0;
  if (count < 1 || count > mostThreads) {
    throw new HeedError(
      'HEED_ENVIRONMENT',
      `Expected the environment variable ${name} to be an integer from 1 to ${mostThreads}, received '${value}'`,
    );
  }
  return count;
}

function path(name: string): string | undefined {
  const value = process.env[name];
  return value === undefined || value === '' ? undefined : resolve(value);
}

let known: Environment | undefined;

/**
 * The environment, as it was when heed first looked: later changes have no effect.
 *
 * @throws HeedError HEED_ENVIRONMENT, naming the variable with an invalid value
 */
export function environment(): Environment {
  if (known !== undefined) return known;
  const backend = choice('HEED_BACKEND', ['auto', 'cuda', 'cpu', 'reference', 'cuda-emulator']) ?? 'auto';
  const emulated = backend === 'cuda-emulator';
  known = {
    backend: emulated ? 'cuda' : backend,
    emulated,
    threads: threadCount('HEED_NUM_THREADS'),
    instructionSet: choice('HEED_CPU_ISA', instructionSets),
    addon: path('HEED_ADDON'),
    debug: choice('HEED_DEBUG', ['0', '1']) === '1',
    requireNative: choice('HEED_REQUIRE_NATIVE', ['0', '1']) === '1',
    cuda: choice('HEED_CUDA', ['AUTO', 'ON', 'OFF']) ?? 'AUTO',
  };
  return known;
}

/** The message is composed only if debug output is on. */
export function debug(message: () => string): void {
  if (environment().debug) process.stderr.write(format('HEED %d: %s\n', process.pid, message()));
}
