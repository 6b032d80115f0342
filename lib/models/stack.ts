/** A model without its head: from tokens to the rows of hidden states behind its last block. */
import { type AddedEmbedding, embed } from '../embedding/embed.js';
import { HeedError } from '../errors.js';
import type { KeyValueCache } from '../key-value-cache/key-value-cache.js';
import { norm } from '../norm/norm.js';
import type { PackedWeight } from '../projection/packed-weight.js';
import { project } from '../projection/project.js';
import { Tensor } from '../tensor/tensor.js';
import type { FloatType } from '../tensor/types.js';
import type { TransformerBlock } from '../transformer-block/transformer-block.js';
import type { Weights } from './checkpoint.js';
import type { ModelConfig } from './config.js';

/** A norm outside of blocks. */
export interface RowNorm extends Weights {
  readonly type: 'rms' | 'layer';
  readonly epsilon: number;
  readonly offset: number;
}

export interface Embeddings {
  /** [vocabulary, width] */
  readonly tokens: Tensor;
  readonly scale: number;
  /** A row for each position; that of position 0 is `first`. */
  readonly positions: { readonly table: Tensor; readonly first: number } | undefined;
  /** A row for each type of token. */
  readonly types: Tensor | undefined;
  readonly norm: RowNorm | undefined;
  readonly map: { readonly weight: PackedWeight; readonly bias: Tensor | undefined } | undefined;
}

export interface StackParts {
  readonly config: ModelConfig;
  readonly type: FloatType;
  readonly embeddings: Embeddings;
  /** A block may be there more than once. */
  readonly blocks: readonly TransformerBlock[];
  readonly lastNorm: RowNorm | undefined;
}

/** Sequences end to end. */
export interface PackedTokens {
  readonly tokens: readonly number[];
  /** Where each sequence starts among them, followed by their number. */
  readonly starts: readonly number[];
  /** How many steps each sequence had before. */
  readonly earlier: readonly number[];
}

/** @param earlier how many steps each sequence had before; default: none */
export function packTokens(
  sequences: readonly (readonly number[])[],
  earlier: readonly number[] = sequences.map(() => 0),
): PackedTokens {
  const starts = [0];
  for (const sequence of sequences) starts.push((starts.at(-1) ?? 0) + sequence.length);
  return { tokens: sequences.flat(), starts, earlier };
}

export class Stack implements Disposable {
  readonly config: ModelConfig;
  /** The type of its rows. */
  readonly type: FloatType;
  readonly blocks: readonly TransformerBlock[];
  readonly #embeddings: Embeddings;
  readonly #lastNorm: RowNorm | undefined;
  #disposed = false;

  constructor({ config, type, embeddings, blocks, lastNorm }: StackParts) {
    this.config = config;
    this.type = type;
    this.blocks = blocks;
    this.#embeddings = embeddings;
    this.#lastNorm = lastNorm;
  }

  /** Whether the memory of the weights was released. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** The rows of all tokens: [vocabulary, width]. */
  get tokens(): Tensor {
    return this.#embeddings.tokens;
  }

  expectLive(): void {
    if (this.#disposed)
      throw new HeedError('HEED_DISPOSED', 'Expected a live model, received a disposed one');
  }

  /** The rows that the first block reads: [tokens, width]. */
  async embed(packed: PackedTokens, signal?: AbortSignal): Promise<Tensor> {
    this.expectLive();
    const { tokens, positions, types, scale, norm: style, map } = this.#embeddings;
    const add: AddedEmbedding[] = [];
    if (positions) add.push({ ids: positionsOf(packed, positions.first), table: positions.table });
    if (types) add.push({ ids: new Int32Array(packed.tokens.length), table: types });
    const options = signal && { signal };
    const rows = await embed(packed.tokens, tokens, { scale, add, ...options });
    const normed = style ? await norm(rows, { ...style, ...options }) : rows;
    return map ? await project(normed, map.weight, map.bias, options) : normed;
  }

  /**
   * @param caches of each block, one for each sequence
   * @param onBlock is told what each block reads
   * @returns [tokens, width], without the last norm
   */
  async forward(
    packed: PackedTokens,
    {
      caches,
      signal,
      onBlock,
    }: {
      caches?: readonly (readonly KeyValueCache[])[];
      signal?: AbortSignal | undefined;
      onBlock?: (rows: Tensor, block: number) => Promise<void>;
    },
  ): Promise<Tensor> {
    let rows = await this.embed(packed, signal);
    for (const [i, block] of this.blocks.entries()) {
      await onBlock?.(rows, i);
      rows = await block.forward(rows, {
        queryStarts: packed.starts,
        ...(caches && { caches: caches[i] }),
        ...(signal && { signal }),
      });
    }
    return rows;
  }

  /**
   * How the heads of a block attend, whose attention reads what the block does.
   *
   * @param rows of one sequence, as the block reads them
   * @returns for each head [steps, steps]
   */
  async attentionOf(block: number, rows: Tensor, signal?: AbortSignal): Promise<Tensor[]> {
    const [steps, width] = rows.dims;
    const { attention } = this.blocks[block];
    const { weights } = await attention.forwardDetails(rows.reshape([1, steps, width]), {
      include: ['weights'],
      ...(signal && { signal }),
    });
    const all = (weights as Tensor).cast('float32').data as Float32Array;
    const size = steps * steps;
    return Array.from({ length: attention.heads }, (_, head) => {
      return new Tensor(all.slice(head * size, (head + 1) * size), [steps, steps]);
    });
  }

  /** Rows as the head reads them. */
  async normed(rows: Tensor, signal?: AbortSignal): Promise<Tensor> {
    return this.#lastNorm ? await norm(rows, { ...this.#lastNorm, ...(signal && { signal }) }) : rows;
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const block of new Set(this.blocks)) block.dispose();
    this.#embeddings.map?.weight.dispose();
  }
}

function positionsOf({ tokens, starts, earlier }: PackedTokens, first: number): Int32Array {
  const positions = new Int32Array(tokens.length);
  for (const [sequence, before] of earlier.entries()) {
    for (let i = starts[sequence]; i < starts[sequence + 1]; i++)
      positions[i] = first + before + i - starts[sequence];
  }
  return positions;
}
