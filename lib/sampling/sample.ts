/** Choosing tokens from logits. */
import type { BackendName } from '../backends/backend.js';
import { chooseBackend } from '../backends/choose.js';
import { type Operation, run, runSync } from '../backends/operation.js';
import { allocate } from '../checks/data.js';
import { readList, sizeOf } from '../checks/lists.js';
import { integerElement, readIntegerElements } from '../checks/numbers.js';
import { readOptions } from '../checks/options.js';
import { dataOf, expectFloat, readTensor } from '../checks/tensor.js';
import { invalid, isArray, isFiniteFloat32, signalOption } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { SampleProblem, Sampling } from '../problem/problem.js';
import type { IntegerList, TensorLike } from '../tensor/types.js';

/** The options of {@link sample}. Each number is one for all rows, or a list with one for each. */
export interface SampleOptions {
  /**
   * What logits are divided by, from 1e-4 to 1e4. 0 takes the largest, of several the first, whatever the
   * options that follow but repetitionPenalty. Default 0.
   */
  temperature?: number | ArrayLike<number>;
  /** Only so many tokens with the largest logits can be drawn. Default: all. */
  topK?: number | ArrayLike<number>;
  /** Of those, only as few as have this share of their probability together, from 0 to 1. Default 1. */
  topP?: number | ArrayLike<number>;
  /** Only tokens with at least this share of the most probable one's probability, from 0 to 1. Default 0. */
  minP?: number | ArrayLike<number>;
  /**
   * What positive logits of previous tokens are divided by, and negative ones multiplied, before anything
   * else: from 1e-4 to 1e4. Default 1.
   */
  repetitionPenalty?: number | ArrayLike<number>;
  /** The tokens that repetitionPenalty applies to: a list for all rows, or a list of one for each. Default: none. */
  previous?: IntegerList | readonly IntegerList[];
  /**
   * An integer from 0 to 2⁵³ − 1 that decides what is drawn; a row's token depends on its own logits, options
   * and seed alone, so that steps and requests need seeds of their own. Necessary unless all temperatures are 0.
   */
  seed?: number | ArrayLike<number>;
  /** As for attention; default 'auto'. */
  backend?: BackendName;
  /** Cancels, as for attention. */
  signal?: AbortSignal;
}

const optionNames = [
  'temperature',
  'topK',
  'topP',
  'minP',
  'repetitionPenalty',
  'previous',
  'seed',
  'backend',
  'signal',
] as const;

type Check = (value: unknown, name: string) => number;

/** The number of each row. */
function perRow(value: unknown, name: string, rows: number, byDefault: number, check: Check): number[] {
  if (value === undefined) return new Array<number>(rows).fill(byDefault);
  if (typeof value !== 'object' || value === null) return new Array<number>(rows).fill(check(value, name));
  const list = readList(value, name, rows);
  if (list.length !== rows) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name} to be a number, or to have one element per row (${rows}), received ${list.length}`,
    );
  }
  return list.map((element, row) => check(element, `${name}[${row}]`));
}

function numberBetween(low: number, high: number): Check {
  return (value, name) => {
    if (isFiniteFloat32(value) && value >= low && value <= high) return value;
    throw invalid(name, `a number from ${low} to ${high}`, value);
  };
}

const share = numberBetween(0, 1);
/** Beyond them, differences of logits would have no digits left, or no finite weights. */
const [least, most] = [1e-4, 1e4];
const factor = numberBetween(least, most);

function temperature(value: unknown, name: string): number {
  if (value === 0) return 0;
  if (isFiniteFloat32(value) && value >= least && value <= most) return value;
  throw invalid(name, `0, or a number from ${least} to ${most}`, value);
}

function integerFrom(low: number): Check {
  return (value, name) => integerElement(value, name, low, Number.MAX_SAFE_INTEGER);
}

function tokensIn(value: unknown, name: string, vocabulary: number): Int32Array {
  return Int32Array.from(readIntegerElements(value, name), (token, i) =>
    integerElement(token, `${name}[${i}]`, 0, vocabulary - 1),
  );
}

function readPrevious(value: unknown, rows: number, vocabulary: number): Int32Array[] {
  const name = 'options.previous';
  if (value === undefined) return new Array<Int32Array>(rows).fill(new Int32Array());
  const forAll = (tokens: unknown) => new Array<Int32Array>(rows).fill(tokensIn(tokens, name, vocabulary));
  if (!isArray(value)) return forAll(value);
  const lists = readList(value, name);
  if (typeof lists[0] !== 'object' || lists[0] === null) return forAll(lists);
  if (lists.length !== rows) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name} to have one list per row (${rows}), received ${lists.length}`,
    );
  }
  return lists.map((list, row) => tokensIn(list, `${name}[${row}]`, vocabulary));
}

/** How each row is sampled. */
export function readSampling(values: Record<string, unknown>, rows: number, vocabulary: number): Sampling[] {
  const read = (name: string, byDefault: number, check: Check) =>
    perRow(values[name], `options.${name}`, rows, byDefault, check);
  const temperatures = read('temperature', 0, temperature);
  const topK = read('topK', vocabulary, integerFrom(1));
  const topP = read('topP', 1, share);
  const minP = read('minP', 0, share);
  const penalties = read('repetitionPenalty', 1, factor);
  const previous = readPrevious(values.previous, rows, vocabulary);
  if (values.seed === undefined && temperatures.some((each) => each !== 0)) {
    throw invalid('options.seed', 'given where a temperature is not 0', values.seed);
  }
  const seeds = read('seed', 0, integerFrom(0));
  return temperatures.map((each, row) => ({
    temperature: each,
    topK: Math.min(topK[row], vocabulary),
    topP: topP[row],
    minP: minP[row],
    repetitionPenalty: penalties[row],
    previous: previous[row],
    seed: seeds[row],
  }));
}

/** A longer axis is a mistake: every row takes an object. */
const mostRows = 2 ** 20;

function prepare(logitsValue: unknown, options: unknown): Operation<Int32Array> {
  const logits = readTensor(logitsValue, 'logits');
  const type = expectFloat(logits);
  const vocabulary = logits.dims[logits.dims.length - 1];
  if (vocabulary === undefined || vocabulary === 0 || vocabulary >= 2 ** 31) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected logits.dims to end with a vocabulary of 1 to 2^31 - 1 tokens, received [${logits.dims.join(', ')}]`,
    );
  }
  const rows = sizeOf(logits.dims.slice(0, -1));
  if (rows > mostRows) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected at most ${mostRows} rows of logits, received ${rows}`,
    );
  }
  const values = readOptions(options, optionNames);
  const sampling = readSampling(values, rows, vocabulary);
  const backend = chooseBackend(values.backend, type, logits.location);
  const signal = signalOption(values.signal, 'options.signal');
  const tokens = allocate('int32', rows, 'the tokens') as Int32Array;
  const problem: SampleProblem = {
    kind: 'sample',
    vocabulary,
    logits: { data: dataOf(logits), type },
    rows: sampling,
    tokens,
  };
  return { backend, problems: rows === 0 ? [] : [problem], result: tokens, signal };
}

/**
 * Chooses a token from each row of logits: the largest, or one drawn by its probability. Nothing is drawn
 * from a hidden state: the same logits, options and seed give the same token, on every backend and in any
 * batch. (Backends add probabilities in another order: where a sum comes as close to topP as rounding, they
 * may keep one token more or less.)
 *
 * A logit of −∞ is never chosen. One of +∞ is chosen at any temperature, of several the first. A row that has
 * NaN, or no logit above −∞, gives −1.
 *
 * @param logits […, vocabulary], any floating-point type
 * @returns the tokens of all rows, in order
 * @throws HeedError (as a rejection) for every bad argument, before any work starts: see `code`.
 *   When aborted, it rejects with the signal's reason.
 *
 * @example
 * const [token] = await sample(logits, { temperature: 0.7, topP: 0.9, seed: step });
 */
export async function sample(logits: TensorLike, options?: SampleOptions): Promise<Int32Array> {
  return await run(() => prepare(logits, options));
}

/** {@link sample}, synchronously: it throws instead of rejecting, and blocks the event loop. */
export function sampleSync(logits: TensorLike, options?: SampleOptions): Int32Array {
  return runSync(() => prepare(logits, options));
}
