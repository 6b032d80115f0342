/** The permitted outcomes of a hostile call: a HeedError with a code, or a right answer. */
import assert from 'node:assert/strict';
import { errorCodes, HeedError } from '../../lib/errors.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { decode } from '../onnx/nd-array.js';
import { emulatedOnly } from '../support/backends.js';
import type { Expected } from './attention-model.js';
import { UserError } from './hostile-values.js';
import type { Mutation } from './mutate.js';
import { Invalid } from './tensor-model.js';

/** A public function under test. */
export interface Target {
  readonly name: string;
  /** New good arguments on each call: plain objects, so that they can be taken apart. */
  arguments(): unknown[];
  call(args: readonly unknown[]): unknown;
  /** The expected results by name; throws {@link Invalid} for arguments that break the contract. */
  model(args: readonly unknown[]): Record<string, Expected>;
  /** The tensors in the result. */
  results(result: unknown): Record<string, unknown>;
  /** The observable state that the call could change; a rejected call must leave it unchanged. */
  unchanged?(): { readonly results: Record<string, unknown>; readonly expected: Record<string, Expected> };
}

const deadline = 20_000;

/** Rejects if the result never settles: otherwise an operation that never ends would stop the whole run. */
async function inTime(result: unknown): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((_, reject) => {
    timer = setTimeout(
      () => reject(new assert.AssertionError({ message: `nothing came in ${deadline} ms` })),
      deadline,
    );
  });
  try {
    return await Promise.race([result, late]);
  } finally {
    clearTimeout(timer);
  }
}

const tolerances: Record<string, number> = { float64: 1e-9, float32: 2e-4, float16: 1e-2, bfloat16: 6e-2 };

/** The first difference, or undefined if the tensor is as expected. */
function difference(tensor: unknown, expected: Expected): string | undefined {
  if (!(tensor instanceof Tensor)) return `${String(tensor)} is no tensor`;
  if (tensor.type !== expected.type) return `type ${tensor.type} is not ${expected.type}`;
  if (String(tensor.dims) !== String(expected.dims))
    return `dims [${tensor.dims}] are not [${expected.dims}]`;
  const decoded = decode(tensor).values;
  // Any value other than 0 is true.
  const values = tensor.type === 'bool' ? decoded.map((value) => (value === 0 ? 0 : 1)) : decoded;
  if (values.length !== expected.values.length)
    return `${values.length} elements, not ${expected.values.length}`;
  if (expected.loose) return undefined;
  const tolerance = tolerances[tensor.type];
  const wrong = values.findIndex((value, index) => {
    const right = expected.values[index];
    return (
      !Object.is(value, right) &&
      !(Math.abs(value - right) <= tolerance * (1 + Math.abs(right))) &&
      value !== right
    );
  });
  return wrong < 0 ? undefined : `element ${wrong} is ${values[wrong]}, not ${expected.values[wrong]}`;
}

export function differences(results: Record<string, unknown>, expected: Record<string, Expected>): string[] {
  const names = new Set([...Object.keys(results), ...Object.keys(expected)]);
  return [...names].flatMap((name) => {
    if (!(name in expected)) return `${name} was not asked for`;
    const found = difference(results[name], expected[name]);
    return found === undefined ? [] : `${name}: ${found}`;
  });
}

/** Why the result is wrong for every reading of the arguments; undefined if it is right for one. */
function wrongByAll(target: Target, readings: Mutation['readings'], result: unknown): string | undefined {
  if (readings.length === 0) return 'arguments that cannot be read were accepted';
  const complaints = readings.map((args) => {
    try {
      return differences(target.results(result), target.model(args)).join('; ');
    } catch (error) {
      // Arguments that cannot be read break the contract, too.
      return `accepted, but ${error instanceof Invalid ? 'needs ' : ''}${messageOf(error)}`;
    }
  });
  return complaints.includes('') ? undefined : complaints.join(' / ');
}

/** A HeedError with a documented code, or the caller's own error. */
export function isGoodError(error: unknown): boolean {
  // An aborted signal among hostile values: the call rejects with its reason, as documented.
  if (error instanceof UserError || isAbort(error)) return true;
  if (!(error instanceof HeedError) || !(error instanceof Error)) return false;
  return Object.hasOwn(errorCodes, error.code) && error.message.length > 10;
}

function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

export type Outcome = 'refused' | 'right';

/** Makes the call, and throws unless the outcome is a HeedError or a right answer. */
export async function judge(target: Target, mutation: Mutation): Promise<Outcome> {
  const context = `${target.name} with ${mutation.description}`;
  let result: unknown;
  try {
    result = await inTime(target.call(mutation.args));
  } catch (error) {
    if (!isGoodError(error)) throw new Error(`${context} ended with ${messageOf(error)}`, { cause: error });
    const left = target.unchanged?.();
    const changed = left && differences(left.results, left.expected).join('; ');
    if (changed)
      throw new Error(`${context} was refused, and has changed something: ${changed}`, { cause: error });
    return 'refused';
  }
  const wrong = wrongByAll(target, mutation.readings, result);
  if (wrong !== undefined) throw new Error(`${context}: ${wrong}`);
  return 'right';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : `a thrown ${typeof error}`;
}

/** Good arguments must give right results, or other findings mean little. */
export async function judgeGood(target: Target): Promise<void> {
  const args = target.arguments();
  let result: unknown;
  try {
    result = await target.call(args);
  } catch (error) {
    // A call that a GPU does not support yet is good but rejected: see test/backends/cuda/refusals.test.ts.
    if (emulatedOnly && error instanceof HeedError && error.code === 'HEED_UNSUPPORTED') return;
    throw error;
  }
  const wrong = differences(target.results(result), target.model(args)).join('; ');
  if (wrong !== '') throw new Error(`${target.name} with good arguments: ${wrong}`);
}
