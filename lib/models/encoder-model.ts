/// <reference lib="esnext.disposable" preserve="true" />
/** Encoders: models whose rows say what tokens mean where they stand, and what whole texts mean. */
import { inspect } from 'node:util';
import { readList } from '../checks/lists.js';
import { integerElement, readIntegerElements } from '../checks/numbers.js';
import { readOptions } from '../checks/options.js';
import { booleanOption, choiceOption, integerBetween, invalid, signalOption } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { type PoolingOptions, pooling } from '../pooling/pooling.js';
import { poolingTypes } from '../problem/problem.js';
import { Tensor } from '../tensor/tensor.js';
import type { ModelConfig } from './config.js';
import { packTokens, type Stack } from './stack.js';
import type { Tokenizer } from './tokenizer.js';

/** The options of {@link EncoderModel.embed}. */
export interface EmbedTextsOptions extends Pick<PoolingOptions, 'signal' | 'normalize'> {
  /** What of a text's rows stands for it: their mean (default), or the first or last of them. */
  pooling?: NonNullable<PoolingOptions['type']>;
}

/** A head of a block, both counted from 0. */
export interface HeadPlace {
  /** The number of the block. */
  readonly layer: number;
  /** The number of the head. */
  readonly head: number;
}

/** The options of {@link EncoderModel.hidden}. */
export interface HiddenOptions {
  /** The heads whose attention to give. Default: none. */
  attention?: readonly HeadPlace[];
  /** Cancels, as for attention. */
  signal?: AbortSignal;
}

/** What {@link EncoderModel.hidden} returns. */
export interface HiddenStates {
  /** [steps, width] */
  readonly output: Tensor;
  /** For each head that was asked for, in that order: how much every token (row) attends every other, [steps, steps]. */
  readonly attention?: Tensor[];
}

/** So many tokens go through the model at once, at least one text: enough for products to be fast. */
const tokensAtOnce = 4096;

/** A model that reads texts whole. Made by {@link loadModel}; release it with `dispose()` or `using`. */
export class EncoderModel implements Disposable {
  /** Tells it from a {@link DecoderModel}. */
  readonly kind = 'encoder';
  /** What the model is, apart from its weights. */
  readonly config: ModelConfig;
  /** Undefined where the folder has no tokenizer.json. */
  readonly tokenizer: Tokenizer | undefined;
  readonly #stack: Stack;

  /** @internal Use {@link loadModel}. */
  constructor(stack: Stack, tokenizer: Tokenizer | undefined) {
    this.config = stack.config;
    this.tokenizer = tokenizer;
    this.#stack = stack;
  }

  /** Whether the memory of the weights was released. */
  get disposed(): boolean {
    return this.#stack.disposed;
  }

  /**
   * A row for each text. Texts lie end to end, without padding, and each gets what it gets alone, whatever the others
   * are.
   *
   * @param texts texts, with the tokens around them that the model expects; or lists of tokens, taken as they are
   * @returns [texts, width], float32
   * @throws HeedError (as a rejection) HEED_INVALID_ARGUMENT for a text without tokens or with more than the model's
   *   longest, HEED_DISPOSED, and others: see `code`
   *
   * @example
   * const rows = await model.embed(['a cat', 'a dog', 'a theorem'], { normalize: true });
   */
  async embed(texts: readonly (string | ArrayLike<number>)[], options?: EmbedTextsOptions): Promise<Tensor> {
    const values = readOptions(options, ['pooling', 'normalize', 'signal']);
    const signal = signalOption(values.signal, 'options.signal');
    const type = choiceOption(values.pooling, 'options.pooling', poolingTypes, 'mean');
    const normalize = booleanOption(values.normalize, 'options.normalize', false);
    this.#stack.expectLive();
    const lists = readList(texts, 'texts').map((text, i) => this.#readText(text, `texts[${i}]`));
    const { width } = this.config;
    const output = Tensor.zeros('float32', [lists.length, width]);
    let done = 0;
    for (const batch of batchesOf(lists)) {
      const packed = packTokens(batch);
      const rows = await this.#stack.forward(packed, { signal });
      const pooled = await pooling(await this.#stack.normed(rows, signal), {
        type,
        normalize,
        queryStarts: packed.starts,
        ...(signal && { signal }),
      });
      (output.data as Float32Array).set(pooled.cast('float32').data as Float32Array, done * width);
      done += batch.length;
    }
    return output;
  }

  /**
   * The rows of one text's tokens behind the last block, and how heads attend on the way.
   *
   * @param tokens with those around a text that the model expects; `tokenizer.encode` gives them
   * @throws HeedError (as a rejection) as {@link embed}
   */
  async hidden(tokens: ArrayLike<number>, options?: HiddenOptions): Promise<HiddenStates> {
    const values = readOptions(options, ['attention', 'signal']);
    const signal = signalOption(values.signal, 'options.signal');
    this.#stack.expectLive();
    const list = this.#readTokens(tokens, 'tokens');
    const places = values.attention === undefined ? undefined : this.#readPlaces(values.attention);
    const attention = new Array<Tensor>(places?.length ?? 0);
    const rows = await this.#stack.forward(packTokens([list]), {
      signal,
      onBlock: async (input, block) => {
        const here = [...(places ?? []).entries()].filter(([, { layer }]) => layer === block);
        if (here.length === 0) return;
        const weights = await this.#stack.attentionOf(block, input, signal);
        for (const [i, { head }] of here) attention[i] = weights[head];
      },
    });
    const output = await this.#stack.normed(rows, signal);
    return { output, ...(places && { attention }) };
  }

  /** Releases the weights. May be called again; running operations keep the memory that they need. */
  dispose(): void {
    this.#stack[Symbol.dispose]();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal */
  [inspect.custom](): string {
    const { modelType, layers, width, vocabulary } = this.config;
    const state = this.disposed ? ', disposed' : '';
    return `EncoderModel ${modelType}, ${layers} layers of ${width}, ${vocabulary} tokens${state}`;
  }

  #readText(text: unknown, name: string): number[] {
    if (typeof text !== 'string') return this.#readTokens(text, name);
    if (this.tokenizer) return this.#readTokens(this.tokenizer.encode(text), name);
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected ${name} to be a list of tokens, since the model's folder has no tokenizer.json`,
    );
  }

  #readTokens(value: unknown, name: string): number[] {
    const { vocabulary, longest } = this.config;
    const tokens = readIntegerElements(value, name).map((token, i) =>
      integerElement(token, `${name}[${i}]`, 0, vocabulary - 1),
    );
    if (tokens.length > 0 && tokens.length <= longest) return tokens;
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected ${name} to have 1 to ${longest} tokens, received ${tokens.length}`,
    );
  }

  #readPlaces(value: unknown): HeadPlace[] {
    return readList(value, 'options.attention', 65536).map((place, i) => {
      const name = `options.attention[${i}]`;
      if (place === undefined) throw invalid(name, 'an object with layer and head', place);
      const read = readOptions(place, ['layer', 'head'], name);
      const layer = integerBetween(read.layer, `${name}.layer`, 0, this.config.layers - 1);
      const { heads } = this.#stack.blocks[layer].attention;
      return { layer, head: integerBetween(read.head, `${name}.head`, 0, heads - 1) };
    });
  }
}

function* batchesOf(lists: readonly number[][]): Generator<number[][]> {
  let batch: number[][] = [];
  let tokens = 0;
  for (const list of lists) {
    if (batch.length > 0 && tokens + list.length > tokensAtOnce) {
      yield batch;
      batch = [];
      tokens = 0;
    }
    batch.push(list);
    tokens += list.length;
  }
  if (batch.length > 0) yield batch;
}
