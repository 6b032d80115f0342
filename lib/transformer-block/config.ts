/** What the config.json beside a checkpoint says of a block besides its attention. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { Activation } from '../problem/problem.js';
import { isObject, malformed, parseJsonFile } from '../safetensors/json.js';
import type { BlockForm } from './forms.js';

/** By the names of transformers. */
const activationNames: Readonly<Record<string, Activation>> = {
  silu: 'silu',
  swish: 'silu',
  gelu: 'gelu',
  gelu_new: 'gelu-tanh',
  gelu_fast: 'gelu-tanh',
  gelu_pytorch_tanh: 'gelu-tanh',
  relu: 'relu',
};

/** Fields that say the same, the first of them first. */
const activationFields = ['hidden_activation', 'hidden_act', 'activation_function', 'activation'];
const epsilonFields = ['rms_norm_eps', 'layer_norm_eps', 'layer_norm_epsilon', 'norm_eps', 'norm_epsilon'];

/** Fields that scale what a block adds: other numbers would follow without them. */
const refused: Readonly<Record<string, unknown>> = { residual_multiplier: 1 };

/** What the file says, each read when it is asked for. */
export interface BlockConfig {
  readonly modelType: unknown;
  activation(): Activation | undefined;
  epsilon(): number | undefined;
  /** @param usual the form of the naming */
  form(usual: BlockForm): BlockForm;
}

function firstOf(values: Readonly<Record<string, unknown>>, fields: readonly string[]) {
  const name = fields.find((field) => values[field] !== undefined && values[field] !== null);
  return name === undefined ? undefined : { name, value: values[name] };
}

/** Undefined where the directory has none. */
export async function readBlockConfig(directory: string): Promise<BlockConfig | undefined> {
  const path = join(directory, 'config.json');
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new HeedError('HEED_FILE_ERROR', `Could not read ${path}: ${error.message}`, { cause: error });
  });
  if (bytes === undefined) return undefined;
  const whole = parseJsonFile(bytes, 'the configuration', path) as Record<string, unknown>;
  const values = isObject(whole.text_config) ? whole.text_config : whole;
  for (const [name, good] of Object.entries(refused)) {
    const value = values[name] ?? good;
    if (value !== good)
      throw malformed(
        path,
        `expected ${name} to be left out or ${describe(good)}, received ${describe(value)}`,
      );
  }
  return {
    modelType: values.model_type ?? whole.model_type,
    activation() {
      const found = firstOf(values, activationFields);
      if (found === undefined) return undefined;
      const { name, value } = found;
      if (typeof value === 'string' && Object.hasOwn(activationNames, value)) return activationNames[value];
      const known = Object.keys(activationNames).join(', ');
      throw malformed(path, `expected ${name} to be one of ${known}, received ${describe(value)}`);
    },
    epsilon() {
      const found = firstOf(values, epsilonFields);
      if (found === undefined) return undefined;
      const { name, value } = found;
      if (typeof value === 'number' && value >= 0) return value;
      throw malformed(path, `expected ${name} to be a non-negative number, received ${describe(value)}`);
    },
    form(usual) {
      const { use_parallel_residual: isParallel } = values;
      if (usual !== 'parallel' || isParallel !== false) return usual;
      return 'pre-norm';
    },
  };
}
