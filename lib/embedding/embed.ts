/** Embeddings: rows of tables by their ids. */
import type { BackendName } from '../backends/backend.js';
import { chooseBackend } from '../backends/choose.js';
import { type Operation, run, runSync } from '../backends/operation.js';
import { allocate } from '../checks/data.js';
import { expectDims, expectLength, expectRank, readList } from '../checks/lists.js';
import { expectPlace } from '../checks/location.js';
import { integerElement, readShapedIntegers } from '../checks/numbers.js';
import { readOptions } from '../checks/options.js';
import { outTensor, readOut } from '../checks/out.js';
import { dataOf, expectFloat, expectType, readTensor, type TensorArgument } from '../checks/tensor.js';
import { finiteOption, invalid, signalOption } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { Allocations } from '../memory/allocations.js';
import type { EmbeddingProblem } from '../problem/problem.js';
import type { Tensor } from '../tensor/tensor.js';
import type { IntegerList, TensorLike } from '../tensor/types.js';

/** Rows of a further table, one for each id of the first. */
export interface AddedEmbedding {
  /** Of the same dims as the ids that they belong to: the positions of tokens, say, or their types. */
  readonly ids: IntegerList;
  /** [length, width], of the type of the first table. */
  readonly table: TensorLike;
}

/** The options of {@link embed}. */
export interface EmbedOptions {
  /** What rows of the table are multiplied by, before others are added: √width in Gemma. Default 1. */
  scale?: number;
  /** Tables whose rows are added: those of positions and of token types in BERT. Default: none. */
  add?: readonly AddedEmbedding[];
  /** As for attention; default 'auto'. */
  backend?: BackendName;
  /** A tensor to write the result to, which is then returned. Must not share memory with a table. */
  out?: Tensor;
  /** Cancels, as for attention. */
  signal?: AbortSignal;
}

const mostTables = 16;

interface Ids {
  readonly dims: readonly number[];
  readonly elements: readonly unknown[];
  readonly name: string;
}

function readIds(value: unknown, name: string): Ids {
  return { ...readShapedIntegers(value, name), name };
}

/** Every id, checked against the length of its table. */
function idsBelow(length: number, { elements, name, dims }: Ids, table: TensorArgument): Int32Array {
  const ids = allocate('int32', elements.length, name) as Int32Array;
  if (length === 0 && ids.length > 0) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${table.name} to have rows for ${name} of dims [${dims.join(', ')}], received none`,
    );
  }
  for (const [i, element] of elements.entries())
    ids[i] = integerElement(element, `${name}[${i}]`, 0, length - 1);
  return ids;
}

function readTable(value: unknown, name: string, first?: TensorArgument): TensorArgument {
  const table = readTensor(value, name);
  expectFloat(table);
  expectRank(table.dims, 2, name, 'length, width');
  if (table.dims[0] > 2 ** 31) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name}.dims[0] to be at most 2^31, received ${table.dims[0]}`,
    );
  }
  if (first) {
    expectType(table, first.type, `${first.name}.type`);
    expectLength(table.dims[1], `${name}.dims[1]`, first.dims[1], `${first.name}.dims[1]`);
    expectPlace(table, first.location, first.name);
  }
  return table;
}

function readAdded(value: unknown, ids: Ids, table: TensorArgument): { ids: Ids; table: TensorArgument }[] {
  if (value === undefined) return [];
  return readList(value, 'options.add', mostTables).map((each, i) => {
    const name = `options.add[${i}]`;
    if (each === undefined) throw invalid(name, 'an object with ids and a table', each);
    const added = readOptions(each, ['ids', 'table'], name);
    const own = readIds(added.ids, `${name}.ids`);
    expectDims(own.dims, own.name, ids.dims);
    return { ids: own, table: readTable(added.table, `${name}.table`, table) };
  });
}

function prepare(
  allocations: Allocations,
  idsValue: unknown,
  tableValue: unknown,
  options: unknown,
): Operation<Tensor> {
  const ids = readIds(idsValue, 'ids');
  const table = readTable(tableValue, 'table');
  const type = expectFloat(table);
  const values = readOptions(options, ['scale', 'add', 'backend', 'out', 'signal']);
  const scale = finiteOption(values.scale, 'options.scale', 1);
  const parts = [{ ids, table }, ...readAdded(values.add, ids, table)];
  const checked = parts.map((part) => idsBelow(part.table.dims[0], part.ids, part.table));
  const backend = chooseBackend(values.backend, type, table.location);
  const signal = signalOption(values.signal, 'options.signal');
  const width = table.dims[1];
  const out = readOut(values.out, 'options.out', type, [...ids.dims, width], 'table.type', table);
  const tables = parts.map((part, i) => ({
    data: dataOf(part.table),
    length: part.table.dims[0],
    ids: checked[i],
    name: part.table.name,
  }));
  const output = outTensor(out, tables, allocations);
  const problem: EmbeddingProblem = {
    kind: 'embedding',
    rows: ids.elements.length,
    width,
    type,
    tables,
    scale,
    output: output.data,
  };
  const problems = output.tensor.size === 0 ? [] : [problem];
  return { backend, problems, result: output.tensor, signal };
}

/**
 * The rows of a table that ids stand for, to which rows of other tables may be added; in float32 (float64 for
 * float64 tables), rounded once. Every id is checked before any work starts.
 *
 * @param ids integers below the length of the table, of any dims
 * @param table [length, width], any floating-point type
 * @returns [… the dims of ids, width] in the type of the table; `options.out` if given
 * @throws HeedError (as a rejection) HEED_INVALID_ARGUMENT for an id that has no row, and others: see `code`.
 *   When aborted, it rejects with the signal's reason.
 *
 * @example
 * const tokens = await embed(ids, words, {
 *   add: [{ ids: positions, table: places }, { ids: types, table: kinds }],
 * });
 */
export async function embed(ids: IntegerList, table: TensorLike, options?: EmbedOptions): Promise<Tensor> {
  return await run((allocations) => prepare(allocations, ids, table, options));
}

/** {@link embed}, synchronously: it throws instead of rejecting, and blocks the event loop. */
export function embedSync(ids: IntegerList, table: TensorLike, options?: EmbedOptions): Tensor {
  return runSync((allocations) => prepare(allocations, ids, table, options));
}
