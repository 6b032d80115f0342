/**
 * What the config.json beside a checkpoint says of one of its attention layers, as options of a layer. The names are those
 * of Hugging Face's transformers, which wrote most such files.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, describeDims } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { isObject, malformed, parseJsonFile } from '../safetensors/json.js';
import { locate } from '../safetensors/paths.js';
import {
  accepted,
  ConfigFields,
  type FieldValues,
  isSuspicious,
  isUnset,
  type LayerPlace,
  placeOf,
} from './config-fields.js';
import type { MultiHeadAttentionWeights } from './linear.js';
import { composites, type Family, families, type RelativeBiasFields, widthFields } from './model-families.js';
import type { LayerOptionName } from './options.js';

export type LayerValues = { [Name in LayerOptionName]?: unknown };

/** What config.json says of a layer. */
export interface ModelConfig {
  readonly path: string;
  /** Of the part of the model that the layer is in. */
  readonly modelType: string;
  /** Without those that the caller gives. */
  readonly options: LayerValues;
  /** The width of a head; undefined where the file says nothing of it, or the caller gives the heads. */
  readonly width: number | undefined;
  /** Whether queries and keys are normalised; undefined where only the tensors say it. */
  readonly norms: boolean | undefined;
  readonly relativeBias: RelativeBiasFields | undefined;
}

/**
 * Reads the config.json in a directory; undefined where there is none.
 *
 * @param prefix of the layer's tensors, which says where in the model the layer is
 * @param given options of the caller, which need no answer there
 * @param check of the options that it says; what it throws is an error of the file
 */
export async function readModelConfig(
  directory: string,
  prefix: string,
  given: LayerValues,
  check: (values: LayerValues) => unknown,
): Promise<ModelConfig | undefined> {
  const file = await readConfigFile(directory);
  return file && interpret(file.values, file.path, prefix, given, check);
}

/** The fields of the config.json in a directory; undefined where there is none. */
export async function readConfigFile(
  directory: string,
): Promise<{ path: string; values: FieldValues } | undefined> {
  const path = join(directory, 'config.json');
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new HeedError('HEED_FILE_ERROR', `Could not read ${path}: ${error.message}`, { cause: error });
  });
  return bytes && { path, values: parseJsonFile(bytes, 'the configuration', path) as FieldValues };
}

/** What the fields of a config.json mean for a layer. */
export function interpret(
  whole: FieldValues,
  path: string,
  prefix: string,
  given: LayerValues,
  check: (values: LayerValues) => unknown,
): ModelConfig {
  const place = placeOf(prefix);
  const { type, values } = partOf(path, place, whole);
  const family = families.find(({ modelTypes }) => modelTypes.some((known) => known === type));
  if (family === undefined) throw unknownType(path, type);
  const named = withoutAliases(path, values, family);
  const fields = new ConfigFields(path, String(type), place, named, family.defaults);
  expectKnown(fields, named, family);
  const options = readOptionsFrom(fields, family, given);
  try {
    check({ ...(given.heads !== undefined && { heads: given.heads }), ...options });
  } catch (error) {
    throw malformed(path, (error as Error).message, error);
  }
  const width = given.heads === undefined ? widthBy(fields, options.heads) : undefined;
  return {
    path,
    modelType: fields.modelType,
    options,
    width,
    norms: family.norms?.read(fields),
    relativeBias: family.relativeBias?.read(fields),
  };
}

/** Says what a directory without config.json lacks to load a layer from it. */
export async function expectUsable(directory: string, heads: unknown): Promise<void> {
  await locate(directory);
  if (heads !== undefined) return;
  throw new HeedError(
    'HEED_INVALID_ARGUMENT',
    `Expected options.heads to be given, since ${directory} has no config.json that says how many there are`,
  );
}

/** Fails where the tensors are not those that config.json describes: other numbers would follow. */
export function expectConfigured(
  { query, queryNorm, keyNorm }: MultiHeadAttentionWeights,
  heads: unknown,
  { path, width, norms }: ModelConfig,
): void {
  const rows = query.weight.dims[0];
  if (width !== undefined && rows !== Number(heads) * width) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected the query's weight to have ${heads} heads of ${width} rows, as ${path} says, received dims ${describeDims(query.weight.dims)}`,
    );
  }
  if (norms === undefined) return;
  for (const [name, norm] of Object.entries({ query: queryNorm, key: keyNorm })) {
    if ((norm !== undefined) === norms) continue;
    throw new HeedError(
      'HEED_UNKNOWN_TENSOR',
      `Expected a ${norms ? '' : 'layer without a '}norm of its ${name}, as ${path} says, found ${norms ? 'none' : 'one'}`,
    );
  }
}

function unknownType(path: string, type: unknown): HeedError {
  const known = [...families.flatMap(({ modelTypes }) => modelTypes), ...Object.keys(composites)].join(', ');
  return new HeedError(
    'HEED_INVALID_ARGUMENT',
    `Expected model_type in ${path} to be one of ${known}, received ${describe(type)}: give the path of the tensors instead of the directory, and options`,
  );
}

/** The fields of the part of a model that a layer is in, such as the text's of a model of text and images. */
function partOf(path: string, place: LayerPlace, whole: FieldValues): { type: unknown; values: FieldValues } {
  const type = whole.model_type;
  if (typeof type !== 'string' || !Object.hasOwn(composites, type)) return { type, values: whole };
  const part = place.segments.some((segment) => /^(vision_tower|vision_model|visual)$/.test(segment))
    ? 'vision'
    : place.segments.some((segment) => /^(language_model|text_model)$/.test(segment))
      ? 'text'
      : undefined;
  if (part === undefined) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected options.prefix to say with text_model, language_model, vision_model or vision_tower which part of a model of the type ${type} it means, received ${describe(place.prefix)}`,
    );
  }
  const { [`${part}_config`]: given, text_config: _, vision_config: __, ...shared } = whole;
  const own = given ?? {};
  if (!isObject(own))
    throw malformed(path, `expected ${part}_config to be an object, received ${describe(own)}`);
  // The part's own fields are all that counts; what stands beside them must not say more.
  const strange = Object.keys(shared).find((name) => !isUnset(shared[name]) && isSuspicious(name));
  if (strange !== undefined) {
    throw malformed(path, `expected ${strange} to stand in ${part}_config, received it beside that`);
  }
  return { type: own.model_type ?? composites[type][part], values: own };
}

/** The same fields under the names that the families are described with. */
export function withoutAliases(
  path: string,
  values: FieldValues,
  { aliases = {} }: Pick<Family, 'aliases'>,
): FieldValues {
  const named: Record<string, unknown> = Object.create(null);
  const source: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) {
    const canonical = Object.hasOwn(aliases, name) ? aliases[name] : name;
    if (Object.hasOwn(named, canonical) && !isUnset(value) && !isUnset(named[canonical])) {
      if (value !== named[canonical]) {
        throw malformed(path, `expected ${name} to equal ${source[canonical]}, which means the same`);
      }
    }
    if (isUnset(named[canonical])) named[canonical] = value;
    source[canonical] = name;
  }
  return named;
}

/** Refuses what would change numbers, and what may. */
function expectKnown(fields: ConfigFields, values: FieldValues, family: Family): void {
  const readers = [...Object.values(family.options), family.norms, family.relativeBias];
  const read = readers.flatMap((reader) => reader?.fields ?? []);
  const known = new Set([...read, ...widthFields, ...(family.ignored ?? [])]);
  const harmless = { ...accepted, ...family.accepted };
  for (const [name, value] of Object.entries(values)) {
    if (known.has(name) || isUnset(value)) continue;
    const good = Object.hasOwn(harmless, name) ? harmless[name] : undefined;
    if (good?.includes(value) || (good === undefined && !isSuspicious(name))) continue;
    const expectation = good ? `left out or ${good.map(describe).join(' or ')}` : 'left out or null';
    throw fields.refuse(name, `${expectation} for a model of the type ${fields.modelType}`);
  }
}

function readOptionsFrom(fields: ConfigFields, { options }: Family, given: LayerValues): LayerValues {
  const values: LayerValues = {};
  for (const [name, reader] of Object.entries(options)) {
    const option = name as LayerOptionName;
    if (given[option] !== undefined) continue;
    const value = reader.read(fields);
    if (value !== undefined) values[option] = value;
  }
  return values;
}

/** Undefined where neither the file nor the default of its heads says a width. */
function widthBy(fields: ConfigFields, heads: unknown): number | undefined {
  const isGiven = ['head_dim', 'hidden_size'].some((name) => fields.has(name));
  const hasHeads = ['num_attention_heads', 'encoder_attention_heads'].some((name) => fields.has(name));
  if (!isGiven && hasHeads) return undefined;
  return fields.width(Number(heads));
}
