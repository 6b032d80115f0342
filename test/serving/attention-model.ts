/** A model of heed's own operators, with random weights: two layers of attention with residuals, over pools. */
import { embed } from '../../lib/embedding/embed.js';
import type { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { KeyValuePool } from '../../lib/key-value-cache/key-value-pool.js';
import { MultiHeadAttention } from '../../lib/multi-head-attention/multi-head-attention.js';
import { norm } from '../../lib/norm/norm.js';
import { pooling } from '../../lib/pooling/pooling.js';
import { project } from '../../lib/projection/project.js';
import type { ServedModel, ServedPart, ServedSequence, ServedSession } from '../../lib/serving.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { randomLinear } from '../multi-head-attention/random-layer.js';
import type { Random } from '../support/random.js';

const [heads, keyValueHeads, width, embedding, pageSize] = [4, 2, 8, 32, 16];

class CachedSequence implements ServedSequence {
  constructor(readonly caches: readonly KeyValueCache[]) {}

  dispose(): void {
    for (const cache of this.caches) cache.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

class PooledSession implements ServedSession {
  readonly pageSize = pageSize;
  readonly #model: AttentionModel;
  readonly #pools: readonly KeyValuePool[];

  constructor(
    model: AttentionModel,
    readonly pages: number,
  ) {
    this.#model = model;
    this.#pools = model.layers.map(() => new KeyValuePool({ heads: keyValueHeads, width, pages, pageSize }));
  }

  /** All pools have the same pages in use. */
  get used(): number {
    const [used, ...others] = this.#pools.map((pool) => pool.used);
    if (others.some((other) => other !== used)) throw new Error('Expected pools to agree');
    return used;
  }

  sequence(prefix?: ServedSequence, steps?: number): ServedSequence {
    if (!(prefix instanceof CachedSequence)) {
      return new CachedSequence(this.#pools.map((pool) => pool.sequence()));
    }
    const caches = prefix.caches.map((cache) => cache.fork());
    if (steps !== undefined) for (const cache of caches) cache.truncate(steps);
    return new CachedSequence(caches);
  }

  async step(parts: readonly ServedPart[]): Promise<Tensor> {
    const queryStarts = [0];
    for (const { tokens } of parts) queryStarts.push((queryStarts.at(-1) ?? 0) + tokens.length);
    const sequences = parts.map(({ sequence }) => sequence as CachedSequence);
    const lengths = sequences.map(({ caches: [cache] }) => cache.lengths[0]);
    const { table, layers, weight } = this.#model;
    try {
      let rows = await embed(Int32Array.from(parts.flatMap(({ tokens }) => tokens)), table);
      for (const [i, layer] of layers.entries()) {
        const normed = await norm(rows, { type: 'rms', weight });
        const caches = sequences.map((sequence) => sequence.caches[i]);
        const attended = await layer.forward(normed, { queryStarts, caches });
        const sum = (attended.data as Float32Array).map((x, j) => x + Number(rows.data[j]));
        rows = new Tensor(sum, rows.dims);
      }
      const last = await pooling(rows, { type: 'last', queryStarts });
      return await project(await norm(last, { type: 'rms', weight }), table);
    } catch (error) {
      for (const [i, { caches }] of sequences.entries())
        for (const cache of caches) cache.truncate(lengths[i]);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const pool of this.#pools) pool.dispose();
  }
}

export class AttentionModel implements ServedModel, Disposable {
  readonly vocabulary = 60;
  readonly longest = 500;
  readonly endOfText = [3];
  readonly table: Tensor;
  readonly weight: Tensor;
  readonly layers: readonly MultiHeadAttention[];

  constructor(random: Random) {
    this.table = random.tensor('float32', [this.vocabulary, embedding]);
    this.weight = random.tensor('float32', [embedding]);
    this.layers = [0, 1].map(() => {
      const linear = (out: number) => randomLinear(random, 'float32', out, embedding, false);
      const [query, key, value] = [heads, keyValueHeads, keyValueHeads].map((each) => linear(each * width));
      const weights = { query, key, value, output: linear(embedding) };
      return new MultiHeadAttention(weights, { heads, keyValueHeads, causal: true, rotary: {} });
    });
  }

  open(pages: number): ServedSession {
    return new PooledSession(this, pages);
  }

  [Symbol.dispose](): void {
    for (const layer of this.layers) layer.dispose();
  }
}
