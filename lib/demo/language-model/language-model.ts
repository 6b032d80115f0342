/** The small decoder that comes with heed and tells stories; examples/language-model trains it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyValueCache } from '../../key-value-cache/key-value-cache.js';
import { packageRoot } from '../../package-root.js';
import type { QuantisedType } from '../../problem/quantised-weight.js';
import { type PackedWeight, packWeight } from '../../projection/packed-weight.js';
import { project } from '../../projection/project.js';
import { open } from '../../safetensors.js';
import { Tensor } from '../../tensor/tensor.js';
import { type Configuration, readConfiguration } from './configuration.js';
import { DecoderLayer, normalize } from './decoder-layer.js';
import { Tokenizer } from './tokenizer.js';

/** The keys and values of a text's tokens, of each layer. */
export class TextMemory implements Disposable {
  constructor(readonly caches: readonly KeyValueCache[]) {}

  [Symbol.dispose](): void {
    for (const cache of this.caches) cache.dispose();
  }
}

export class LanguageModel implements Disposable {
  private constructor(
    readonly configuration: Configuration,
    readonly tokenizer: Tokenizer,
    /** [tokens, width] */
    private readonly embedding: Float32Array,
    /** The same, as the linear map from a token's final vector to the scores of the next token. */
    private readonly scores: PackedWeight,
    private readonly layers: readonly DecoderLayer[],
    private readonly norm: Float32Array,
    /** The number of parameters. */
    readonly parameters: number,
  ) {}

  /** @param weights what the weights of all linear maps are rounded to; without it they are float32 */
  static async load(
    folder = join(packageRoot, 'examples/language-model'),
    weights?: QuantisedType,
  ): Promise<LanguageModel> {
    const configuration = await readConfiguration(folder);
    const { learnt } = JSON.parse(await readFile(join(folder, 'tokenizer.json'), 'utf8')) as {
      learnt: string[];
    };
    const file = await open(join(folder, 'model.safetensors'));
    try {
      const embedding = (await file.read('model.embed_tokens.weight')).cast('float32');
      const norm = (await file.read('model.norm.weight')).cast('float32');
      const layers: DecoderLayer[] = [];
      for (let index = 0; index < configuration.num_hidden_layers; index++) {
        layers.push(await DecoderLayer.load(file, configuration, index, weights));
      }
      return new LanguageModel(
        configuration,
        new Tokenizer(learnt),
        embedding.data as Float32Array,
        packWeight(embedding, weights && { type: weights }),
        layers,
        norm.data as Float32Array,
        [...file.tensors.values()].reduce((sum, { dims }) => sum + dims.reduce((a, b) => a * b, 1), 0),
      );
    } finally {
      await file.close();
    }
  }

  /**
   * @param memory of the tokens before these, which are added to it; without it there are none before
   * @returns [tokens, vocabulary]: for each token, the scores of what may follow it (logits)
   */
  async forward(tokens: readonly number[], memory?: TextMemory): Promise<Float32Array> {
    let x = this.#embed(tokens);
    for (const [i, layer] of this.layers.entries()) x = await layer.forward(x, memory?.caches[i]);
    return await this.#score(x);
  }

  /** The caches of the layers for one text, so that each token is read once. */
  makeMemory(): TextMemory {
    const { max_position_embeddings: capacity } = this.configuration;
    return new TextMemory(this.layers.map((layer) => layer.makeCache(capacity)));
  }

  /** {@link forward}, and for each head of each layer how much every token looks at every other: [tokens, tokens]. */
  async examine(tokens: readonly number[]): Promise<{ logits: Float32Array; heads: Float32Array[][] }> {
    let x = this.#embed(tokens);
    const heads: Float32Array[][] = [];
    for (const layer of this.layers) {
      const { output, weights } = await layer.examine(x);
      const [, count, queries, keys] = weights.dims;
      const data = weights.data as Float32Array;
      const size = queries * keys;
      heads.push(Array.from({ length: count }, (_, head) => data.subarray(head * size, (head + 1) * size)));
      x = output;
    }
    return { logits: await this.#score(x), heads };
  }

  #embed(tokens: readonly number[]): Tensor {
    const { hidden_size: width } = this.configuration;
    const rows = new Float32Array(tokens.length * width);
    tokens.forEach((token, step) => {
      rows.set(this.embedding.subarray(token * width, (token + 1) * width), step * width);
    });
    return new Tensor(rows, [1, tokens.length, width]);
  }

  async #score(x: Tensor): Promise<Float32Array> {
    const rows = normalize(x.data as Float32Array, this.norm, this.configuration.rms_norm_eps);
    return (await project(new Tensor(rows, x.dims), this.scores)).data as Float32Array;
  }

  [Symbol.dispose](): void {
    this.scores.dispose();
    for (const layer of this.layers) layer[Symbol.dispose]();
  }
}
