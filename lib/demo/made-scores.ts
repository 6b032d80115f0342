/**
 * Scores for heads that were made for scaled dot products. Scores with weights of their own get weights that
 * preserve what the heads see, as far as such a score can.
 */
import type {
  Linear,
  MultiHeadAttentionOptions,
  MultiHeadAttentionWeights,
} from '../multi-head-attention/multi-head-attention.js';
import { project } from '../projection/project.js';
import { Tensor } from '../tensor/tensor.js';
import { embeddingWidth, embedPlaces, layout, longestText } from './embedding.js';
import { strengths } from './heads.js';

/** A layer's weights, and the options that say how its queries and keys are compared. */
export interface Compared {
  readonly weights: MultiHeadAttentionWeights;
  readonly options: Pick<MultiHeadAttentionOptions, 'score' | 'scale'>;
}

type MakeScore = (weights: MultiHeadAttentionWeights, heads: number) => Compared | Promise<Compared>;

const widthOf = ({ query }: MultiHeadAttentionWeights, heads: number) => query.weight.dims[0] / heads;

/** qᵀ W k with the identity for W: the product. */
const general: MakeScore = (weights, heads) => {
  const width = widthOf(weights, heads);
  const identity = new Float32Array(width ** 2);
  for (let i = 0; i < width; i++) identity[i * (width + 1)] = 1;
  const weight = new Tensor(identity, [width, width]);
  return { weights, options: { score: { type: 'general', weight }, scale: 1 / Math.sqrt(width) } };
};

/** (W q)ⱼ where row j of W is the key of a word of which only its place j is known: heads that look for places see them. */
const location: MakeScore = async (weights, heads) => {
  const width = widthOf(weights, heads);
  const places = new Tensor(embedPlaces(longestText), [1, longestText, embeddingWidth]);
  const { weight, bias } = floats(weights.key);
  const keys = await project(places, weight, bias, { heads });
  const score = { type: 'location', weight: keys.reshape([heads, longestText, width]) } as const;
  return { weights, options: { score, scale: 1 / Math.sqrt(width) } };
};

/** Where tanh bends without bending more or less a little further: its fourth derivative is 0. */
const bendAt = Math.atanh(Math.sqrt(2 / 3));
/** Minus the second derivative there. */
const bend = (2 / 3) * Math.sqrt(2 / 3);
/** The largest number that tanh is asked about is off from there by twice as much. */
const largest = 0.35;

/** Signs of the query, of the offset, and of the sum. */
const hiddenUnits = [
  [1, 1, -1],
  [-1, 1, 1],
  [1, -1, 1],
  [-1, -1, -1],
] as const;

/**
 * vᵀ tanh(W q + U k) can be as good as q · k. With s where tanh bends,
 *
 *     −tanh(q + k + s) + tanh(−q + k + s) + tanh(q + k − s) − tanh(−q + k − s)  =  −4 tanh″(s) q k + …
 *
 * for small q and k, where what follows is of the sixth order. Keys need a number that is always 1, for s to come in.
 */
const additive: MakeScore = (weights, heads) => {
  const width = widthOf(weights, heads);
  const wide = width + 8; // of which one number is that 1, and the others fill a vector
  const [query, key] = [floats(weights.query), floats(weights.key)];
  const units = hiddenUnits.length * width;
  const [ofQuery, ofKey, vector] = [wide, wide, 1].map(
    (columns) => new Float32Array(heads * units * columns),
  );
  for (let row = 0; row < heads * width; row++) {
    const [head, d] = [Math.floor(row / width), row % width];
    const [queryFactor, keyFactor] = [query, key].map((linear) => largest / bound(linear, row));
    const size = 1 / (4 * bend * queryFactor * keyFactor * Math.sqrt(width));
    hiddenUnits.forEach(([querySign, offsetSign, sign], i) => {
      const unit = head * units + i * width + d;
      ofQuery[unit * wide + d] = querySign * queryFactor;
      ofKey[unit * wide + d] = keyFactor;
      ofKey[unit * wide + width] = offsetSign * bendAt;
      vector[unit] = sign * size;
    });
  }
  const score = {
    type: 'additive',
    query: new Tensor(ofQuery, [heads, units, wide]),
    key: new Tensor(ofKey, [heads, units, wide]),
    vector: new Tensor(vector, [heads, units]),
  } as const;
  const widened = { query: widen(query, heads, wide, 0), key: widen(key, heads, wide, 1) };
  return { weights: { ...weights, ...widened }, options: { score } };
};

export const madeScores = {
  'scaled-dot': (weights) => ({ weights, options: {} }),
  dot: (weights) => ({ weights, options: { score: 'dot' } }),
  // A cosine is at most 1: the scale gives it the strength that heads are made with.
  cosine: (weights) => ({ weights, options: { score: 'cosine', scale: strengths.same } }),
  general,
  additive,
  location,
} satisfies Record<string, MakeScore>;

/** How large the numbers of words' vectors get. */
const largestInputs = new Float32Array(embeddingWidth);
for (const [part, size] of Object.entries({ letters: 0.35, word: 0.16, place: 1, previous: 0.16 })) {
  const { start, width } = layout[part as keyof typeof layout];
  largestInputs.fill(size, start, start + width);
}

interface FloatLinear extends Linear {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

function floats({ weight, bias }: Linear): FloatLinear {
  const float = ({ type, data, dims }: Linear['weight']) => new Tensor(type, data, dims).cast('float32');
  return { weight: float(weight), bias: bias ? float(bias) : Tensor.zeros('float32', [weight.dims[0]]) };
}

/** What a row gives is about as large at most. Rows of zeros give zeros, whatever they are multiplied by. */
function bound({ weight, bias }: FloatLinear, row: number): number {
  const [matrix, offsets] = [weight.data, bias.data] as Float32Array[];
  const columns = weight.dims[1];
  const factors = matrix.subarray(row * columns, (row + 1) * columns);
  return factors.reduce((sum, x, i) => sum + Math.abs(x) * largestInputs[i], Math.abs(offsets[row])) || 1;
}

/** Adds numbers to every head: first one that is always `constant`, then zeros. */
function widen({ weight, bias }: FloatLinear, heads: number, wide: number, constant: number): Linear {
  const columns = weight.dims[1];
  const width = weight.dims[0] / heads;
  const matrix = new Float32Array(heads * wide * columns);
  const offsets = new Float32Array(heads * wide);
  for (let head = 0; head < heads; head++) {
    const rows = (weight.data as Float32Array).subarray(head * width * columns, (head + 1) * width * columns);
    matrix.set(rows, head * wide * columns);
    offsets.set((bias.data as Float32Array).subarray(head * width, (head + 1) * width), head * wide);
    offsets[head * wide + width] = constant;
  }
  return { weight: new Tensor(matrix, [heads * wide, columns]), bias: new Tensor(offsets, [heads * wide]) };
}
