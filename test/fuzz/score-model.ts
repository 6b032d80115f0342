/** Reads the option `score` strictly and independently, for the oracle. */
import type { Score } from '../../lib/attention/options.js';
import * as model from './tensor-model.js';
import { expect, type ModelTensor, plain } from './tensor-model.js';

/** The dimensions that a score's weights must match. */
export interface ScoredDims {
  readonly heads: number;
  readonly keyHeads: number;
  readonly width: number;
  readonly keyWidth: number;
  readonly keys: number;
}

export interface ModelScore {
  readonly score: Score;
  readonly loose: boolean;
}

function weight(value: unknown, axes: number, heads: number): { tensor: ModelTensor; dims: number[] } {
  const tensor = model.floatTensor(value);
  const own = tensor.dims.length === axes + 1;
  expect(own || tensor.dims.length === axes, 'the axes of a weight');
  expect(!own || tensor.dims[0] === heads, 'one weight for each head');
  return { tensor, dims: tensor.dims.slice(-axes) };
}

const isTame = ({ values }: ModelTensor) => values.every((element) => Math.abs(element) < 1e4);

/**
 * Weights are used in the type of the keys, or in the precision of the computation; neither changes ordinary
 * numbers much.
 */
function readWeighted(value: object, type: string, dims: ScoredDims): ModelScore {
  const { heads, keyHeads, width, keyWidth, keys } = dims;
  const given = model.options(value, ['type', 'weight', 'query', 'key', 'vector']);
  if (given.type === 'general') {
    for (const each of [given.query, given.key, given.vector]) expect(each === undefined, 'one weight');
    const w = weight(given.weight, 2, heads);
    expect(w.dims[0] === width && w.dims[1] === keyWidth, 'a weight that fits');
    return { score: { type: 'general', weight: plain(w.tensor) }, loose: !isTame(w.tensor) };
  }
  if (given.type === 'additive') {
    expect(given.weight === undefined, 'three weights');
    const [query, key] = [weight(given.query, 2, heads), weight(given.key, 2, keyHeads)];
    const vector = weight(given.vector, 1, heads);
    const [hidden] = query.dims;
    expect(hidden >= 1 && hidden <= 4096 && query.dims[1] === width, 'a weight that fits queries');
    expect(key.dims[0] === hidden && key.dims[1] === keyWidth, 'a weight that fits keys');
    expect(vector.dims[0] === hidden, 'a vector that fits');
    return {
      score: {
        type: 'additive',
        query: plain(query.tensor),
        key: plain(key.tensor),
        vector: plain(vector.tensor),
      },
      loose: ![query, key, vector].every(({ tensor }) => isTame(tensor)),
    };
  }
  expect(given.type === 'location', 'a type of score');
  for (const each of [given.query, given.key, given.vector]) expect(each === undefined, 'one weight');
  const w = weight(given.weight, 2, keyHeads);
  expect(w.dims[0] >= keys && w.dims[1] === width, 'a weight that fits');
  const rounded = w.tensor.type !== type && (type === 'float16' || type === 'bfloat16');
  return { score: { type: 'location', weight: plain(w.tensor) }, loose: rounded || !isTame(w.tensor) };
}

export function readScore(value: unknown, type: string, dims: ScoredDims): ModelScore {
  if (model.isObject(value)) return readWeighted(value, type, dims);
  const score = value ?? 'scaled-dot';
  expect(value !== null, 'a score');
  expect(score === 'scaled-dot' || score === 'dot' || score === 'cosine', 'a score');
  expect(dims.keyWidth === dims.width, 'keys as wide as queries');
  return { score, loose: false };
}
