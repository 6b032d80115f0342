/** Logits: how likely each token of a vocabulary is to come next. */
import { readStarts } from '../attention/sequences.js';
import type { BackendName } from '../backends/backend.js';
import { type Operation, run, runSync } from '../backends/operation.js';
import { expectLength, expectRank } from '../checks/lists.js';
import { readOptions } from '../checks/options.js';
import { outTensor, readOut } from '../checks/out.js';
import { dataOf, expectFloat, readTensor } from '../checks/tensor.js';
import { finiteOption, invalid, signalOption } from '../checks/values.js';
import type { Allocations } from '../memory/allocations.js';
import type { Elements } from '../memory/device.js';
import type { PoolingProblem, Problem, ProjectionProblem } from '../problem/problem.js';
import { biasNumbers, readBias } from '../projection/bias.js';
import type { PackedWeight } from '../projection/packed-weight.js';
import { chooseFor, factorOf, readWeight } from '../projection/weight-argument.js';
import { denseStrides } from '../tensor/layout.js';
import type { Tensor } from '../tensor/tensor.js';
import type { IntegerList, TensorLike } from '../tensor/types.js';

/** The options of {@link logits}. */
export interface LogitsOptions {
  /**
   * Where each sequence starts among the rows, followed by their number, as in packed attention: only the last row of each
   * sequence is computed. No sequence may be empty. Default: every row is computed.
   */
  queryStarts?: IntegerList;
  /** [vocabulary], any floating-point type; in the memory of the CPU, since it is passed with the call. Default: none. */
  bias?: TensorLike;
  /** Caps logits smoothly: cap · tanh(logit / cap), as `final_logit_softcapping` of Gemma 2. Default 0: not capped. */
  softcap?: number;
  /** As for {@link project}; default 'auto'. Not 'cuda' yet. */
  backend?: BackendName;
  /** A tensor to write the result to, which is then returned. Must not share memory with an input. */
  out?: Tensor;
  /** Cancels, as for attention. */
  signal?: AbortSignal;
}

/** Where each sequence's last row is. */
function readSequences(value: unknown, rows: number): readonly number[] | undefined {
  if (value === undefined) return undefined;
  const name = 'options.queryStarts';
  const starts = readStarts(value, name, rows, 'x.dims[0]');
  for (let i = 1; i < starts.length; i++) {
    if (starts[i] === starts[i - 1]) throw invalid(name, `to have a row for sequence ${i - 1}`, starts);
  }
  return starts;
}

function prepare(
  allocations: Allocations,
  xValue: unknown,
  tableValue: unknown,
  options: unknown,
): Operation<Tensor> {
  const x = readTensor(xValue, 'x');
  const type = expectFloat(x);
  expectRank(x.dims, 2, 'x', 'tokens, width');
  const [tokens, width] = x.dims;
  const table = readWeight(tableValue, 'table', 'vocabulary, width');
  const { columns, inner } = table;
  expectLength(width, 'x.dims[1]', inner, 'table.dims[1]');
  const values = readOptions(options, ['queryStarts', 'bias', 'softcap', 'backend', 'out', 'signal']);
  const starts = readSequences(values.queryStarts, tokens);
  const bias = readBias(values.bias, 'options.bias', columns, 'table.dims[0]');
  const softcap = finiteOption(values.softcap, 'options.softcap', 0);
  if (softcap < 0) throw invalid('options.softcap', 'a finite, non-negative number', softcap);
  const backend = chooseFor(values.backend, x, type, table);
  backend.expectEpilogues('logits');
  const signal = signalOption(values.signal, 'options.signal');
  const rows = starts ? starts.length - 1 : tokens;
  const outType = type === 'float64' ? 'float64' : 'float32';
  const out = readOut(values.out, 'options.out', outType, [rows, columns], 'the type of logits', x);

  const all = dataOf(x);
  const weight = factorOf(table);
  const read = [
    { name: 'x', data: all },
    ...('data' in weight ? [{ name: 'table', data: weight.data }] : []),
  ];
  const output = outTensor(out, read, allocations);
  // Rows of nothing may be beyond counting.
  const isEmpty = output.tensor.size === 0;
  const product = (input: Elements): ProjectionProblem => ({
    kind: 'projection',
    rows,
    steps: rows,
    inner,
    columns,
    input: { data: input, type },
    weight,
    ...(bias && { bias: biasNumbers(bias) }),
    epilogue: { softcap },
    targets: [
      {
        firstColumn: 0,
        columns,
        headWidth: columns,
        view: { data: output.data, type: outType, ...denseStrides('bshd', 1, rows, columns) },
      },
    ],
  });
  const problems = (): Problem[] => {
    // Where every sequence has one row, all rows are last ones.
    if (starts === undefined || rows === tokens) return [product(all)];
    const last = allocations.scratch(backend, type, rows * width, 'the last rows of sequences');
    const taken: PoolingProblem = {
      kind: 'pooling',
      width,
      type,
      input: all,
      starts,
      pooling: 'last',
      normalised: false,
      output: last,
    };
    return [...(width === 0 ? [] : [taken]), product(last)];
  };
  return { backend, problems: isEmpty ? [] : problems(), result: output.tensor, signal };
}

/**
 * x · tableᵀ + bias, capped: logits of each token of a vocabulary, from the hidden rows of a model after its last norm. With
 * `queryStarts`, of the last row of each sequence alone, as a step of generation needs them. Sums are as for {@link project}; a
 * row comes to the same bits whatever the other rows are.
 *
 * @param x [tokens, width], any floating-point type
 * @param table [vocabulary, width], any floating-point type, or a result of {@link packWeight}: the output map of a model
 *   (`lm_head`), or its table of tokens where the two are tied
 * @returns [tokens, vocabulary], or [sequences, vocabulary] with `queryStarts`; float32, float64 for float64 rows
 * @throws HeedError (as a rejection) for every bad argument, before any work starts: see `code`. HEED_UNSUPPORTED on the cuda
 *   backend. When aborted, it rejects with the signal's reason.
 *
 * @example
 * const next = await sample(await logits(hidden, table, { queryStarts }), { seed });
 */
export async function logits(
  x: TensorLike,
  table: TensorLike | PackedWeight,
  options?: LogitsOptions,
): Promise<Tensor> {
  return await run((allocations) => prepare(allocations, x, table, options));
}

/** {@link logits}, synchronously: it throws instead of rejecting, and blocks the event loop. */
export function logitsSync(x: TensorLike, table: TensorLike | PackedWeight, options?: LogitsOptions): Tensor {
  return runSync((allocations) => prepare(allocations, x, table, options));
}
