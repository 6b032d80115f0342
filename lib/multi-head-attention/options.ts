/** The options of a layer, checked without knowing its weights. */
import type { Score, Selection } from '../attention/options.js';
import { readScoring, type ScoringOptions } from '../attention/scoring.js';
import type { Backend, BackendName } from '../backends/backend.js';
import { chooseBackend } from '../backends/choose.js';
import { expectLocation } from '../checks/location.js';
import type { OptionValues } from '../checks/options.js';
import { choiceOption, epsilonOption, integerBetween } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { QuantisedType } from '../problem/quantised-weight.js';
import { quantisedTypeOption } from '../projection/quantise-weight.js';
import { type Rotary, type RotaryOptions, readRotary } from '../rotary/options.js';
import { type FloatType, floatTypes, type Location, type NumberList } from '../tensor/types.js';
import { type RelativeBiasArgument, type RelativeBiasOptions, readRelativeBias } from './relative-bias.js';

/** What a layer computes and how: what its weights do not determine. */
export interface MultiHeadAttentionOptions {
  /** Query heads. */
  heads: number;
  /** Key and value heads, shared by consecutive groups of query heads; divides `heads`. Default: as many as heads. */
  keyValueHeads?: number;
  /** Whether steps attend only themselves and earlier steps. Default false. */
  causal?: boolean;
  /**
   * Local attention: a query attends only keys at most this many positions before or after it. A side that is
   * not given is unbounded.
   */
  window?: {
    /** Positions before the query. */
    left?: number;
    /** Positions after the query. */
    right?: number;
  };
  /** Caps scores smoothly: cap · tanh(score / cap). Default 0: not capped. */
  softcap?: number;
  /** The score function: how similar a query and a key are. Its weights are copied. Default 'scaled-dot'. */
  score?: Score;
  /** Multiplies the score. Default 1/√width for 'scaled-dot', 1 for all other scores. */
  scale?: number;
  /**
   * One per query head: slope · distance is added to scores. With one list per batch entry, every call has to
   * have as many entries.
   */
  alibiSlopes?: NumberList | readonly NumberList[];
  /** 'signed' (default): key position − query position. 'absolute': −|key position − query position|. */
  alibiDistance?: 'signed' | 'absolute';
  /** Biases of scores by the distance of key and query, as in T5; added with the mask. Default: none. */
  relativeBias?: RelativeBiasOptions;
  /** One logit per query head that takes part in the softmax and contributes no value. */
  sinks?: NumberList;
  /** Rotates queries and keys by their positions, as in Llama. Default: no rotation. */
  rotary?: RotaryOptions;
  /** Added to the mean square of a head that is normalised (`queryNorm`, `keyNorm`); `rms_norm_eps` of checkpoints. Default 1e-6. */
  normEpsilon?: number;
  /** How the weights select values; centers are copied. A call may override it. Default 'soft'. */
  select?: Selection;
  /**
   * Where the layer computes and stores its weights: 'cpu', or a device. Inputs in the memory of the CPU are
   * copied to the device, and their results back. Default: where the query weight is.
   */
  location?: Location;
  /**
   * The type of inputs, weights, intermediate and final results; weights of another type are cast. Default:
   * that of the query weight.
   */
  type?: FloatType;
  /**
   * Rounds the weights of the linear maps to int8 or int4, as {@link PackWeightOptions.type} says; biases and norms stay as they are.
   * Weights of a file that `heed quantize` wrote are what they are there. On the CPU only. Default: not rounded.
   */
  weights?: QuantisedType;
  /** 'auto' (default) as for attention. */
  backend?: BackendName;
}

export const layerOptionNames = [
  'heads',
  'keyValueHeads',
  'causal',
  'window',
  'softcap',
  'score',
  'scale',
  'alibiSlopes',
  'alibiDistance',
  'relativeBias',
  'sinks',
  'rotary',
  'normEpsilon',
  'select',
  'location',
  'type',
  'weights',
  'backend',
] as const;

export type LayerOptionName = (typeof layerOptionNames)[number];

export interface LayerOptions {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly scoring: ScoringOptions;
  readonly relativeBias: RelativeBiasArgument | undefined;
  readonly rotary: Rotary | undefined;
  readonly normEpsilon: number;
  /** Undefined for the type of the query weight. */
  readonly type: FloatType | undefined;
  /** What weights are rounded to; undefined if they are not, or were before. */
  readonly weights: QuantisedType | undefined;
  /** @param weights their location, which is the default location of the layer */
  readonly chooseBackend: (type: FloatType, weights: Location) => Backend;
}

const mostHeads = 65536;

export function checkLayerOptions(values: OptionValues<LayerOptionName>): LayerOptions {
  const heads = integerBetween(values.heads, 'options.heads', 1, mostHeads);
  const { backend } = values;
  const scoring = readScoring(values, heads);
  const location =
    values.location === undefined ? undefined : expectLocation(values.location, 'options.location');
  return {
    heads,
    keyValueHeads: readKeyValueHeads(values.keyValueHeads, heads),
    scoring,
    relativeBias: readRelativeBias(values.relativeBias, 'options.relativeBias', {
      heads,
      causal: scoring.window.right === 0,
    }),
    rotary: readRotary(values.rotary, 'options.rotary'),
    normEpsilon: epsilonOption(values.normEpsilon, 'options.normEpsilon'),
    type:
      values.type === undefined
        ? undefined
        : choiceOption(values.type, 'options.type', floatTypes, 'float32'),
    weights:
      values.weights === undefined ? undefined : quantisedTypeOption(values.weights, 'options.weights'),
    chooseBackend: (type, weights) => chooseBackend(backend, type, location ?? weights),
  };
}

function readKeyValueHeads(value: unknown, heads: number): number {
  const keyValueHeads =
    value === undefined ? heads : integerBetween(value, 'options.keyValueHeads', 1, heads);
  if (heads % keyValueHeads !== 0) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected options.heads to be a multiple of options.keyValueHeads (${keyValueHeads}), received ${heads}`,
    );
  }
  return keyValueHeads;
}
