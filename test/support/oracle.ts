/**
 * An independent implementation of attention: from its rules, one query row at a time, over lists of the keys
 * that may be attended. It is slow.
 */
import { createHash } from 'node:crypto';
import { serialize } from 'node:v8';
import type { AttentionOptions } from '../../lib/attention/options.js';
import type { TensorLike } from '../../lib/tensor/types.js';
import { toNumbers } from './numbers.js';
import { drawnNoise } from './oracle-draws.js';
import { similarityOf } from './oracle-score.js';

/** Options whose numbers may also be in tensors. */
type NumberOptions = 'queryOffset' | 'lengths' | 'kvLengths' | 'alibiSlopes' | 'sinks';

/** The options that affect the result, with all numbers in lists. */
export interface OracleOptions extends Omit<AttentionOptions, 'backend' | 'out' | 'signal' | NumberOptions> {
  queryOffset?: number | ArrayLike<number>;
  lengths?: ArrayLike<number>;
  kvLengths?: ArrayLike<number>;
  alibiSlopes?: ArrayLike<number> | readonly ArrayLike<number>[];
  sinks?: ArrayLike<number>;
}

/** Flat, [batch, heads, queries, keys] for the matrices; the output has the requested layout. */
export interface OracleResult {
  readonly output: number[];
  readonly logSumExp: number[];
  readonly scores: number[];
  readonly cappedScores: number[];
  readonly biasedScores: number[];
  readonly weights: number[];
  /** The smallest lead of the best key of a hard selection; rounding may decide if it is close to 0. */
  readonly lead: number;
}

type At = (batch: number, head: number, step: number, element: number) => number;

interface Rows {
  readonly batch: number;
  readonly heads: number;
  readonly steps: number;
  readonly width: number;
  /** The elements of a row. */
  readonly row: (batch: number, head: number, step: number) => readonly number[];
}

/** Cuts the rows out once: each key is met by every query. */
function rowsIn(tensor: TensorLike, layout: 'bhsd' | 'bshd'): Rows {
  const numbers = toNumbers(tensor);
  const [batch, first, second, width] = tensor.dims;
  const all = range(batch * first * second).map((n) => numbers.slice(n * width, (n + 1) * width));
  return layout === 'bhsd'
    ? { batch, heads: first, steps: second, width, row: (b, h, s) => all[(b * first + h) * second + s] }
    : { batch, heads: second, steps: first, width, row: (b, h, s) => all[(b * first + s) * second + h] };
}

/** The element of a pair, by numpy's rules of broadcasting. */
function elementAt(tensor: TensorLike): At {
  const numbers = toNumbers(tensor);
  const dims = [1, 1, 1, 1, ...tensor.dims].slice(-4);
  return (...index) =>
    numbers[dims.reduce((offset, length, axis) => offset * length + (length === 1 ? 0 : index[axis]), 0)];
}

/** Two axes are [queries, keys], or [batch, keys] where they cannot be. */
function maskAt(mask: TensorLike, queries: number): At {
  const [first, keys] = mask.dims;
  const isPadding = mask.dims.length === 2 && first !== 1 && first !== queries;
  return elementAt(isPadding ? { type: mask.type, dims: [first, 1, 1, keys], data: mask.data } : mask);
}

const isFloat = (type: string) => /float/.test(type);

const range = (count: number) => Array.from({ length: count }, (_, i) => i);
const sum = (terms: readonly number[]) => terms.reduce((total, term) => total + term, 0);
const nothing = Number.NEGATIVE_INFINITY;

interface KeyResult {
  readonly score: number;
  readonly capped: number;
  readonly biased: number;
  readonly attended: boolean;
}

interface RowResult {
  readonly keys: readonly KeyResult[];
  readonly weights: readonly number[];
  readonly logSumExp: number;
  readonly output: readonly number[];
  readonly lead: number;
}

/** softmax over some logits and a sink, if there is one; the result omits the sink. */
function normalise(logits: readonly number[], sink: number | undefined) {
  const all = sink === undefined ? logits : [...logits, sink];
  const top = all.reduce((a, b) => Math.max(a, b), nothing);
  const total = sum(all.map((logit) => Math.exp(logit - top)));
  return {
    logSumExp: top + Math.log(total),
    shares: logits.map((logit) => Math.exp(logit - top) / total),
  };
}

/** The center for a query, by numpy's rules of broadcasting. */
function centersAt(centers: TensorLike): (b: number, h: number, i: number) => number {
  const at = elementAt({ type: centers.type, dims: [...centers.dims, 1], data: centers.data });
  return (b, h, i) => at(b, h, i, 0);
}

/** Every row, over batch entries, heads and queries. */
function rowsOf(
  query: TensorLike,
  key: TensorLike,
  value: TensorLike,
  options: OracleOptions,
  layout: 'bhsd' | 'bshd',
): RowResult[] {
  const [q, k, v] = [query, key, value].map((tensor) => rowsIn(tensor, layout));
  const { score: named = 'scaled-dot' } = options;
  const similarity = similarityOf(named);
  const scale = options.scale ?? (named === 'scaled-dot' ? 1 / Math.sqrt(q.width) : 1);
  const { softcap = 0, causal = false, window = {}, alibiSlopes, sinks } = options;
  const { lengths, kvLengths, queryOffset } = options;
  const { left = Number.POSITIVE_INFINITY, right = Number.POSITIVE_INFINITY } = window;
  const { select = 'soft' } = options;
  const added = options.mask && { type: options.mask.type, at: maskAt(options.mask, q.steps) };

  const slope = (b: number, h: number) => {
    const own = alibiSlopes?.[b];
    return typeof own === 'object' ? own[h] : ((alibiSlopes?.[h] as number | undefined) ?? 0);
  };
  const validQueries = (b: number) => lengths?.[b] ?? q.steps;
  const validKeys = (b: number) => lengths?.[b] ?? kvLengths?.[b] ?? k.steps;
  const position = (b: number, i: number) => {
    if (lengths) return i;
    const first = typeof queryOffset === 'number' ? queryOffset : queryOffset?.[b];
    return i + (first ?? validKeys(b) - q.steps);
  };
  const centers =
    typeof select === 'object' && select.type === 'local' ? centersAt(select.centers) : undefined;
  const halfWidth = typeof select === 'object' && select.type === 'local' ? select.halfWidth : 0;
  const keyHead = (h: number) => Math.floor((h * k.heads) / q.heads);

  function judge(b: number, h: number, i: number, j: number): KeyResult {
    if (i >= validQueries(b) || j >= validKeys(b))
      return { score: nothing, capped: nothing, biased: nothing, attended: false };
    const distance = j - position(b, i);
    const score =
      scale *
      similarity({
        query: q.row(b, h, i),
        key: k.row(b, keyHead(h), j),
        head: h,
        keyHead: keyHead(h),
        j,
      });
    const capped = softcap > 0 ? softcap * Math.tanh(score / softcap) : score;
    const masked = added?.at(b, h, i, j);
    const excluded = added && !isFloat(added.type) ? masked === 0 : masked === nothing;
    const around = centers === undefined || Math.abs(j - centers(b, h, i)) <= halfWidth;
    const attended =
      !excluded && around && !(causal && distance > 0) && distance >= -left && distance <= right;
    const bias =
      (added && isFloat(added.type) ? (masked ?? 0) : 0) +
      slope(b, h) * (options.alibiDistance === 'absolute' ? -Math.abs(distance) : distance);
    return { score, capped, biased: attended ? capped + bias : nothing, attended };
  }

  function row(b: number, h: number, i: number): RowResult {
    const keys = range(k.steps).map((j) => judge(b, h, i, j));
    const attended = range(k.steps).filter((j) => keys[j].attended);
    if (attended.every((j) => keys[j].biased === nothing)) {
      return {
        keys,
        weights: keys.map(() => 0),
        logSumExp: i < validQueries(b) ? (sinks?.[h] ?? nothing) : nothing,
        output: range(v.width).map(() => 0),
        lead: Infinity,
      };
    }
    const { logSumExp, shares } = normalise(
      attended.map((j) => keys[j].biased),
      sinks?.[h],
    );
    const weights = keys.map(() => 0);
    for (const [n, j] of attended.entries()) weights[j] = shares[n];
    let lead = Infinity;
    if (centers !== undefined) {
      const sigma = halfWidth / 2;
      for (const j of attended) weights[j] *= Math.exp(-((j - centers(b, h, i)) ** 2) / (2 * sigma ** 2));
    } else if (select !== 'soft') {
      const noise = drawnNoise(select, b, h, position(b, i));
      const candidates = attended.map((j) => ({ j, score: keys[j].biased + noise(j) }));
      const sink = sinks?.[h];
      if (sink !== undefined) candidates.push({ j: -1, score: sink + noise(-1) });
      // Sorting is stable: the first of several equals stays first.
      const [first, second] = candidates.sort((one, other) => other.score - one.score);
      weights.fill(0);
      if (first.j >= 0) weights[first.j] = 1;
      if (second !== undefined && second.score !== nothing) lead = first.score - second.score;
    }
    const output = range(v.width).map(() => 0);
    for (const j of attended) {
      if (weights[j] === 0 && select !== 'soft') continue;
      const value = v.row(b, keyHead(h), j);
      for (let d = 0; d < v.width; d++) output[d] += weights[j] * value[d];
    }
    return { keys, weights, logSumExp, output, lead };
  }

  // An empty tensor may have any number of heads.
  if (q.batch * q.heads * q.steps === 0) return [];
  return range(q.batch).flatMap((b) =>
    range(q.heads).flatMap((h) => range(q.steps).map((i) => row(b, h, i))),
  );
}

function outputOf(rows: readonly RowResult[], dims: readonly number[], layout: 'bhsd' | 'bshd'): number[] {
  if (layout === 'bhsd') return rows.flatMap((r) => r.output);
  const [batch, steps, heads] = dims;
  return range(batch).flatMap((b) =>
    range(steps).flatMap((i) => range(heads).flatMap((h) => rows[(b * heads + h) * steps + i].output)),
  );
}

/** Caches results: the same inputs come once for each backend, and the oracle is slower than all of them. */
const answers = new Map<string, Pick<OracleResult, 'output' | 'logSumExp' | 'lead'>>();

/** Identifies tensors by their contents, wherever they are stored. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map(plain);
  if ('dims' in value && 'data' in value && 'type' in value) return [value.type, value.dims, value.data];
  return Object.entries(value).map(([name, each]) => [name, plain(each)]);
}

function nameOf(...given: unknown[]): string {
  return createHash('sha256')
    .update(serialize(plain(given)))
    .digest('base64');
}

export function attentionOracle(
  query: TensorLike,
  key: TensorLike,
  value: TensorLike,
  options: OracleOptions = {},
): OracleResult {
  const { layout = 'bhsd' } = options;
  let rows: RowResult[] | undefined;
  const allRows = () => {
    rows ??= rowsOf(query, key, value, options, layout);
    return rows;
  };
  const matrix = (pick: (key: KeyResult) => number) => allRows().flatMap((r) => r.keys.map(pick));

  const name = nameOf(query, key, value, options);
  let answer = answers.get(name);
  if (answer === undefined) {
    answer = {
      output: outputOf(allRows(), query.dims, layout),
      logSumExp: allRows().map((r) => r.logSumExp),
      lead: Math.min(Infinity, ...allRows().map((r) => r.lead)),
    };
    answers.set(name, answer);
  }
  return {
    ...answer,
    get weights() {
      return allRows().flatMap((r) => r.weights);
    },
    get scores() {
      return matrix((one) => one.score);
    },
    get cappedScores() {
      return matrix((one) => one.capped);
    },
    get biasedScores() {
      return matrix((one) => one.biased);
    },
  };
}
