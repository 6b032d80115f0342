/** Which backend an operation runs on, and running it there. */
import { choiceOption } from '../checks/values.js';
import { environment } from '../environment.js';
import { HeedError } from '../errors.js';
import type { Location, TensorType } from '../tensor/types.js';
import type { Backend, BackendName } from './backend.js';
import { cudaBackendAt, nativeBackend, nativeStatus } from './native/native.js';
import { mustLoad, remedies } from './native/remedies.js';
import { referenceBackend } from './reference/backend.js';

const optionName = 'options.backend';
const backendNames: readonly BackendName[] = ['auto', 'cuda', 'cpu', 'reference'];

/**
 * Why there is no native backend, with everything that was tried and how to fix it: for the warning and for
 * errors.
 */
function explainMissingAddon(): string {
  const { why, tried } = nativeStatus();
  return [
    `the native addon could not be loaded${why ? `: ${why}` : ''}`,
    ...tried.map((attempt) => `  tried ${attempt}`),
    ...remedies().map((remedy) => `  ${remedy}`),
  ].join('\n');
}

function noNative(): HeedError {
  return new HeedError(
    'HEED_NO_NATIVE',
    `Expected the cpu backend to be available, but ${explainMissingAddon()}`,
  );
}

function requireNative(): Backend {
  const native = nativeBackend();
  if (native === undefined) throw noNative();
  return native;
}

let warned = false;

/** Warns once that the reference is used instead, or throws if it must not be. */
function fallBack(): void {
  if (warned) return;
  if (mustLoad()) throw noNative();
  warned = true;
  process.emitWarning(`heed runs on its slow reference backend, because ${explainMissingAddon()}`, {
    code: 'HEED_NO_NATIVE',
  });
}

function automatic(type: TensorType): Backend {
  const native = nativeBackend();
  if (native === undefined) {
    fallBack();
    return referenceBackend;
  }
  return native.supports(type) ? native : referenceBackend;
}

function expectType(backend: Backend, type: TensorType): Backend {
  if (backend.supports(type)) return backend;
  throw new HeedError(
    'HEED_UNSUPPORTED_TYPE',
    `Expected a type that the ${backend.name} backend supports, received '${type}'; use the reference backend`,
  );
}

function onDevice(asked: BackendName, type: TensorType, location: Location): Backend {
  if (asked === 'auto' || asked === 'cuda') return expectType(cudaBackendAt(location), type);
  throw new HeedError(
    'HEED_LOCATION_MISMATCH',
    `Expected ${optionName} to be 'cuda' for operands at '${location}', received '${asked}'; tensors are copied with to('cpu')`,
  );
}

const byName = {
  cuda: () => cudaBackendAt('cuda:0'),
  cpu: requireNative,
  reference: () => referenceBackend,
};

/**
 * The backend for an operation on tensors of a type. On a device it is that device's. In the memory of the CPU, 'auto' is what
 * HEED_BACKEND says, else the native one where it is loaded and computes with the type, else the reference.
 *
 * @throws HeedError HEED_NO_NATIVE, HEED_NO_CUDA, HEED_UNSUPPORTED_TYPE, HEED_ENVIRONMENT, HEED_INVALID_ARGUMENT,
 *   HEED_LOCATION_MISMATCH
 */
export function chooseBackend(option: unknown, type: TensorType, location: Location = 'cpu'): Backend {
  const asked = choiceOption(option, optionName, backendNames, 'auto');
  if (location !== 'cpu') return onDevice(asked, type, location);
  const chosen = asked === 'auto' ? environment().backend : asked;
  return chosen === 'auto' ? automatic(type) : expectType(byName[chosen](), type);
}

/** The backend for operations on memory that heed keeps at a location, which computes there. */
export function chooseBackendAt(option: unknown, type: TensorType, location: Location): Backend {
  const asked = choiceOption(option, optionName, backendNames, 'auto');
  if (location !== 'cpu') return onDevice(asked, type, location);
  if (asked === 'cuda') {
    throw new HeedError(
      'HEED_LOCATION_MISMATCH',
      `Expected ${optionName} to be a backend that computes where the cache is ('cpu'), received 'cuda'`,
    );
  }
  return asked === 'auto' && environment().backend === 'cuda' ? automatic(type) : chooseBackend(option, type);
}
