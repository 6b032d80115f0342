/** How rotary frequencies change for long sequences: the options, spelt as in the config.json of checkpoints. */
import { readNumberList } from '../checks/numbers.js';
import { type OptionValues, readOptions } from '../checks/options.js';
import { booleanOption, choiceOption, integerBetween, invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { widestHead } from '../problem/problem.js';
import type { NumberList } from '../tensor/types.js';

/**
 * Position interpolation (Chen et al. 2023, "Extending Context Window of Large Language Models via Positional
 * Interpolation"): every frequency f becomes f / factor, as if positions were closer to each other.
 */
export interface LinearScaling {
  /** `rope_type` of checkpoints. */
  type: 'linear';
  /** How many times longer sequences may be; at least 1. */
  factor: number;
}

/**
 * Dynamic NTK-aware scaling (bloc97 and emozilla 2023, in the LocalLLaMA community; section 3.2 of Peng et al.
 * 2023): in a sequence of length n > L = originalMaxPositionEmbeddings, θ becomes
 * θ · (factor · n / L − (factor − 1))^(dims / (dims − 2)). Shorter sequences are unchanged. The length of a batch
 * entry is its largest position of a valid key, plus one. Keys in a cache stay as they were rotated when they
 * were appended, as in transformers.
 */
export interface DynamicScaling {
  /** `rope_type` of checkpoints. */
  type: 'dynamic';
  /** How fast θ grows with the length; at least 1. */
  factor: number;
  /** The length that the model was trained for; `max_position_embeddings` of checkpoints with this scaling. */
  originalMaxPositionEmbeddings: number;
}

/**
 * YaRN (Peng et al. 2023, "YaRN: Efficient Context Window Extension of Large Language Models"): pairs that turn
 * often within L = originalMaxPositionEmbeddings positions keep their frequency f, pairs that turn rarely get
 * f / factor, and pairs between them get f · (1 − γ) + f / factor · γ, where γ = (i − low) / (high − low),
 * limited to 0 … 1, for pair i. Pair d(β) = dims · ln(L / 2πβ) / (2 ln θ) makes β turns:
 * low = ⌊d(betaFast)⌋, at least 0, and high = ⌈d(betaSlow)⌉, at most dims − 1. Cosines and sines are
 * multiplied by the attention factor, and scores therefore by its square.
 */
export interface YarnScaling {
  /** `rope_type` of checkpoints. */
  type: 'yarn';
  /** How many times longer sequences may be; at least 1. */
  factor: number;
  /** The length that the model was trained for. */
  originalMaxPositionEmbeddings: number;
  /**
   * Multiplies cosines and sines. Default: m(mscale) / m(mscaleAllDim) when both are given and not 0, else m(1),
   * where m(s) = 0.1 · s · ln(factor) + 1.
   */
  attentionFactor?: number;
  /** Pairs with at least this many turns keep their frequency. Default 32. */
  betaFast?: number;
  /** Pairs with at most this many turns get f / factor. Default 1. */
  betaSlow?: number;
  /** DeepSeek's weight of the attention factor. */
  mscale?: number;
  /** DeepSeek's weight of what the attention factor is divided by. */
  mscaleAllDim?: number;
  /** Whether low and high are rounded to whole pairs. Default true; gpt-oss has false. */
  truncate?: boolean;
}

/**
 * The scaling of Llama 3.1 (Grattafiori et al. 2024, "The Llama 3 Herd of Models"): with
 * L = originalMaxPositionEmbeddings and the wavelength w = 2π / f, frequencies of w < L / highFreqFactor stay, those
 * of w > L / lowFreqFactor become f / factor, and between them (1 − s) · f / factor + s · f, where
 * s = (L / w − lowFreqFactor) / (highFreqFactor − lowFreqFactor).
 */
export interface Llama3Scaling {
  /** `rope_type` of checkpoints. */
  type: 'llama3';
  /** What low frequencies are divided by; at least 1. */
  factor: number;
  /** Frequencies with at most this many turns within the original length are low. */
  lowFreqFactor: number;
  /**
   * Frequencies with at least this many turns within the original length are high; greater than
   * lowFreqFactor.
   */
  highFreqFactor: number;
  /** The length that the model was trained for. */
  originalMaxPositionEmbeddings: number;
}

/**
 * LongRoPE (Ding et al. 2024, "LongRoPE: Extending LLM Context Window Beyond 2 Million Tokens"), as in Phi-3 and
 * MiniCPM: the frequency f of pair i becomes f / shortFactor[i] in sequences of up to
 * L = originalMaxPositionEmbeddings steps, and f / longFactor[i] in longer ones. Cosines and sines are multiplied
 * by the attention factor, whatever the length. The length of a batch entry is its largest position of a valid key, plus one.
 * Keys in a cache stay as they were rotated when they were appended: a sequence that grows beyond L goes on from
 * keys with the short factors, unless it is computed anew with an empty cache, as transformers does for Phi-3.
 */
export interface LongRopeScaling {
  /** `rope_type` of checkpoints; early ones have 'su'. */
  type: 'longrope';
  /** One positive number for each pair, in a list or a tensor [dims / 2] of a floating-point type. Copied. */
  shortFactor: NumberList;
  /** The same, for sequences longer than originalMaxPositionEmbeddings. */
  longFactor: NumberList;
  /** The length that the model was trained for; at least 2. */
  originalMaxPositionEmbeddings: number;
  /**
   * How many times longer sequences may be; at least 1. Checkpoints often have the ratio
   * max_position_embeddings / original_max_position_embeddings instead. Needed unless attentionFactor is given,
   * which alone depends on it.
   */
  factor?: number;
  /** Multiplies cosines and sines. Default: √(1 + ln(factor) / ln(L)). */
  attentionFactor?: number;
}

/** The scaling of the frequencies of {@link RotaryOptions}; `rope_scaling` of checkpoints. */
export type RotaryScaling = LinearScaling | DynamicScaling | YarnScaling | Llama3Scaling | LongRopeScaling;

/** What was read of the options, with every default resolved. */
export type Scaling =
  | Readonly<LinearScaling>
  | Readonly<DynamicScaling>
  | Readonly<Pick<YarnScaling, 'type' | 'factor' | 'originalMaxPositionEmbeddings'> & YarnDefaults>
  | Readonly<Llama3Scaling>
  | LongRope;

interface LongRope {
  readonly type: 'longrope';
  readonly shortFactor: readonly number[];
  readonly longFactor: readonly number[];
  readonly originalMaxPositionEmbeddings: number;
  readonly attentionFactor: number;
}

interface YarnDefaults {
  attentionFactor: number;
  betaFast: number;
  betaSlow: number;
  truncate: boolean;
}

const optionNames = {
  linear: ['type', 'factor'],
  dynamic: ['type', 'factor', 'originalMaxPositionEmbeddings'],
  yarn: [
    'type',
    'factor',
    'originalMaxPositionEmbeddings',
    'attentionFactor',
    'betaFast',
    'betaSlow',
    'mscale',
    'mscaleAllDim',
    'truncate',
  ],
  llama3: ['type', 'factor', 'lowFreqFactor', 'highFreqFactor', 'originalMaxPositionEmbeddings'],
  longrope: [
    'type',
    'shortFactor',
    'longFactor',
    'originalMaxPositionEmbeddings',
    'factor',
    'attentionFactor',
  ],
} as const;
const types = Object.keys(optionNames) as (keyof typeof optionNames)[];
const allNames = [...new Set(types.flatMap((type) => [...optionNames[type]]))];
type Name = (typeof allNames)[number];

export function readScaling(value: unknown, name: string): Scaling | undefined {
  if (value === undefined) return undefined;
  const values = readOptions(value, allNames, name);
  const type = readType(values.type, `${name}.type`);
  rejectOthers(values, type, name);
  if (type === 'longrope') return readLongRope(values, name);
  const factor = number(values, 'factor', name, 1);
  switch (type) {
    case 'linear':
      return { type, factor };
    case 'dynamic':
      return { type, factor, originalMaxPositionEmbeddings: originalLength(values, name) };
    case 'yarn':
      return readYarn(values, name, factor);
    case 'llama3':
      return readLlama3(values, name, factor);
  }
}

function readType(value: unknown, name: string): keyof typeof optionNames {
  if (value === undefined)
    throw new HeedError('HEED_INVALID_ARGUMENT', `Expected ${name} to be given, received undefined`);
  return choiceOption(value, name, types, 'linear');
}

/** Options of another scaling would have no effect, so they are probably a mistake. */
function rejectOthers(values: OptionValues<Name>, type: keyof typeof optionNames, name: string): void {
  const known: readonly string[] = optionNames[type];
  const other = Object.keys(values).find((key) => !known.includes(key));
  if (other !== undefined) {
    throw new HeedError(
      'HEED_UNKNOWN_OPTION',
      `Expected ${name} of type '${type}' to have only its own options (${known.join(', ')}), received '${other}'`,
    );
  }
}

function number(
  values: OptionValues<Name>,
  key: Name,
  name: string,
  least: number,
  byDefault?: number,
): number {
  const value = values[key] ?? byDefault;
  if (typeof value !== 'number' || !(value >= least && value < Number.POSITIVE_INFINITY)) {
    throw invalid(
      `${name}.${key}`,
      least > 0 ? `a finite number of at least ${least}` : 'a finite, non-negative number',
      value,
    );
  }
  return value;
}

function originalLength(values: OptionValues<Name>, name: string, least = 1): number {
  const key = 'originalMaxPositionEmbeddings';
  return integerBetween(values[key], `${name}.${key}`, least, 2 ** 31 - 1);
}

/** Non-negative numbers for pairs of elements: how many there have to be is known once a head's width is. */
export function readPairNumbers(value: unknown, name: string): readonly number[] {
  const numbers = [...readNumberList(value, name, widestHead / 2)];
  const wrong = numbers.findIndex((element) => element < 0);
  if (wrong >= 0) throw invalid(`${name}[${wrong}]`, 'a non-negative number', numbers[wrong]);
  return numbers;
}

function readFactors(value: unknown, name: string): readonly number[] {
  const factors = readPairNumbers(value, name);
  const zero = factors.indexOf(0);
  if (zero >= 0) throw invalid(`${name}[${zero}]`, 'greater than 0', 0);
  return factors;
}

function readLongRope(values: OptionValues<Name>, name: string): LongRope {
  const { factor, attentionFactor } = values;
  const original = originalLength(values, name, 2);
  const isNeeded = attentionFactor === undefined || factor !== undefined;
  const times = isNeeded ? number(values, 'factor', name, 1) : 1;
  const byDefault = Math.sqrt(1 + Math.log(times) / Math.log(original));
  return {
    type: 'longrope',
    shortFactor: readFactors(values.shortFactor, `${name}.shortFactor`),
    longFactor: readFactors(values.longFactor, `${name}.longFactor`),
    originalMaxPositionEmbeddings: original,
    attentionFactor: number(values, 'attentionFactor', name, 0, byDefault),
  };
}

function readYarn(values: OptionValues<Name>, name: string, factor: number): Scaling {
  const betaFast = number(values, 'betaFast', name, 0, 32);
  const betaSlow = number(values, 'betaSlow', name, 0, 1);
  if (betaSlow === 0) throw invalid(`${name}.betaSlow`, 'greater than 0', betaSlow);
  if (betaFast < betaSlow) throw invalid(`${name}.betaFast`, `at least betaSlow (${betaSlow})`, betaFast);
  return {
    type: 'yarn',
    factor,
    originalMaxPositionEmbeddings: originalLength(values, name),
    attentionFactor: number(values, 'attentionFactor', name, 0, attentionFactor(values, name, factor)),
    betaFast,
    betaSlow,
    truncate: booleanOption(values.truncate, `${name}.truncate`, true),
  };
}

function attentionFactor(values: OptionValues<Name>, name: string, factor: number): number {
  const m = (scale: number) => 0.1 * scale * Math.log(factor) + 1;
  const mscale = number(values, 'mscale', name, 0, 0);
  const mscaleAllDim = number(values, 'mscaleAllDim', name, 0, 0);
  return mscale > 0 && mscaleAllDim > 0 ? m(mscale) / m(mscaleAllDim) : m(1);
}

function readLlama3(values: OptionValues<Name>, name: string, factor: number): Scaling {
  const lowFreqFactor = number(values, 'lowFreqFactor', name, 0);
  const highFreqFactor = number(values, 'highFreqFactor', name, 0);
  if (highFreqFactor <= lowFreqFactor) {
    throw invalid(`${name}.highFreqFactor`, `greater than lowFreqFactor (${lowFreqFactor})`, highFreqFactor);
  }
  return {
    type: 'llama3',
    factor,
    lowFreqFactor,
    highFreqFactor,
    originalMaxPositionEmbeddings: originalLength(values, name),
  };
}
