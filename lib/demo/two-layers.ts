/** The two layers of `examples/heads.safetensors`, one on top of the other. */
import { join } from 'node:path';
import { type Linear, MultiHeadAttention } from '../multi-head-attention/multi-head-attention.js';
import { packageRoot } from '../package-root.js';
import { open, type SafetensorsFile } from '../safetensors.js';
import { Tensor } from '../tensor/tensor.js';
import { embeddingWidth } from './embedding.js';
import { type HeadLayer, layers } from './heads.js';
import { type Kinds, selectionFor, usualKinds } from './kinds.js';
import { madeScores } from './made-scores.js';

const file = join(packageRoot, 'examples/heads.safetensors');

/** The results of the heads for a text. */
export interface Findings {
  /** For each head, in the order of the layers, how much the rows asked for look at every word: [rows, words]. */
  readonly weights: readonly Float32Array[];
  /**
   * The output of the second layer: the vector of the word that it predicts after each word, [words, width].
   */
  readonly expectations: Tensor;
}

export class TwoLayers implements Disposable {
  private constructor(
    private readonly first: MultiHeadAttention,
    private readonly second: MultiHeadAttention,
    private readonly kinds: Kinds,
  ) {}

  /** @param causal whether no word may look at a later one */
  static async load(causal: boolean, kinds: Kinds = usualKinds): Promise<TwoLayers> {
    await using heads = await open(file);
    const [first, second] = await Promise.all(layers.map((layer) => loadLayer(heads, layer, causal, kinds)));
    return new TwoLayers(first, second, kinds);
  }

  /** @param vectors [words, embeddingWidth] */
  async forward(vectors: Float32Array): Promise<Tensor> {
    const input = toBatch(vectors);
    const options = { select: selectionFor(this.kinds, input.dims[1]) };
    return this.second.forward(add(input, await this.first.forward(input, options)), options);
  }

  /**
   * @param vectors [words, embeddingWidth]
   * @param rows the words whose weights are wanted
   */
  async examine(vectors: Float32Array, rows: readonly number[]): Promise<Findings> {
    const input = toBatch(vectors);
    const select = selectionFor(this.kinds, input.dims[1]);
    const request = { include: ['weights'] as const, rows: { queries: rows }, select };
    const below = await this.first.forwardDetails(input, request);
    const above = await this.second.forwardDetails(add(input, below.output), request);
    return {
      weights: [...splitHeads(below.weights), ...splitHeads(above.weights)],
      expectations: above.output,
    };
  }

  [Symbol.dispose](): void {
    this.first.dispose();
    this.second.dispose();
  }
}

async function loadLayer(
  file: SafetensorsFile,
  { prefix, heads, alwaysCausal, alibiSlope }: HeadLayer,
  causal: boolean,
  { score }: Kinds,
): Promise<MultiHeadAttention> {
  const read = async (name: string): Promise<Linear> => {
    const weight = await file.read(`${prefix}${name}.weight`);
    const bias = `${prefix}${name}.bias`;
    return file.tensors.has(bias) ? { weight, bias: await file.read(bias) } : { weight };
  };
  const [query, key, value] = await Promise.all(['query', 'key', 'value'].map(read));
  const output = file.tensors.has(`${prefix}output.weight`) && { output: await read('output') };
  const made = await madeScores[score]({ query, key, value, ...output }, heads.length);
  return new MultiHeadAttention(made.weights, {
    heads: heads.length,
    causal: causal || alwaysCausal,
    sinks: heads.map(({ sink }) => sink),
    alibiSlopes: heads.map(() => alibiSlope),
    type: 'float32',
    ...made.options,
  });
}

function toBatch(vectors: Float32Array): Tensor {
  return new Tensor(vectors, [1, vectors.length / embeddingWidth, embeddingWidth]);
}

/** A residual connection (He et al. 2016): the output of a layer is added to its input. */
function add(input: Tensor, output: Tensor): Tensor {
  const sum = Float32Array.from(input.data as Float32Array);
  const addend = output.data as Float32Array;
  for (let i = 0; i < sum.length; i++) sum[i] += addend[i];
  return new Tensor(sum, input.dims);
}

/** [1, heads, rows, words] → [rows, words] for each head. */
function splitHeads(weights: Tensor | undefined): Float32Array[] {
  if (!weights) throw new TypeError('Expected the weights that were asked for');
  const [, heads, rows, words] = weights.dims;
  const data = weights.data as Float32Array;
  return Array.from({ length: heads }, (_, head) =>
    data.subarray(head * rows * words, (head + 1) * rows * words),
  );
}
