/** What the arguments of the operators of com.microsoft have in common. */
import type { AttentionDetails, AttentionDetailsOptions } from '../../attention/details.js';
import type { BackendName } from '../../backends/backend.js';
import { expectDims } from '../../checks/lists.js';
import type { OptionValues } from '../../checks/options.js';
import { dataOf, expectType, type TensorArgument } from '../../checks/tensor.js';
import { describeDims, finiteOption, integerBetween, invalid } from '../../checks/values.js';
import { HeedError } from '../../errors.js';
import type { Allocations } from '../../memory/allocations.js';
import type { Tensor } from '../../tensor/tensor.js';
import { expectRankOf, integersOf, readInteger } from '../arguments.js';
import type { Heads } from '../heads.js';

/** Options outside the node. */
export interface OperatorOptions {
  /** The backend; default 'auto'. */
  readonly backend?: BackendName;
}

/** What the attention of heed is asked for a node. */
export interface Question {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly options: AttentionDetailsOptions;
}

/** An operator that attention computes. The generators pause now and then. */
export interface Operator<Node, Asked extends Question, Outputs> {
  /** Reads and checks the arguments. */
  readonly read: (allocations: Allocations, inputs: unknown, attributes: unknown, options: unknown) => Node;
  readonly ask: (node: Node) => Generator<void, Asked>;
  readonly answer: (node: Node, asked: Asked, attended: AttentionDetails) => Generator<void, Outputs>;
}

/** Lengths and counts in ONNX models are int32. */
export const most = 2 ** 31 - 1;

export function readCount(attributes: OptionValues<string>, name: string): number {
  const count = readInteger(attributes, name, 1, most);
  if (count === undefined) throw invalid(name, 'given: it has no default', count);
  return count;
}

export function readFlag(attributes: OptionValues<string>, name: string): boolean {
  return readInteger(attributes, name, 0, 1) === 1;
}

/** A scale of 0 stands for the default. */
export function readScale(attributes: OptionValues<string>, width: number): number {
  const scale = finiteOption(attributes.scale, 'scale', 0);
  return scale === 0 ? 1 / Math.sqrt(width) : scale;
}

/** Refuses inputs that the operator has and heed does not understand, and all without elements. */
export function expectUnderstood(
  inputs: { readonly [Name in string]?: TensorArgument },
  remedies: Readonly<Record<string, string>> = {},
): void {
  for (const input of Object.values(inputs)) if (input) dataOf(input);
  for (const [name, remedy] of Object.entries(remedies)) {
    if (inputs[name] === undefined) continue;
    throw new HeedError('HEED_INVALID_ARGUMENT', `Expected no ${name}, received a tensor; ${remedy}`);
  }
}

/** Inputs of one type. */
export function expectOneType(
  type: TensorArgument['type'],
  source: string,
  ...inputs: readonly (TensorArgument | undefined)[]
): void {
  for (const input of inputs) if (input) expectType(input, type, `${source}.type`);
}

/** An int32 of any shape with one element. */
export function readScalar(input: TensorArgument, low: number, high: number): number {
  expectType(input, 'int32', "the operator's");
  if (input.size !== 1) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${input.name} to have one element, received dims ${describeDims(input.dims)}`,
    );
  }
  return integerBetween(integersOf(input)[0], `${input.name}.data[0]`, low, high);
}

/** The bias [batch or 1, heads or 1, queries, keys], which the operators do not broadcast any further. */
export function expectAttentionBias(
  bias: TensorArgument | undefined,
  [batch, heads, queries, keys]: readonly number[],
): void {
  if (bias === undefined) return;
  expectRankOf(bias, [4]);
  const either = (axis: number, length: number) => (bias.dims[axis] === 1 ? 1 : length);
  expectDims(bias.dims, bias.name, [either(0, batch), either(1, heads), queries, keys]);
}

/** past_key and past_value: [batch, heads, steps, width] each. */
export function readPast(
  { past_key: key, past_value: value }: { readonly [Name in string]?: TensorArgument },
  [batch, heads, width, valueWidth]: readonly number[],
  headsOf: (input: TensorArgument) => Heads,
): { readonly key: Heads; readonly value: Heads } | undefined {
  if (key === undefined && value === undefined) return undefined;
  if (key === undefined) throw invalid('past_key', 'given together with past_value', key);
  if (value === undefined) throw invalid('past_value', 'given together with past_key', value);
  expectRankOf(key, [4]);
  const steps = key.dims[2];
  expectDims(key.dims, 'past_key', [batch, heads, steps, width]);
  expectDims(value.dims, 'past_value', [batch, heads, steps, valueWidth]);
  return { key: headsOf(key), value: headsOf(value) };
}
