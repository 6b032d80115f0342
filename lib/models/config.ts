/** What the config.json of a model says of everything but its attention layers. */
import { describe } from '../checks/values.js';
import { HeedError } from '../errors.js';
import {
  ConfigFields,
  type FieldValues,
  isSuspicious,
  isUnset,
  placeOf,
} from '../multi-head-attention/config-fields.js';
import { readConfigFile, withoutAliases } from '../multi-head-attention/model-config.js';
import type { Activation } from '../problem/problem.js';
import { families, type ModelFamily } from './families.js';

/** What a model is, apart from its weights. */
export interface ModelConfig {
  /** transformers' name of the family: `model_type` in config.json. */
  readonly modelType: string;
  /** The number of blocks. */
  readonly layers: number;
  /** Elements of a row of hidden states. */
  readonly width: number;
  /** The number of tokens that there are. */
  readonly vocabulary: number;
  /** The most steps of a sequence. */
  readonly longest: number;
}

/** The names of activations in config.json, and of those of heed. */
const activations = {
  gelu: 'gelu',
  gelu_new: 'gelu-tanh',
  gelu_pytorch_tanh: 'gelu-tanh',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
} as const satisfies Record<string, Activation>;

/** What the fields say, before any tensor is read. */
export interface ReadConfig {
  readonly path: string;
  readonly family: ModelFamily;
  readonly modelType: string;
  readonly layers: number;
  /** How many blocks share the weights of one. */
  readonly layersPerGroup: number;
  readonly activation: Activation;
  readonly epsilon: number;
  /** Whether the rows of tokens are what logits are products with. */
  readonly tied: boolean;
  /** 0 for none. */
  readonly softcap: number;
  readonly padding: number;
  /** The most steps of a sequence, where no table of positions says it. */
  readonly longest: number;
  /** As the file has it, where it does: the tensors must agree. */
  readonly stated: { readonly [Size in 'width' | 'inner' | 'vocabulary' | 'longest']: number | undefined };
  readonly endOfText: readonly number[];
}

/** Fields that {@link readConfig} reads for every family. */
const common = [
  ...['num_hidden_layers', 'hidden_size', 'intermediate_size', 'vocab_size', 'max_position_embeddings'],
  ...['tie_word_embeddings', 'pad_token_id', 'eos_token_id', 'num_hidden_groups', 'inner_group_num'],
  ...['embedding_size', 'type_vocab_size', 'num_attention_heads', 'head_dim'],
];

/**
 * Fields with such a name may say something of what lies between attention layers. One of these that no family knows is
 * refused; so are those of attention, when its layers are loaded.
 */
const telling =
  /act|norm|eps|embed|multiplier|scal|resid|tie|cap|expert|moe|mlp|ffn|parallel|logit|quant|adapter|prun|layer|group|router|memory|conv|ssm/i;

/** Of these, fields that change no number, or whose effect the tensors show. */
const harmless = /drop|bias|_implementation$|^pooler_|^summary_|^initializer/;

/** Values that change nothing, of fields that every family may have. */
const accepted: Readonly<Record<string, readonly unknown[]>> = {
  tie_encoder_decoder: [false],
  add_cross_attention: [false],
  is_encoder_decoder: [false],
};

export async function readConfig(folder: string): Promise<ReadConfig> {
  const file = await readConfigFile(folder);
  if (file === undefined) {
    throw new HeedError('HEED_FILE_ERROR', `Expected ${folder} to hold config.json, found none`);
  }
  const { path, values } = file;
  const family = familyOf(path, values.model_type);
  const named = withoutAliases(path, values, family);
  const fields = new ConfigFields(path, String(values.model_type), placeOf(''), named, family.defaults);
  expectKnown(fields, named, family);
  const layers = count(fields, 'num_hidden_layers', 1);
  return {
    path,
    family,
    modelType: fields.modelType,
    layers,
    layersPerGroup: readGroups(fields, layers),
    activation: readActivation(fields, family),
    epsilon:
      typeof family.norm.epsilon === 'number'
        ? family.norm.epsilon
        : readEpsilon(fields, family.norm.epsilon),
    tied: family.kind === 'decoder' && fields.flag('tie_word_embeddings'),
    softcap: family.logits?.softcap === undefined ? 0 : (fields.number(family.logits.softcap) ?? 0),
    padding: fields.number('pad_token_id') ?? 0,
    stated: {
      width: stated(fields, 'hidden_size'),
      inner: stated(fields, 'intermediate_size'),
      vocabulary: stated(fields, 'vocab_size'),
      longest: stated(fields, 'max_position_embeddings'),
    },
    longest: count(fields, 'max_position_embeddings', 1),
    endOfText: readTokens(path, 'eos_token_id', named.eos_token_id),
  };
}

function familyOf(path: string, type: unknown): ModelFamily {
  const family = families.find(({ modelTypes }) => modelTypes.some((known) => known === type));
  if (family !== undefined) return family;
  const known = families.flatMap(({ modelTypes }) => modelTypes).join(', ');
  throw new HeedError(
    'HEED_INVALID_ARGUMENT',
    `Expected model_type in ${path} to be one of ${known}, received ${describe(type)}`,
  );
}

/** One token or a list of them; none where there is no value. */
export function readTokens(path: string, name: string, value: unknown): number[] {
  if (value === undefined || value === null) return [];
  const tokens: unknown[] = Array.isArray(value) ? value : [value];
  const wrong = tokens.find((token) => !Number.isSafeInteger(token) || (token as number) < 0);
  if (wrong === undefined) return tokens as number[];
  throw new HeedError(
    'HEED_MALFORMED_FILE',
    `Malformed file ${path}: expected ${name} to be a token or a list of tokens, received ${describe(wrong)}`,
  );
}

function count(fields: ConfigFields, name: string, least: number): number {
  const number = fields.number(name, least);
  if (Number.isInteger(number)) return number as number;
  throw fields.wrong(name, 'an integer', number);
}

function stated(fields: ConfigFields, name: string): number | undefined {
  return fields.has(name) ? count(fields, name, 1) : undefined;
}

/** ALBERT's blocks share the weights of their group, which here is one block. */
function readGroups(fields: ConfigFields, layers: number): number {
  const groups = fields.number('num_hidden_groups', 1) ?? layers;
  const inner = fields.number('inner_group_num', 1) ?? 1;
  if (inner !== 1) throw refuse(fields, 'inner_group_num', 'left out or 1');
  if (layers % groups !== 0) throw refuse(fields, 'num_hidden_groups', `a divisor of ${layers} layers`);
  return layers / groups;
}

function readActivation(fields: ConfigFields, { activation }: ModelFamily): Activation {
  const name = fields.get(activation);
  if (typeof name === 'string' && Object.hasOwn(activations, name))
    return activations[name as keyof typeof activations];
  throw refuse(fields, activation, `one of ${Object.keys(activations).join(', ')}`);
}

function readEpsilon(fields: ConfigFields, name: string): number {
  const epsilon = fields.number(name);
  if (epsilon === undefined) throw fields.wrong(name, 'a non-negative number', epsilon);
  return epsilon;
}

function expectKnown(fields: ConfigFields, values: FieldValues, family: ModelFamily): void {
  const { norm, activation, logits } = family;
  const known = new Set([...common, norm.epsilon, activation, logits?.softcap]);
  const good = { ...accepted, ...family.accepted };
  for (const [name, value] of Object.entries(values)) {
    if (known.has(name) || isUnset(value)) continue;
    const choices = Object.hasOwn(good, name) ? good[name] : undefined;
    if (choices?.includes(value)) continue;
    const tells = telling.test(name) && !harmless.test(name) && !isSuspicious(name);
    if (choices === undefined && !tells) continue;
    throw refuse(
      fields,
      name,
      choices ? `left out or ${choices.map(describe).join(' or ')}` : 'left out or null',
    );
  }
}

/** A field that would change numbers in a way that heed does not know. */
function refuse(fields: ConfigFields, name: string, expectation: string): HeedError {
  return new HeedError(
    'HEED_INVALID_ARGUMENT',
    `Expected ${name} in ${fields.path} to be ${expectation} for a model of the type ${fields.modelType}, received ${describe(fields.get(name))}`,
  );
}
