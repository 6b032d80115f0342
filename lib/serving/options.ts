/** The options of engines and of generations. */
import { randomInt } from 'node:crypto';
import { readList } from '../checks/lists.js';
import { integerElement, readIntegerElements } from '../checks/numbers.js';
import { readOptions } from '../checks/options.js';
import {
  booleanOption,
  guard,
  integerBetween,
  invalid,
  readProperty,
  signalOption,
} from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { Sampling } from '../problem/problem.js';
import { readSampling } from '../sampling/sample.js';
import type { ServedModel } from './served-model.js';

/** How many generations may wait for others to end. */
export interface WaitingOptions {
  /** The most generations beyond those of `sequences`. Default 256. */
  requests?: number;
  /** The most tokens of all prompts that wait. Default 262144. */
  tokens?: number;
}

/** The options of an {@link Engine}. */
export interface EngineOptions {
  /** The most pages of keys and values that all sequences and kept prefixes together may have. */
  pages: number;
  /** The most generations that go on at a time. Default 64. */
  sequences?: number;
  /**
   * The most tokens that go through the model in one step: one of each generation that has read its prompt, the rest
   * for pieces of prompts. At least `sequences` and a piece, which is 64 tokens in whole pages. Default 512, or
   * that.
   */
  tokensPerStep?: number;
  /** How many may wait; {@link Engine.generate} refuses more with HEED_OVERLOADED. */
  waiting?: WaitingOptions;
  /** Whether the beginnings of prompts are kept, as long as there is room, for prompts that begin alike. Default true. */
  prefixes?: boolean;
}

/** The options of {@link Engine.generate}. */
export interface GenerationOptions {
  /** The most tokens to generate; fewer where the model's longest sequence, or the engine's pages, end. */
  maxTokens: number;
  /** What logits are divided by before a token is drawn. 0 takes the largest. Default 0. */
  temperature?: number;
  /** As for `sample`. */
  topK?: number;
  /** As for `sample`. */
  topP?: number;
  /** As for `sample`. */
  minP?: number;
  /** An integer from 0 to 2⁵³ − 1 that decides what is drawn. Default: another for each call. */
  seed?: number;
  /** Lists of tokens each of which ends the generation once it was generated; all are given. Default: none. */
  stop?: readonly (readonly number[])[];
  /** Milliseconds from now, after which the generation ends with what it has. Default: none. */
  deadline?: number;
  /** Ends the generation: reading it throws the signal's reason. */
  signal?: AbortSignal;
}

/** Options that were read, with all defaults. */
export interface EngineLimits {
  readonly pages: number;
  readonly sequences: number;
  readonly tokensPerStep: number | undefined;
  readonly waitingRequests: number;
  readonly waitingTokens: number;
  readonly prefixes: boolean;
}

/** What one generation is to do. */
export interface GenerationRequest {
  readonly prompt: readonly number[];
  readonly maxTokens: number;
  readonly sampling: Sampling;
  readonly stop: readonly (readonly number[])[];
  readonly deadline: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** More are a mistake. */
const most = 2 ** 24;
const longestDeadline = 2 ** 31 - 1;
const mostStops = 64;

function integerOption(value: unknown, name: string, low: number, byDefault: number): number {
  return value === undefined ? byDefault : integerBetween(value, `options.${name}`, low, most);
}

export function readEngineOptions(options: unknown): EngineLimits {
  if (options === undefined) throw invalid('options', 'an object', options);
  const values = readOptions(options, ['pages', 'sequences', 'tokensPerStep', 'waiting', 'prefixes']);
  const waiting = readOptions(values.waiting, ['requests', 'tokens'], 'options.waiting');
  const { tokensPerStep } = values;
  return {
    pages: integerBetween(values.pages, 'options.pages', 1, most),
    sequences: integerOption(values.sequences, 'sequences', 1, 64),
    tokensPerStep:
      tokensPerStep === undefined ? undefined : integerOption(tokensPerStep, 'tokensPerStep', 1, 0),
    waitingRequests: integerOption(waiting.requests, 'waiting.requests', 0, 256),
    waitingTokens: integerOption(waiting.tokens, 'waiting.tokens', 0, 2 ** 18),
    prefixes: booleanOption(values.prefixes, 'options.prefixes', true),
  };
}

/** A model's numbers, read once. */
export function readModel(model: unknown): Omit<ServedModel, 'open'> {
  if (typeof model !== 'object' || model === null) throw invalid('model', 'a model', model);
  const property = (name: string) => readProperty(model, name, 'model');
  if (typeof property('open') !== 'function') throw invalid('model.open', 'a function', property('open'));
  const vocabulary = integerBetween(property('vocabulary'), 'model.vocabulary', 1, 2 ** 31 - 1);
  return {
    vocabulary,
    longest: integerBetween(property('longest'), 'model.longest', 1, Number.MAX_SAFE_INTEGER),
    endOfText: readTokens(property('endOfText'), 'model.endOfText', vocabulary),
  };
}

function readTokens(value: unknown, name: string, vocabulary: number): number[] {
  return guard(name, () => readIntegerElements(value, name)).map((token, i) =>
    integerElement(token, `${name}[${i}]`, 0, vocabulary - 1),
  );
}

function readStops(value: unknown, vocabulary: number): number[][] {
  if (value === undefined) return [];
  return readList(value, 'options.stop', mostStops).map((list, i) => {
    const stop = readTokens(list, `options.stop[${i}]`, vocabulary);
    if (stop.length === 0) throw invalid(`options.stop[${i}]`, 'a list of at least one token', list);
    return stop;
  });
}

const samplingNames = ['temperature', 'topK', 'topP', 'minP', 'seed'] as const;

/** As of one row of logits, with a seed. */
function readSamplingOptions(
  values: { readonly [Name in (typeof samplingNames)[number]]?: unknown },
  vocabulary: number,
): Sampling {
  for (const name of samplingNames) {
    // `sample` takes lists.
    if (typeof values[name] === 'object') throw invalid(`options.${name}`, 'a number', values[name]);
  }
  return readSampling({ ...values, seed: values.seed ?? randomInt(2 ** 48 - 1) }, 1, vocabulary)[0];
}

/** @param longest the most steps of a sequence, and `room` those that all pages hold */
export function readRequest(
  promptValue: unknown,
  options: unknown,
  { vocabulary, longest, room }: { vocabulary: number; longest: number; room: number },
): GenerationRequest {
  if (options === undefined) throw invalid('options', 'an object', options);
  const values = readOptions(options, [...samplingNames, 'maxTokens', 'stop', 'deadline', 'signal']);
  const prompt = readTokens(promptValue, 'prompt', vocabulary);
  if (prompt.length === 0) throw invalid('prompt', 'at least one token', promptValue);
  const maxTokens = integerBetween(values.maxTokens, 'options.maxTokens', 1, 2 ** 31);
  const request = {
    prompt,
    maxTokens: Math.min(maxTokens, Math.min(longest, room) - prompt.length),
    sampling: readSamplingOptions(values, vocabulary),
    stop: readStops(values.stop, vocabulary),
    deadline:
      values.deadline === undefined
        ? undefined
        : integerBetween(values.deadline, 'options.deadline', 0, longestDeadline),
    signal: signalOption(values.signal, 'options.signal'),
  };
  if (prompt.length >= longest) throw tooLong('HEED_CACHE_FULL', `${longest} steps of the model`, prompt);
  if (prompt.length >= room) throw tooLong('HEED_POOL_FULL', `${room} steps of the engine's pages`, prompt);
  return request;
}

function tooLong(
  code: 'HEED_CACHE_FULL' | 'HEED_POOL_FULL',
  limit: string,
  { length }: readonly number[],
): HeedError {
  return new HeedError(code, `Expected prompt to be shorter than the ${limit}, received ${length} tokens`);
}
