/// <reference lib="esnext.disposable" preserve="true" />
/** Decoders: models that continue texts. */
import { randomInt } from 'node:crypto';
import { inspect } from 'node:util';
import { longestList, readList } from '../checks/lists.js';
import { integerElement, readIntegerElements } from '../checks/numbers.js';
import { readOptions } from '../checks/options.js';
import { integerBetween, invalid, isArray, signalOption } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { CacheType } from '../key-value-cache/slabs.js';
import { logits } from '../logits/logits.js';
import { pooling } from '../pooling/pooling.js';
import type { PackedWeight } from '../projection/packed-weight.js';
import { type SampleOptions, sample } from '../sampling/sample.js';
import { stepSeed } from '../sampling/step-seed.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ChatMessage } from './chat-template.js';
import type { ModelConfig } from './config.js';
import { ModelSession, pageSize } from './session.js';
import { packTokens, type Stack } from './stack.js';
import { TextStream } from './text-stream.js';
import type { Tokenizer } from './tokenizer.js';

/** The options of {@link DecoderModel.generate}. */
export interface GenerateOptions extends Pick<SampleOptions, 'signal'> {
  /** The most tokens to generate; fewer where the model's longest sequence ends. Default 256. */
  maxTokens?: number;
  /** What logits are divided by before a token is drawn. 0 takes the largest. Default 0. */
  temperature?: number;
  /** As for {@link sample}. */
  topK?: number;
  /** As for {@link sample}. */
  topP?: number;
  /** As for {@link sample}. */
  minP?: number;
  /** As for {@link sample}; it applies to all tokens so far, those of the prompt among them. */
  repetitionPenalty?: number;
  /** An integer from 0 to 2⁵³ − 1 that decides what is drawn. Default: another for each call. */
  seed?: number;
  /** Text that ends the generation, which is not given: a string, or several. Takes a tokenizer. Default: none. */
  stop?: string | readonly string[];
}

/** One token that was generated. */
export interface GeneratedToken {
  /** Its number in the vocabulary. */
  readonly token: number;
  /**
   * The text that has become certain with it: '' where it ends within a character, or where a string of
   * `stop` may have begun. '' without a tokenizer.
   */
  readonly text: string;
}

/** From the last rows to logits. */
export interface LogitsHead {
  /** [vocabulary, width] */
  readonly weight: PackedWeight;
  /** Logits are softcap · tanh(logits / softcap); 0 for none. */
  readonly softcap: number;
}

const samplingNames = ['temperature', 'topK', 'topP', 'minP', 'repetitionPenalty'] as const;

/** A model that predicts the next token. Made by {@link loadModel}; release it with `dispose()` or `using`. */
export class DecoderModel implements Disposable {
  /** Tells it from an {@link EncoderModel}. */
  readonly kind = 'decoder';
  /** What the model is, apart from its weights. */
  readonly config: ModelConfig;
  /** The number of tokens that there are. */
  readonly vocabulary: number;
  /** The most steps of a sequence. */
  readonly longest: number;
  /** The tokens that end a text. */
  readonly endOfText: readonly number[];
  /** Undefined where the folder has no tokenizer.json. */
  readonly tokenizer: Tokenizer | undefined;
  readonly #stack: Stack;
  readonly #head: LogitsHead;
  readonly #cache: CacheType | undefined;

  /** @internal Use {@link loadModel}. */
  constructor(
    stack: Stack,
    head: LogitsHead,
    endOfText: readonly number[],
    tokenizer: Tokenizer | undefined,
    cache: CacheType | undefined,
  ) {
    this.config = stack.config;
    this.vocabulary = stack.config.vocabulary;
    this.longest = stack.config.longest;
    this.endOfText = endOfText;
    this.tokenizer = tokenizer;
    this.#stack = stack;
    this.#head = head;
    this.#cache = cache;
  }

  /** Whether the memory of the weights was released. */
  get disposed(): boolean {
    return this.#stack.disposed;
  }

  /**
   * What the model expects behind each token.
   *
   * @returns [steps, vocabulary], float32
   * @throws HeedError (as a rejection) HEED_INVALID_ARGUMENT for a token that does not exist, HEED_CACHE_FULL for
   *   more than the model's longest sequence, HEED_DISPOSED
   */
  async logits(tokens: ArrayLike<number>): Promise<Tensor> {
    this.#stack.expectLive();
    const list = this.#readTokens(tokens, 'tokens');
    const rows = await this.#stack.forward(packTokens([list]), {});
    return await this.#logits(rows);
  }

  /**
   * Generates tokens behind a prompt, and their text, as they come. The last is the one that ended it: a token of
   * `endOfText`, one that completes a string of `stop`, or the last of `maxTokens`.
   *
   * @param prompt a text, with the tokens around it that the model expects; or tokens, taken as they are; or the
   *   messages of a conversation, to which the model's chat template is applied
   * @throws HeedError at once for bad options; while it is iterated for a bad prompt, HEED_MISSING_PACKAGE where
   *   `@huggingface/jinja` is not installed and the prompt is a conversation, HEED_DISPOSED. When aborted, iteration
   *   throws the signal's reason.
   *
   * @example
   * for await (const { text } of model.generate('Once upon a time')) process.stdout.write(text);
   */
  generate(
    prompt: string | ArrayLike<number> | readonly ChatMessage[],
    options?: GenerateOptions,
  ): AsyncGenerator<GeneratedToken, void, void> {
    const values = readOptions(options, [...samplingNames, 'maxTokens', 'seed', 'stop', 'signal']);
    const { maxTokens = 256, seed = randomInt(2 ** 48 - 1) } = values;
    return this.#generate(prompt, {
      most: integerBetween(maxTokens, 'options.maxTokens', 1, 2 ** 31),
      seed: integerBetween(seed, 'options.seed', 0, Number.MAX_SAFE_INTEGER),
      stops: readStops(values.stop, this.tokenizer),
      signal: signalOption(values.signal, 'options.signal'),
      sampling: Object.fromEntries(
        samplingNames.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]]])),
      ),
    });
  }

  /**
   * Room for sequences that are continued together.
   *
   * @param pages the most pages of 16 steps that all of them together may have
   */
  open(pages: number): ModelSession {
    this.#stack.expectLive();
    const head = (rows: Tensor, starts: readonly number[], signal: AbortSignal | undefined) =>
      this.#logits(rows, { queryStarts: starts, signal });
    return new ModelSession(this.#stack, head, pages, this.#cache);
  }

  /** Releases the weights. May be called again; running operations keep the memory that they need. */
  dispose(): void {
    this.#stack[Symbol.dispose]();
    this.#head.weight.dispose();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal */
  [inspect.custom](): string {
    const { modelType, layers, width, vocabulary } = this.config;
    const state = this.disposed ? ', disposed' : '';
    return `DecoderModel ${modelType}, ${layers} layers of ${width}, ${vocabulary} tokens${state}`;
  }

  async *#generate(
    prompt: unknown,
    { most, seed, stops, signal, sampling }: Generation,
  ): AsyncGenerator<GeneratedToken, void, void> {
    signal?.throwIfAborted();
    const tokens = await this.#readPrompt(prompt);
    const count = Math.min(most, this.longest - tokens.length);
    if (count < 1) throw this.#tooLong('the prompt', tokens.length);
    using session = this.open(Math.ceil((tokens.length + count) / pageSize));
    const sequence = session.sequence();
    const { tokenizer } = this;
    // How the text goes on may depend on the last tokens of the prompt.
    const stream = tokenizer && new TextStream((list) => tokenizer.decode(list), stops, tokens.slice(-8));
    let unread = tokens;
    const all = [...tokens];
    for (let i = 0; i < count; i++) {
      const next = await session.step([{ sequence, tokens: unread }], signal && { signal });
      const [token] = await sample(next, {
        ...sampling,
        seed: stepSeed(seed, i),
        ...(sampling.repetitionPenalty !== undefined && { previous: all }),
        ...(signal && { signal }),
      });
      if (token < 0)
        throw new HeedError(
          'HEED_INVALID_ARGUMENT',
          `Expected logits of numbers, received NaN behind step ${all.length - 1}`,
        );
      const isEnd = this.endOfText.includes(token);
      let text = isEnd ? '' : (stream?.push(token) ?? '');
      const isLast = isEnd || i === count - 1 || stream?.stopped === true;
      if (isLast) text += stream?.end() ?? '';
      yield { token, text };
      if (isLast) return;
      unread = [token];
      all.push(token);
    }
  }

  async #readPrompt(prompt: unknown): Promise<number[]> {
    if (typeof prompt !== 'string') {
      const list = isArray(prompt) ? readList(prompt, 'prompt') : undefined;
      const isConversation = typeof list?.[0] === 'object' && list[0] !== null;
      if (list === undefined || !isConversation) return this.#readTokens(prompt, 'prompt');
      const tokenizer = this.#expectTokenizer();
      // The template has all special tokens in it.
      return this.#readTokens(
        tokenizer.encode(await tokenizer.applyChatTemplate(list as ChatMessage[]), false),
        'prompt',
      );
    }
    return this.#readTokens(this.#expectTokenizer().encode(prompt), 'prompt');
  }

  #expectTokenizer(): Tokenizer {
    if (this.tokenizer) return this.tokenizer;
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      "Expected prompt to be a list of tokens, since the model's folder has no tokenizer.json",
    );
  }

  #readTokens(value: unknown, name: string): number[] {
    const tokens = readIntegerElements(value, name, longestList).map((token, i) =>
      integerElement(token, `${name}[${i}]`, 0, this.vocabulary - 1),
    );
    if (tokens.length === 0) throw invalid(name, 'at least one token', value);
    if (tokens.length > this.longest) throw this.#tooLong(name, tokens.length);
    return tokens;
  }

  #tooLong(name: string, length: number): HeedError {
    return new HeedError(
      'HEED_CACHE_FULL',
      `Expected ${name} to be shorter than the ${this.longest} steps of the model, received ${length}`,
    );
  }

  async #logits(
    rows: Tensor,
    { queryStarts, signal }: { queryStarts?: readonly number[]; signal?: AbortSignal | undefined } = {},
  ): Promise<Tensor> {
    const { weight, softcap } = this.#head;
    // What follows reads the last row of each sequence alone.
    const last = queryStarts
      ? await pooling(rows, { type: 'last', queryStarts, ...(signal && { signal }) })
      : rows;
    const normed = await this.#stack.normed(last, signal);
    return await logits(normed, weight, { softcap, ...(signal && { signal }) });
  }
}

interface Generation {
  readonly most: number;
  readonly seed: number;
  readonly stops: readonly string[];
  readonly signal: AbortSignal | undefined;
  readonly sampling: Pick<SampleOptions, (typeof samplingNames)[number]>;
}

function readStops(value: unknown, tokenizer: Tokenizer | undefined): string[] {
  if (value === undefined) return [];
  const list = typeof value === 'string' ? [value] : readList(value, 'options.stop', 64);
  if (tokenizer === undefined) {
    throw invalid('options.stop', 'left out for a model without tokenizer.json', value);
  }
  return list.map((stop, i) => {
    if (typeof stop === 'string' && stop !== '') return stop;
    throw invalid(`options.stop[${i}]`, 'a string of at least one character', stop);
  });
}
