/** Rotary positions by the fields of a config.json, as transformers 4 and 5 write them. */
import { describe } from '../checks/values.js';
import type { ConfigFields, FieldValues } from './config-fields.js';

/** How a family says its rotary positions, where it differs from Llama. */
export interface RotarySource {
  /** The fields of θ, by the kind of a layer. Default: `rope_theta` for all. */
  readonly thetas?: Readonly<Record<string, string>>;
  /** The kinds of layers that `rope_scaling` holds for. Default: all. */
  readonly scaled?: readonly string[];
  /** What stands for `rope_scaling` where a file has none. */
  readonly scaling?: FieldValues;
  /** The length in training where a file has none. Default: `max_position_embeddings`. */
  readonly length?: number;
  readonly interleaved?: true;
}

const commonFields = [
  ...['rope_parameters', 'rope_scaling', 'partial_rotary_factor'],
  ...['max_position_embeddings', 'original_max_position_embeddings'],
  ...['head_dim', 'hidden_size', 'num_attention_heads'],
];

/** The fields that {@link readRotaryFields} understands. */
export function rotaryFields({ thetas }: RotarySource): readonly string[] {
  return [...commonFields, ...(thetas ? Object.values(thetas) : ['rope_theta'])];
}

/** What each type of scaling takes from the file, beside the length in training. */
const scalingFields: Readonly<Record<string, readonly string[]>> = {
  linear: ['factor'],
  dynamic: ['factor'],
  yarn: ['factor', 'attention_factor', 'beta_fast', 'beta_slow', 'mscale', 'mscale_all_dim', 'truncate'],
  llama3: ['factor', 'low_freq_factor', 'high_freq_factor'],
  longrope: ['factor', 'short_factor', 'long_factor', 'attention_factor'],
};

/** Understood for every type, or without an effect in transformers. */
const generalFields = [
  ...['type', 'rope_type', 'rope_theta', 'partial_rotary_factor', 'original_max_position_embeddings'],
  'finetuned',
];

/** @param kind the kind of the layer, asked only where that matters */
export function readRotaryFields(fields: ConfigFields, source: RotarySource, kind: () => string): object {
  const parameters = parametersOf(fields, source, kind);
  const type = typeOf(fields, parameters);
  if (type !== undefined && !Object.hasOwn(scalingFields, type)) {
    throw fields.ask('rotary', `heed does not support rotary scaling of type ${describe(type)}`);
  }
  const known = [...generalFields, ...(type === undefined ? [] : scalingFields[type])];
  const unknown = Object.keys(parameters).find((name) => !known.includes(name) && parameters[name] !== null);
  if (unknown !== undefined) {
    throw fields.ask('rotary', `heed does not know ${unknown} of rotary scaling '${type ?? 'default'}'`);
  }
  const field = source.thetas === undefined ? 'rope_theta' : source.thetas[kind()];
  const theta = parameters.rope_theta ?? fields.get(field) ?? undefined;
  if (theta === undefined) {
    throw fields.ask('rotary', `versions of transformers disagree about ${field}, which is missing`);
  }
  const dims = rotatedDims(fields, parameters.partial_rotary_factor ?? fields.get('partial_rotary_factor'));
  return {
    theta,
    ...(dims !== undefined && { dims }),
    ...(source.interleaved && { interleaved: true }),
    ...(type !== undefined && { scaling: scalingOf(fields, source, parameters, type) }),
  };
}

/** `rope_scaling` of transformers 4, or `rope_parameters` of 5, which may have an object for each kind of layer. */
function parametersOf(fields: ConfigFields, source: RotarySource, kind: () => string): FieldValues {
  const scaling = fields.object('rope_scaling');
  const parameters = fields.object('rope_parameters');
  const isNested =
    parameters !== undefined && Object.keys(parameters).some((name) => name.endsWith('_attention'));
  const isScaled = scaling !== undefined && (source.scaled === undefined || source.scaled.includes(kind()));
  if (parameters === undefined) {
    if (scaling !== undefined) return isScaled ? scaling : {};
    if (source.scaling === undefined) return {};
    if (fields.get('rope_scaling') === undefined) return source.scaling;
    throw fields.ask('rotary', 'versions of transformers disagree about a rope_scaling of null');
  }
  if (source.thetas !== undefined && !isNested && Object.keys(parameters).length > 0) {
    throw fields.ask('rotary', 'rope_parameters does not say which kind of layers it is for');
  }
  const own = isNested ? nested(fields, parameters, kind()) : parameters;
  const other = Object.keys(isScaled ? scaling : {}).find(
    (name) => JSON.stringify(own[name]) !== JSON.stringify(scaling?.[name]),
  );
  if (other !== undefined) {
    throw fields.ask('rotary', `rope_parameters and rope_scaling disagree about ${other}`);
  }
  return own;
}

function nested(fields: ConfigFields, parameters: FieldValues, kind: string): FieldValues {
  const beside = Object.keys(parameters).find((name) => !name.endsWith('_attention'));
  if (beside !== undefined) {
    throw fields.ask('rotary', `rope_parameters has ${beside} beside kinds of layers`);
  }
  const own = parameters[kind];
  if (typeof own === 'object' && own !== null && !Array.isArray(own)) return own as FieldValues;
  throw fields.ask('rotary', `rope_parameters has nothing for layers of the kind ${kind}`);
}

/** Undefined where frequencies are not scaled. */
function typeOf(fields: ConfigFields, parameters: FieldValues): string | undefined {
  const { rope_type: now, type: before } = parameters;
  const named = [now, before].filter((name) => name !== undefined && name !== null).map(canonicalType);
  if (named.length === 2 && named[0] !== named[1]) {
    throw fields.ask('rotary', `type and rope_type of the scaling disagree`);
  }
  const [type] = named;
  if (type === undefined || type === 'default') return undefined;
  // Early files of Phi-3 say yarn.
  return type === 'yarn' && parameters.short_factor !== undefined ? 'longrope' : type;
}

function canonicalType(type: unknown): string {
  return type === 'su' ? 'longrope' : String(type);
}

/** Undefined for all of a head. */
function rotatedDims(fields: ConfigFields, part: unknown): number | undefined {
  if (part === undefined || part === null || part === 1) return undefined;
  if (typeof part !== 'number' || !(part > 0 && part < 1)) {
    throw fields.wrong('partial_rotary_factor', 'a number greater than 0 and at most 1', part);
  }
  const width = fields.width(fields.number('num_attention_heads', 1) ?? Number.NaN);
  if (width === undefined) throw fields.wrong('hidden_size', 'a number', fields.get('hidden_size'));
  return Math.floor(width * part);
}

function scalingOf(
  fields: ConfigFields,
  source: RotarySource,
  parameters: FieldValues,
  type: string,
): FieldValues {
  const options: Record<string, unknown> = { type };
  for (const name of scalingFields[type]) {
    const value = parameters[name] ?? undefined;
    if (value !== undefined) options[camelCase(name)] = value;
  }
  if (type === 'linear') return options;
  const longest = fields.number('max_position_embeddings', 1);
  const trained = trainedLength(fields, source, parameters);
  if (type === 'dynamic' && trained !== undefined && trained !== longest) {
    const why = 'transformers begins dynamic scaling at max_position_embeddings';
    throw fields.ask('rotary', `${why}, and original_max_position_embeddings says otherwise`);
  }
  options.originalMaxPositionEmbeddings = trained ?? longest;
  if (type === 'yarn' || type === 'longrope') {
    options.factor ??= ratio(longest, trained);
    if (type === 'longrope' && !Object.hasOwn(options, 'attentionFactor')) {
      expectRatio(fields, options.factor, ratio(longest, trained));
    }
  }
  return options;
}

/** Of all that a file can say, one is enough, and they must not disagree. */
function trainedLength(
  fields: ConfigFields,
  { length }: RotarySource,
  parameters: FieldValues,
): number | undefined {
  const own = parameters.original_max_position_embeddings ?? undefined;
  const outer = fields.number('original_max_position_embeddings', 1);
  if (own !== undefined && outer !== undefined && own !== outer) {
    throw fields.ask('rotary', 'original_max_position_embeddings is there twice and differs');
  }
  return (own as number | undefined) ?? outer ?? length;
}

function ratio(longest: number | undefined, trained: number | undefined): number | undefined {
  if (longest === undefined || trained === undefined) return undefined;
  return Math.max(longest / trained, 1);
}

/** Transformers 4 takes the ratio of the lengths, transformers 5 the factor. */
function expectRatio(fields: ConfigFields, factor: unknown, lengths: number | undefined): void {
  if (lengths === undefined || factor === lengths) return;
  throw fields.ask('rotary', 'factor of the scaling is not the ratio of max_position_embeddings to training');
}

function camelCase(name: string): string {
  return name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}
