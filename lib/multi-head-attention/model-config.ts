/**
 * What the config.json beside a checkpoint says of its attention layers, as options of a layer. The names are those of
 * Hugging Face's transformers, which wrote most such files.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { isObject, parseJson } from '../safetensors/json.js';
import { checkLayerOptions, type LayerOptionName } from './options.js';

export type LayerValues = { [Name in LayerOptionName]?: unknown };
type Config = Readonly<Record<string, unknown>>;

/** What a config.json says. */
export interface ModelConfig {
  readonly modelType: unknown;
  readonly values: LayerValues;
}

/** How models of a family are described. */
interface Family {
  readonly modelTypes: readonly string[];
  readonly heads: string;
  readonly causal: (config: Config) => boolean;
  /** Grouped heads, rotary positions and norms, by the names that Llama's configuration introduced. */
  readonly isLlama?: true;
  /** Whether `sliding_window` holds for every layer. */
  readonly slides?: true;
}

const families: readonly Family[] = [
  {
    modelTypes: ['bert', 'roberta', 'xlm-roberta', 'camembert'],
    heads: 'num_attention_heads',
    causal: (config) => config.is_decoder === true,
  },
  { modelTypes: ['gpt2'], heads: 'n_head', causal: () => true },
  {
    modelTypes: ['llama', 'qwen2', 'qwen2_moe', 'qwen3', 'qwen3_moe'],
    heads: 'num_attention_heads',
    causal: () => true,
    isLlama: true,
  },
  {
    modelTypes: ['mistral', 'mixtral', 'phi3'],
    heads: 'num_attention_heads',
    causal: () => true,
    isLlama: true,
    slides: true,
  },
];

/**
 * The options that the config.json in a directory stands for; undefined where there is no such file. Options that the caller
 * gives need no answer there.
 */
export async function readModelConfig(
  directory: string,
  given: LayerValues,
): Promise<ModelConfig | undefined> {
  const path = join(directory, 'config.json');
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new HeedError('HEED_FILE_ERROR', `Could not read ${path}: ${error.message}`, { cause: error });
  });
  if (bytes === undefined) return undefined;
  const config = parseJson(bytes, 'the configuration', path) as Config;
  const family = families.find(({ modelTypes }) => modelTypes.some((type) => type === config.model_type));
  if (family === undefined) {
    const known = families.flatMap(({ modelTypes }) => modelTypes).join(', ');
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected model_type in ${path} to be one of ${known}, received ${describe(config.model_type)}: give the path of the tensors instead of the directory, and options`,
    );
  }
  const values = valuesOf(family, config);
  for (const [option, why] of unknowable(family, config)) {
    if (given[option] === undefined) {
      throw new HeedError(
        'HEED_INVALID_ARGUMENT',
        `Expected options.${option} to be given, since ${why} in ${path}`,
      );
    }
    delete values[option];
  }
  try {
    checkLayerOptions(values);
  } catch (error) {
    throw new HeedError('HEED_MALFORMED_FILE', `Malformed file ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return { modelType: config.model_type, values };
}

/** JSON uses null for missing values. */
function valueAt(config: Config, name: string): unknown {
  return config[name] ?? undefined;
}

function valuesOf({ heads, causal, isLlama, slides }: Family, config: Config): LayerValues {
  const values: LayerValues = { heads: valueAt(config, heads), causal: causal(config) };
  if (config.scale_attn_weights === false) values.scale = 1;
  if (!isLlama) return values;
  values.keyValueHeads = valueAt(config, 'num_key_value_heads');
  values.normEpsilon = valueAt(config, 'rms_norm_eps');
  values.rotary = rotaryOf(config);
  const window = valueAt(config, 'sliding_window');
  // A step attends itself and those before it, sliding_window in all.
  if (slides && typeof window === 'number') values.window = { left: window - 1 };
  return values;
}

/** Settings that no option of a layer can express. */
function unknowable({ isLlama, slides }: Family, config: Config): [LayerOptionName, string][] {
  const reasons: [LayerOptionName, string][] = [];
  if (config.scale_attn_by_inverse_layer_idx === true) {
    reasons.push(['scale', 'the scale depends on the layer (scale_attn_by_inverse_layer_idx)']);
  }
  if (isLlama && !slides && config.use_sliding_window === true) {
    reasons.push(['window', 'only some layers have a window (use_sliding_window)']);
  }
  const type = isLlama && scalingType(scalingOf(config));
  if (type && !Object.hasOwn(scalingNames, String(type))) {
    reasons.push(['rotary', `heed does not support rotary scaling of type ${describe(type)}`]);
  }
  return reasons;
}

const scalingNames: Readonly<Record<string, readonly string[]>> = {
  linear: ['factor'],
  dynamic: ['factor', 'original_max_position_embeddings'],
  yarn: [
    'factor',
    'original_max_position_embeddings',
    'attention_factor',
    'beta_fast',
    'beta_slow',
    'mscale',
    'mscale_all_dim',
    'truncate',
  ],
  llama3: ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'],
};

/** `rope_scaling`, which newer files replace by `rope_parameters`. */
function scalingOf(config: Config): Config {
  const scaling = config.rope_parameters ?? config.rope_scaling;
  return isObject(scaling) ? scaling : {};
}

/** Undefined where frequencies are not scaled. */
function scalingType({ rope_type, type = 'default' }: Config): unknown {
  const named = rope_type ?? type;
  return named === 'default' ? undefined : named;
}

function rotaryOf(config: Config): object {
  const scaling = scalingOf(config);
  const type = scalingType(scaling);
  const theta = valueAt(scaling, 'rope_theta') ?? valueAt(config, 'rope_theta');
  const dims = rotatedDims(config, valueAt(scaling, 'partial_rotary_factor') ?? config.partial_rotary_factor);
  return {
    ...(theta !== undefined && { theta }),
    ...(dims !== undefined && { dims }),
    ...(type !== undefined && { scaling: scalingOptions(config, scaling, String(type)) }),
  };
}

/** Undefined for all of a head. */
function rotatedDims(config: Config, part: unknown): number | undefined {
  if (typeof part !== 'number' || part === 1) return undefined;
  const width = config.head_dim ?? Number(config.hidden_size) / Number(config.num_attention_heads);
  return Math.floor(Number(width) * part);
}

function scalingOptions(config: Config, scaling: Config, type: string): object {
  const trained = config.max_position_embeddings;
  const defaults: Config = { original_max_position_embeddings: type === 'llama3' ? undefined : trained };
  const options: Record<string, unknown> = { type };
  for (const name of scalingNames[type] ?? []) {
    const value = valueAt(scaling, name) ?? valueAt(defaults, name);
    if (value !== undefined) options[camelCase(name)] = value;
  }
  return options;
}

function camelCase(name: string): string {
  return name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}
