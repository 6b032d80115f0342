/** Which backend an operation runs on, and running it there. */
import { throwIfAborted } from './abort.js';
import type { Backend } from './backend.js';
import { choiceOption } from './checks/numbers.js';
import { debug } from './debug.js';
import { environment } from './environment.js';
import { HeedError } from './errors.js';
import { nativeBackend, nativeStatus } from './native.js';
import type { Problem } from './problem.js';
import { referenceBackend } from './reference/backend.js';
import type { TensorType } from './tensor-type.js';

/** What an operation runs on; 'auto' is the cpu backend where it is loaded and computes with the type, else the reference. */
export type BackendName = 'auto' | 'cpu' | 'reference';

const backendNames: readonly BackendName[] = ['auto', 'cpu', 'reference'];

/** Why there is no native backend, with all that was tried and what to do: for the warning and for errors. */
function explainMissingAddon(): string {
  const { why, tried } = nativeStatus();
  return [
    `the native addon could not be loaded${why ? `: ${why}` : ''}`,
    ...tried.map((attempt) => `  tried ${attempt}`),
    '  to build it, run: npx heed build',
    '  to see what is missing, run: npx heed doctor',
  ].join('\n');
}

let warned = false;

function warnOnce(): void {
  if (warned) return;
  warned = true;
  process.emitWarning(`heed runs on its slow reference backend, because ${explainMissingAddon()}`, {
    code: 'HEED_NO_NATIVE',
  });
}

function requireNative(): Backend {
  const native = nativeBackend();
  if (native === undefined) {
    throw new HeedError(
      'HEED_NO_NATIVE',
      `Expected the cpu backend to be available, but ${explainMissingAddon()}`,
    );
  }
  return native;
}

function automatic(type: TensorType): Backend {
  const native = nativeBackend();
  if (native === undefined) {
    warnOnce();
    return referenceBackend;
  }
  return native.supports(type) ? native : referenceBackend;
}

/**
 * The backend for an operation on tensors of a type. 'auto' is what HEED_BACKEND says, else the
 * native one where it is loaded and computes with the type, else the reference.
 *
 * @throws HeedError HEED_NO_NATIVE, HEED_UNSUPPORTED_TYPE, HEED_ENVIRONMENT, HEED_INVALID_ARGUMENT
 */
export function chooseBackend(option: unknown, type: TensorType, name = 'options.backend'): Backend {
  const asked = choiceOption(option, name, backendNames, 'auto');
  const chosen = asked === 'auto' ? environment().backend : asked;
  if (chosen === 'auto') return automatic(type);
  const backend = chosen === 'cpu' ? requireNative() : referenceBackend;
  if (!backend.supports(type)) {
    throw new HeedError(
      'HEED_UNSUPPORTED_TYPE',
      `Expected a type that the ${chosen} backend computes with, received '${type}'; use the reference backend`,
    );
  }
  return backend;
}

/** Says what was done, and how long it took. */
function logRun(backend: Backend, problems: readonly Problem[], start: number): void {
  debug(() => {
    const kinds = problems.map((problem) => problem.kind).join(' + ');
    return `${kinds} on ${backend.name} in ${(performance.now() - start).toFixed(3)} ms`;
  });
}

/** Solves problems as one operation, off the event loop. */
export async function solve(
  backend: Backend,
  problems: readonly Problem[],
  signal?: AbortSignal,
): Promise<void> {
  throwIfAborted(signal);
  const start = performance.now();
  await backend.solve(problems, signal);
  logRun(backend, problems, start);
}

/** Solves problems as one operation, before returning. A signal counts only if it is aborted already. */
export function solveSync(backend: Backend, problems: readonly Problem[], signal?: AbortSignal): void {
  throwIfAborted(signal);
  const start = performance.now();
  backend.solveSync(problems);
  logRun(backend, problems, start);
}
