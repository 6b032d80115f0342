/** Models by their definition, in float64 with plain loops: the reference for those that heed loads. */
export type Rows = Float64Array[];

export interface PlainMap {
  /** [out][in] */
  readonly weight: Rows;
  readonly bias?: Float64Array;
}

export interface PlainNorm {
  readonly type: 'rms' | 'layer';
  readonly weight: Float64Array;
  readonly bias?: Float64Array;
  readonly epsilon: number;
  /** Added to the weight. */
  readonly offset: number;
}

export interface PlainAttention {
  readonly query: PlainMap;
  readonly key: PlainMap;
  readonly value: PlainMap;
  readonly output: PlainMap;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly causal: boolean;
  /** How many keys a query attends, its own and those before it; undefined for all. */
  readonly window: number | undefined;
  readonly scale: number;
  readonly softcap: number;
  readonly theta: number | undefined;
  /** Of each head, or of all together if as wide. */
  readonly queryNorm?: PlainNorm;
  readonly keyNorm?: PlainNorm;
}

export interface PlainBlock {
  readonly attention: PlainAttention;
  readonly gate?: PlainMap;
  readonly up: PlainMap;
  readonly down: PlainMap;
  readonly activation: 'silu' | 'gelu' | 'gelu-tanh' | 'relu';
  /** Of inputs, of outputs and of sums; for attention and for the feed-forward part. */
  readonly before: readonly (PlainNorm | undefined)[];
  readonly after: readonly (PlainNorm | undefined)[];
  readonly ofSum: readonly (PlainNorm | undefined)[];
}

export interface PlainModel {
  readonly tokens: Rows;
  readonly scale: number;
  readonly positions?: Rows;
  /** The row of position 0. */
  readonly firstPosition: number;
  /** Of the first type of tokens. */
  readonly type?: Float64Array;
  readonly norm?: PlainNorm;
  readonly map?: PlainMap;
  readonly blocks: readonly PlainBlock[];
  readonly lastNorm?: PlainNorm;
  readonly head?: Rows;
  readonly softcap: number;
}

export interface PlainResult {
  readonly hidden: Rows;
  /** Undefined without a head. */
  readonly logits: Rows | undefined;
  /** For each block, for each head: [steps][steps]. */
  readonly attention: Rows[][];
}

export function runPlain(model: PlainModel, tokens: readonly number[]): PlainResult {
  let rows: Rows = tokens.map((token, i) => {
    const position = model.positions?.[model.firstPosition + i];
    return model.tokens[token].map((x, j) => x * model.scale + (position?.[j] ?? 0) + (model.type?.[j] ?? 0));
  });
  rows = normalise(rows, model.norm);
  if (model.map) rows = multiply(rows, model.map);
  const attention: Rows[][] = [];
  for (const block of model.blocks) {
    const [beforeAttention, beforeFeedForward] = block.before;
    const [afterAttention, afterFeedForward] = block.after;
    const [ofAttentionSum, ofFeedForwardSum] = block.ofSum;
    const attended = attend(normalise(rows, beforeAttention), block.attention);
    attention.push(attended.weights);
    rows = normalise(add(rows, normalise(attended.output, afterAttention)), ofAttentionSum);
    const fed = feed(normalise(rows, beforeFeedForward), block);
    rows = normalise(add(rows, normalise(fed, afterFeedForward)), ofFeedForwardSum);
  }
  const hidden = normalise(rows, model.lastNorm);
  const { head, softcap } = model;
  const cap = (x: number) => (softcap === 0 ? x : softcap * Math.tanh(x / softcap));
  return { hidden, logits: head && multiply(hidden, { weight: head }).map((row) => row.map(cap)), attention };
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function add(x: Rows, y: Rows): Rows {
  return x.map((row, step) => row.map((value, i) => value + y[step][i]));
}

export function multiply(x: Rows, { weight, bias }: PlainMap): Rows {
  return x.map((row) => Float64Array.from(weight, (w, i) => dot(row, w) + (bias?.[i] ?? 0)));
}

export function normalise(x: Rows, norm: PlainNorm | undefined): Rows {
  return norm === undefined ? x : x.map((row) => normaliseRow(row, norm));
}

function normaliseRow(row: Float64Array, { type, weight, bias, epsilon, offset }: PlainNorm): Float64Array {
  const mean = type === 'layer' ? row.reduce((sum, value) => sum + value, 0) / row.length : 0;
  const centered = row.map((value) => value - mean);
  const root = Math.sqrt(dot(centered, centered) / row.length + epsilon);
  return centered.map((value, i) => (value / root) * (weight[i] + offset) + (bias?.[i] ?? 0));
}

/** Parts of a row: one for each head. */
function heads(row: Float64Array, count: number): Float64Array[] {
  const width = row.length / count;
  return Array.from({ length: count }, (_, head) => row.slice(head * width, (head + 1) * width));
}

/** Numbers i and i + width / 2 form a point, which is turned by position · theta^(−2i / width). */
function rotate(row: Float64Array, position: number, theta: number): Float64Array {
  const half = row.length / 2;
  return row.map((value, i) => {
    const angle = position * theta ** (-(i % half) / half);
    const partner = i < half ? -row[i + half] : row[i - half];
    return value * Math.cos(angle) + partner * Math.sin(angle);
  });
}

function attend(x: Rows, layer: PlainAttention): { output: Rows; weights: Rows[] } {
  const turned = (map: PlainMap, count: number, norm: PlainNorm | undefined) =>
    multiply(x, map).map((row, step) => {
      const isTogether = norm !== undefined && norm.weight.length === row.length;
      return heads(isTogether ? normaliseRow(row, norm) : row, count).map((head) => {
        const normed = norm === undefined || isTogether ? head : normaliseRow(head, norm);
        return layer.theta === undefined ? normed : rotate(normed, step, layer.theta);
      });
    });
  const queries = turned(layer.query, layer.heads, layer.queryNorm);
  const keys = turned(layer.key, layer.keyValueHeads, layer.keyNorm);
  const values = multiply(x, layer.value).map((row) => heads(row, layer.keyValueHeads));
  const group = layer.heads / layer.keyValueHeads;
  const weights: Rows[] = [];
  const joint: number[][] = x.map(() => []);
  for (let head = 0; head < layer.heads; head++) {
    const shared = Math.floor(head / group);
    const rows = queries.map((query, step) => {
      const scores = keys.map((key, at) => {
        const isFuture = layer.causal && at > step;
        const isPast = layer.window !== undefined && step - at >= layer.window;
        if (isFuture || isPast) return Number.NEGATIVE_INFINITY;
        const score = layer.scale * dot(query[head], key[shared]);
        return layer.softcap === 0 ? score : layer.softcap * Math.tanh(score / layer.softcap);
      });
      const most = Math.max(...scores);
      const exponentials = scores.map((score) => Math.exp(score - most));
      const sum = exponentials.reduce((total, value) => total + value, 0);
      return Float64Array.from(exponentials, (value) => value / sum);
    });
    weights.push(rows);
    rows.forEach((row, step) => {
      const width = values[0][shared].length;
      for (let i = 0; i < width; i++) {
        joint[step].push(row.reduce((sum, weight, at) => sum + weight * values[at][shared][i], 0));
      }
    });
  }
  return {
    output: multiply(
      joint.map((row) => Float64Array.from(row)),
      layer.output,
    ),
    weights,
  };
}

function feed(x: Rows, { gate, up, down, activation }: PlainBlock): Rows {
  const hidden = multiply(x, up);
  const activated = (gate ? multiply(x, gate) : hidden).map((row) => row.map(activations[activation]));
  const inner = gate
    ? activated.map((row, step) => row.map((value, i) => value * hidden[step][i]))
    : activated;
  return multiply(inner, down);
}

export const activations = {
  silu: (x: number) => x / (1 + Math.exp(-x)),
  relu: (x: number) => Math.max(x, 0),
  gelu: (x: number) => x * normalDistribution(x),
  'gelu-tanh': (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

/** Φ(x), by the series of its density's integral (Abramowitz and Stegun 26.2.11); far out it is 0 or 1. */
function normalDistribution(x: number): number {
  if (Math.abs(x) > 8) return x > 0 ? 1 : 0;
  let term = x;
  let sum = x;
  for (let n = 3; Math.abs(term) > 1e-18 * Math.abs(sum); n += 2) {
    term *= (x * x) / n;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}
