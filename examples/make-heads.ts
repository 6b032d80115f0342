/**
 * Makes examples/heads.safetensors: two layers of multi-head attention whose weights were not learnt but
 * thought out. After `npm run build`: node dist/examples/make-heads.js
 *
 * A head computes, for the word at position p and every word at position j,
 *
 *     score(p, j) = (Q x_p) · (K x_j) / √D
 *
 * and looks at the words with the highest scores. All a head can do is to choose, with its matrices Q and K,
 * which parts of x_p are compared with which parts of x_j. What the parts are, `layout` in
 * lib/demo/embedding.ts says: the letters, the word, the place, and a slot for the previous word.
 *
 * 1. To compare a part with a part, copy both into the same dimensions of the head. Then
 *    (Q x_p) · (K x_j) is the sum of their products, and for parts of length 1 the cosine between them.
 *    Times a strength, for the softmax to be sharp: a score higher by 10 has a weight e¹⁰ = 22026 times as large.
 *
 * 2. To look a fixed number of words away, rotate. The place of p is a row of clock hands, each turned
 *    by its frequency w times p: (cos wp, sin wp). Turning each hand further by w·s is a rotation, which a
 *    matrix can do, and gives just the hands of position p + s. So
 *
 *        (rotated place of p) · (place of j)  =  Σ cos w(p + s − j)
 *
 *    is highest where j = p + s, for there all the cosines are 1; elsewhere they cancel out. A rotation
 *    of sinusoids is a shift in position.
 *
 * 3. The induction head needs two layers. In the first, the head of the previous word reads the previous word,
 *    and the output matrix writes what it read into the slot `previous` of the vector. In the second, each word
 *    compares itself with the `previous` of the others: wherever they are the same stands a word that
 *    followed this one, once. Of several, ALiBi prefers the latest. (Olsson et al. 2022,
 *    "In-context learning and induction heads".)
 */
import { resolve } from 'node:path';
import { embeddingWidth, layout, placeFrequencies } from '../lib/demo/embedding.js';
import { layers, strengths, widths } from '../lib/demo/heads.js';
import { save } from '../lib/safetensors.js';
import { numberToFloat16 } from '../lib/tensor/elements.js';
import type { TensorLike } from '../lib/tensor/types.js';

type Part = keyof typeof layout;

/** [rows, columns] of zeros to write numbers into. */
class Matrix {
  readonly values: Float64Array;

  constructor(
    readonly rows: number,
    readonly columns: number,
  ) {
    this.values = new Float64Array(rows * columns);
  }

  set(row: number, column: number, value: number): void {
    this.values[row * this.columns + column] = value;
  }

  /** Copies a part of the input, times a factor, to the rows from `row` on. */
  copy(part: Part, row: number, factor: number): void {
    for (let i = 0; i < layout[part].width; i++) this.set(row + i, layout[part].start + i, factor);
  }

  toTensor(dims = [this.rows, this.columns]): TensorLike {
    return { type: 'float16', dims, data: Uint16Array.from(this.values, numberToFloat16) };
  }
}

/** The queries and keys of one layer; a head's rows are `width` from head · width on. */
class Comparisons {
  readonly query: Matrix;
  readonly key: Matrix;

  constructor(
    heads: number,
    readonly width: number,
  ) {
    this.query = new Matrix(heads * width, embeddingWidth);
    this.key = new Matrix(heads * width, embeddingWidth);
  }

  /** Adds strength · (part of this word) · (part of that word) to the head's score. */
  compare(head: number, part: Part, withPart: Part, strength: number, row = 0): void {
    const first = head * this.width + row;
    // Half of the strength in the query, half in the key, and √D because attention divides by it.
    const factor = Math.sqrt(Math.abs(strength) * Math.sqrt(this.width));
    this.query.copy(part, first, Math.sign(strength) * factor);
    this.key.copy(withPart, first, factor);
  }

  /** Adds strength · Σ amplitude · cos w(p + shift − j), where the amplitudes sum to 1, to the head's score. */
  comparePlaces(head: number, shift: number, amplitudes: readonly number[], strength: number): void {
    const total = amplitudes.reduce((sum, amplitude) => sum + amplitude, 0);
    const first = head * this.width;
    placeFrequencies.forEach((frequency, k) => {
      const factor = (strength * Math.sqrt(this.width) * amplitudes[k]) / total;
      const cosine = factor * Math.cos(frequency * shift);
      const sine = factor * Math.sin(frequency * shift);
      const column = layout.place.start + 2 * k;
      this.query.set(first + 2 * k, column, cosine);
      this.query.set(first + 2 * k, column + 1, -sine);
      this.query.set(first + 2 * k + 1, column, sine);
      this.query.set(first + 2 * k + 1, column + 1, cosine);
    });
    this.key.copy('place', first, 1);
  }
}

/**
 * Frequencies are the squares of evenly spaced numbers, so their density falls as 1/√w. Amplitudes that grow
 * as √w make up for it: all frequencies up to π count alike, and the cosines cancel best at every distance but 0.
 */
const sharp = placeFrequencies.map(Math.sqrt);

/** A bell curve of frequencies sums to a bell curve of distances, of a standard deviation of five words. */
const smooth = placeFrequencies.map(
  (frequency) => Math.sqrt(frequency) * Math.exp(-((5 * frequency) ** 2) / 2),
);

function firstLayer() {
  const ids = layers[0].heads.map(({ id }) => id);
  const comparisons = new Comparisons(ids.length, widths.first);
  const head = (id: string) => ids.indexOf(id);

  // The same word is alike in both respects; of two words spelled alike, `word` tells them apart.
  comparisons.compare(head('same'), 'letters', 'letters', strengths.same / 2);
  comparisons.compare(head('same'), 'word', 'word', strengths.same / 2, layout.letters.width);
  // Spelled alike, and a little less so if it is the very same word: else its other forms would hardly count.
  comparisons.compare(head('alike'), 'letters', 'letters', strengths.alike);
  comparisons.compare(head('alike'), 'word', 'word', -strengths.alike / 4, layout.letters.width);

  comparisons.comparePlaces(head('previous'), -1, sharp, strengths.previous);
  comparisons.comparePlaces(head('next'), 1, sharp, strengths.next);
  comparisons.comparePlaces(head('nearby'), 0, smooth, strengths.nearby);

  // Every head reads `word`; what the head of the previous word has read goes into its slot.
  const value = new Matrix(ids.length * widths.value, embeddingWidth);
  ids.forEach((_, index) => {
    value.copy('word', index * widths.value, 1);
  });
  const output = new Matrix(embeddingWidth, ids.length * widths.value);
  for (let i = 0; i < widths.value; i++) {
    output.set(layout.previous.start + i, head('previous') * widths.value + i, 1);
  }
  return weights({ query: comparisons.query, key: comparisons.key, value, output });
}

function secondLayer() {
  const comparisons = new Comparisons(1, widths.second);
  comparisons.compare(0, 'word', 'previous', strengths.induction);
  // One more dimension, in which every query is 1 and every key is minus the strength: a match then scores 0. The
  // softmax does not mind, but float32 keeps more digits of the differences between small numbers.
  const queryBias = new Matrix(1, widths.second);
  const keyBias = new Matrix(1, widths.second);
  const factor = Math.sqrt(strengths.induction * Math.sqrt(widths.second));
  queryBias.set(0, widths.value, factor);
  keyBias.set(0, widths.value, -factor);
  // What is read here is the answer, the word that followed: it needs no output matrix.
  const value = new Matrix(widths.value, embeddingWidth);
  value.copy('word', 0, 1);
  return {
    ...weights({ query: comparisons.query, key: comparisons.key, value }),
    'query.bias': queryBias.toTensor([widths.second]),
    'key.bias': keyBias.toTensor([widths.second]),
  };
}

/** Writes the file; the same bytes every time. */
export async function makeHeads(path: string): Promise<void> {
  const [first, second] = layers;
  const tensors = [...named(first.prefix, firstLayer()), ...named(second.prefix, secondLayer())];
  await save(path, Object.fromEntries(tensors), {
    description: 'Attention heads with known meanings, made by examples/make-heads.ts',
  });
}

function weights(matrices: Record<string, Matrix>): Record<string, TensorLike> {
  return Object.fromEntries(
    Object.entries(matrices).map(([name, matrix]) => [`${name}.weight`, matrix.toTensor()]),
  );
}

function named(prefix: string, tensors: Record<string, TensorLike>): [string, TensorLike][] {
  return Object.entries(tensors).map(([name, tensor]) => [prefix + name, tensor]);
}

if (require.main === module) {
  const path = resolve(process.argv[2] ?? 'examples/heads.safetensors');
  void makeHeads(path).then(() => console.log(`wrote ${path}`));
}
