/** A block from a safetensors file, whatever its tensors are called. */
import type { BackendName } from '../backends/backend.js';
import { readOptions } from '../checks/options.js';
import { choiceOption, describeDims, invalid, isInstance, listChoices } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { Linear } from '../multi-head-attention/linear.js';
import { takeRuns } from '../multi-head-attention/load.js';
import type { LoadOptions, MultiHeadAttentionOptions } from '../multi-head-attention/multi-head-attention.js';
import { type Activation, activations } from '../problem/problem.js';
import type { QuantisedType } from '../problem/quantised-weight.js';
import { StoredWeight } from '../projection/stored-weight.js';
import { readWeight, type StoredForm, scaleName, storedForms } from '../projection/weight-file.js';
import { isDirectory, listNames, readPath } from '../safetensors/paths.js';
import { open, type SafetensorsFile } from '../safetensors.js';
import type { Tensor } from '../tensor/tensor.js';
import { transpose } from '../tensor/transpose.js';
import type { FloatType, Location } from '../tensor/types.js';
import {
  type BlockConvention,
  type BlockNaming,
  blockConventions,
  blockNamings,
} from './checkpoint-conventions.js';
import { readBlockConfig } from './config.js';
import { type BlockForm, blockForms, normNames } from './forms.js';
import type { BlockNormOptions, NormWeights } from './norms.js';

/** Options of {@link TransformerBlock.load}. */
export interface BlockLoadOptions {
  /** The prefix of the names of the block's tensors, such as 'model.layers.0.'. Default ''. */
  prefix?: string;
  /** The naming of the tensors. Default: that whose names fit, as of {@link MultiHeadAttention.load}. */
  naming?: BlockNaming;
  /** Options of attention, which take precedence over what config.json says. */
  attention?: Partial<MultiHeadAttentionOptions>;
  /** Default: what config.json says. */
  activation?: Activation;
  /** Default: that of the naming. */
  form?: BlockForm;
  /** Default: type and offset of the naming, and the epsilon of config.json. */
  norm?: BlockNormOptions;
  /** As for {@link MultiHeadAttention}. */
  type?: FloatType;
  /** As for {@link MultiHeadAttention}. */
  weights?: QuantisedType;
  /** As for {@link MultiHeadAttention}. */
  location?: Location;
  /** As for {@link MultiHeadAttention}. */
  backend?: BackendName;
}

const optionNames = [
  'prefix',
  'naming',
  'attention',
  'activation',
  'form',
  'norm',
  'type',
  'weights',
  'location',
  'backend',
] as const;

/** The part of a file that a block is in. */
interface Checkpoint {
  readonly file: SafetensorsFile;
  /** Of its quantised weights, whose scales are not among the names. */
  readonly forms: ReadonlyMap<string, StoredForm>;
  readonly prefix: string;
  /** The names that begin with the prefix, without it. */
  readonly names: ReadonlySet<string>;
}

function mapsOf({ feedForward }: BlockConvention): string[] {
  const { gate, up, gateAndUp, down } = feedForward;
  return [gate, up, gateAndUp, down].filter((name) => name !== undefined);
}

/** The weight and the bias of a norm; early checkpoints of BERT call them gamma and beta. */
function normTensors({ names }: Checkpoint, name: string): { weight: string; bias: string } {
  const isEarly = names.has(`${name}.gamma`);
  return { weight: `${name}.${isEarly ? 'gamma' : 'weight'}`, bias: `${name}.${isEarly ? 'beta' : 'bias'}` };
}

function missingFrom(checkpoint: Checkpoint, convention: BlockConvention): string | undefined {
  const { norms, optionalNorms = [] } = convention;
  const needed = mapsOf(convention).map((map) => `${map}.weight`);
  for (const name of normNames) {
    const norm = norms[name];
    if (norm !== undefined && !optionalNorms.includes(name))
      needed.push(normTensors(checkpoint, norm).weight);
  }
  return needed.find((name) => !checkpoint.names.has(name));
}

/** A tensor that is neither attention's nor known. */
function unexplainedIn(checkpoint: Checkpoint, convention: BlockConvention): string[] {
  const { attention, norms } = convention;
  const known = new Set(mapsOf(convention).flatMap((map) => [`${map}.weight`, `${map}.bias`]));
  for (const name of Object.values(norms)) {
    const { weight, bias } = normTensors(checkpoint, name);
    known.add(weight).add(bias);
  }
  const scope = attention.prefix || attention.scope;
  return [...checkpoint.names].filter(
    (name) => !known.has(name) && !(scope !== undefined && name.startsWith(scope)),
  );
}

function unknownTensor({ file, prefix, names }: Checkpoint, problem: string): HeedError {
  const found = listNames(names.size > 0 ? [...names].map((name) => prefix + name) : file.names);
  return new HeedError('HEED_UNKNOWN_TENSOR', `Expected ${file.path} to hold ${problem}, found ${found}`);
}

/** The convention that nothing is missing from, and that explains every tensor. */
function recognise(checkpoint: Checkpoint, modelType: unknown): BlockConvention {
  const fitting = blockConventions.filter(
    (convention) =>
      missingFrom(checkpoint, convention) === undefined && unexplainedIn(checkpoint, convention).length === 0,
  );
  const own = fitting.find(({ modelTypes }) => modelTypes?.some((type) => type === modelType));
  const found = own ?? fitting.find(({ modelTypes }) => modelTypes === undefined);
  if (found) return found;
  const { prefix } = checkpoint;
  throw unknownTensor(
    checkpoint,
    `the tensors of a block under "${prefix}" in the naming of ${listChoices(blockNamings)}`,
  );
}

function expectComplete(checkpoint: Checkpoint, convention: BlockConvention): void {
  const { prefix } = checkpoint;
  const missing = missingFrom(checkpoint, convention);
  if (missing !== undefined)
    throw unknownTensor(checkpoint, `"${prefix}${missing}", in the naming of ${convention.name}`);
  const unexplained = unexplainedIn(checkpoint, convention);
  if (unexplained.length === 0) return;
  throw unknownTensor(
    checkpoint,
    `no "${prefix}${unexplained[0]}", which the naming of ${convention.name} does not know`,
  );
}

async function readMap(
  { file, forms, prefix, names }: Checkpoint,
  name: string,
  transposed: boolean,
): Promise<{ weight: Tensor | StoredWeight; bias: Tensor | undefined }> {
  const read = await readWeight(file, forms, `${prefix}${name}.weight`);
  // Quantised weights are [out, in], whatever they were.
  const weight = transposed && !isInstance(read, StoredWeight) ? transpose(read, `${name}.weight`) : read;
  const bias = names.has(`${name}.bias`) ? await file.read(`${prefix}${name}.bias`) : undefined;
  return { weight, bias };
}

/** Rows of a map; the constructor knows quantised weights, which TypeScript's callers of it need not. */
function linearOf(
  { weight, bias }: { weight: Tensor | StoredWeight; bias: Tensor | undefined },
  name: string,
  half?: 0 | 1,
): Linear {
  if (half === undefined) return { weight: weight as Tensor, ...(bias && { bias }) };
  const [rows] = weight.dims;
  if (rows === undefined || rows % 2 !== 0) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name}.weight to hold gate and up of equal width, received dims ${describeDims(weight.dims)}`,
    );
  }
  const run = { first: (half * rows) / 2, count: rows / 2 };
  return {
    weight: takeRuns(weight, [run], name) as Tensor,
    ...(bias && { bias: takeRuns(bias, [run], name) as Tensor }),
  };
}

async function readFeedForward(checkpoint: Checkpoint, convention: BlockConvention) {
  const { gate, up, gateAndUp, down } = convention.feedForward;
  const read = (name: string) => readMap(checkpoint, name, convention.transposed === true);
  const downMap = linearOf(await read(down), down);
  if (gateAndUp !== undefined) {
    const both = await read(gateAndUp);
    return { gate: linearOf(both, gateAndUp, 0), up: linearOf(both, gateAndUp, 1), down: downMap };
  }
  if (up === undefined) throw new TypeError('A naming has a map up, or one with the gate');
  return {
    ...(gate !== undefined && { gate: linearOf(await read(gate), gate) }),
    up: linearOf(await read(up), up),
    down: downMap,
  };
}

async function readNorms(checkpoint: Checkpoint, { norms }: BlockConvention) {
  const read: Partial<Record<(typeof normNames)[number], NormWeights>> = {};
  const { file, prefix, names } = checkpoint;
  for (const name of normNames) {
    const norm = norms[name];
    if (norm === undefined) continue;
    const { weight, bias } = normTensors(checkpoint, norm);
    if (!names.has(weight)) continue;
    read[name] = {
      weight: await file.read(prefix + weight),
      ...(names.has(bias) && { bias: await file.read(prefix + bias) }),
    };
  }
  return read;
}

/** What a file says of a block. */
export interface LoadedBlock {
  /** How its attention is loaded from the same file. */
  readonly attention: LoadOptions;
  readonly feedForward: {
    readonly weights: { gate?: Linear; up: Linear; down: Linear };
    readonly options: {
      activation: Activation;
      type?: FloatType;
      weights?: QuantisedType;
      location?: Location;
      backend?: BackendName;
    };
  };
  readonly norms: Partial<Record<(typeof normNames)[number], NormWeights>>;
  readonly options: { form: BlockForm; norm: BlockNormOptions };
}

function readChoice(options: unknown) {
  const values = readOptions(options, optionNames);
  const { prefix, naming, activation, form, norm, attention } = values;
  if (prefix !== undefined && typeof prefix !== 'string') throw invalid('options.prefix', 'a string', prefix);
  return {
    ...values,
    prefix: prefix ?? '',
    naming: naming === undefined ? undefined : choiceOption(naming, 'options.naming', blockNamings, 'Llama'),
    activation:
      activation === undefined
        ? undefined
        : choiceOption(activation, 'options.activation', activations, 'silu'),
    form: form === undefined ? undefined : choiceOption(form, 'options.form', blockForms, 'pre-norm'),
    norm: readOptions(norm, ['type', 'epsilon', 'offset'], 'options.norm'),
    attention: (attention ?? {}) as Partial<MultiHeadAttentionOptions>,
  };
}

function needed(option: string): HeedError {
  return new HeedError(
    'HEED_INVALID_ARGUMENT',
    `Expected options.${option} to be given, since there is no config.json that says it, received undefined`,
  );
}

export async function loadBlock(path: string | URL, options: unknown): Promise<LoadedBlock> {
  const place = readPath(path, 'path');
  const choice = readChoice(options);
  const config = (await isDirectory(place)) ? await readBlockConfig(place) : undefined;
  const activation = choice.activation ?? config?.activation();
  if (activation === undefined) throw needed('activation');
  const shared = {
    ...(choice.type !== undefined && { type: choice.type as FloatType }),
    ...(choice.weights !== undefined && { weights: choice.weights as QuantisedType }),
    ...(choice.location !== undefined && { location: choice.location as Location }),
    ...(choice.backend !== undefined && { backend: choice.backend as BackendName }),
  };
  const file = await open(place);
  try {
    const forms = storedForms(file);
    const scales = new Set([...forms.keys()].map(scaleName));
    const under = file.names.filter((name) => name.startsWith(choice.prefix) && !scales.has(name));
    const names = new Set(under.map((name) => name.slice(choice.prefix.length)));
    const checkpoint = { file, forms, prefix: choice.prefix, names };
    const convention =
      blockConventions.find(({ name }) => name === choice.naming) ?? recognise(checkpoint, config?.modelType);
    expectComplete(checkpoint, convention);
    const epsilon = choice.norm.epsilon ?? config?.epsilon() ?? convention.norm.epsilon;
    if (epsilon === undefined) throw needed('norm.epsilon');
    const attention: LoadOptions = {
      ...shared,
      prefix: choice.prefix + convention.attention.prefix,
      ...(convention.attention.naming && { naming: convention.attention.naming }),
      ...choice.attention,
    };
    const norms = await readNorms(checkpoint, convention);
    const maps = await readFeedForward(checkpoint, convention);
    return {
      attention,
      norms,
      feedForward: { weights: maps, options: { activation, ...shared } },
      options: {
        form: choice.form ?? config?.form(convention.form) ?? convention.form,
        norm: { ...convention.norm, ...choice.norm, epsilon } as BlockNormOptions,
      },
    };
  } finally {
    await file.close();
  }
}
