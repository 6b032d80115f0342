/** The tokens of one generation, on their way to whoever reads them. */

/** Why a generation ended: a token of `endOfText` or a list of `stop`; the most tokens; its deadline; or its caller. */
export type EndReason = 'stop' | 'length' | 'deadline' | 'aborted';

/** What a generation came to. */
export interface GenerationUsage {
  /** Tokens of the prompt. */
  readonly prompt: number;
  /** Tokens that were generated. */
  readonly completion: number;
  /** Tokens of the prompt that were not computed, because another prompt began with them. */
  readonly cached: number;
  /** Why it ended. */
  readonly reason: EndReason;
}

/**
 * Tokens as they are generated, to be iterated once: `for await (const token of generation)`. Who leaves the loop ends
 * the generation. One that nobody reads pauses with 64 tokens unread, and goes on once it is read.
 */
export interface Generation extends AsyncIterable<number> {
  /** Settles when it has ended, read or not; rejects if the model failed. */
  readonly usage: Promise<GenerationUsage>;
  /** Reads it to its end: all tokens that nobody has read yet. */
  tokens(): Promise<number[]>;
}

/** A reader who is behind by so many tokens makes a generation pause. */
export const mostUnread = 64;

interface Reader {
  readonly resolve: (result: IteratorResult<number, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/** What a stream tells whoever fills it. */
export interface StreamOwner {
  /** There is room again. */
  resumed(): void;
  /** Nobody will read it. */
  left(): void;
}

const done: IteratorReturnResult<undefined> = { done: true, value: undefined };

export class TokenStream implements Generation, AsyncIterator<number, undefined> {
  readonly usage: Promise<GenerationUsage>;
  #settle!: { readonly resolve: (usage: GenerationUsage) => void; readonly reject: (error: unknown) => void };
  readonly #owner: StreamOwner;
  #unread: number[] = [];
  /** Who asked for tokens before there were any. */
  readonly #readers: Reader[] = [];
  #ended = false;
  /** What the next reader gets behind the last token, once. */
  #error: { readonly value: unknown } | undefined;

  constructor(owner: StreamOwner) {
    this.#owner = owner;
    this.usage = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever does not ask for the usage learns of the failure by reading.
    this.usage.catch(() => undefined);
  }

  get isFull(): boolean {
    return this.#unread.length >= mostUnread;
  }

  push(token: number): void {
    const reader = this.#readers.shift();
    if (reader) reader.resolve({ done: false, value: token });
    else this.#unread.push(token);
  }

  /** The end, behind the tokens that are unread. */
  end(usage: GenerationUsage): void {
    this.#settle.resolve(usage);
    this.#close();
  }

  /** The end by its caller: what is unread is dropped, and reading throws the reason. */
  abort(usage: GenerationUsage, reason: unknown): void {
    this.#unread = [];
    this.#error = { value: reason };
    this.#settle.resolve(usage);
    this.#close();
  }

  /** The end by a failure, behind the tokens that are unread. */
  fail(error: unknown): void {
    this.#error = { value: error };
    this.#settle.reject(error);
    this.#close();
  }

  [Symbol.asyncIterator](): AsyncIterator<number, undefined> {
    return this;
  }

  next(): Promise<IteratorResult<number, undefined>> {
    const wasFull = this.isFull;
    const token = this.#unread.shift();
    if (token !== undefined) {
      if (wasFull && !this.#ended) this.#owner.resumed();
      return Promise.resolve({ done: false, value: token });
    }
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      if (this.#ended) this.#answerReaders();
    });
  }

  return(): Promise<IteratorResult<number, undefined>> {
    if (!this.#ended) this.#owner.left();
    this.#unread = [];
    this.#error = undefined;
    return Promise.resolve(done);
  }

  async tokens(): Promise<number[]> {
    const tokens: number[] = [];
    for await (const token of this) tokens.push(token);
    return tokens;
  }

  #close(): void {
    this.#ended = true;
    this.#answerReaders();
  }

  #answerReaders(): void {
    for (const { resolve, reject } of this.#readers.splice(0)) {
      const error = this.#error;
      this.#error = undefined;
      if (error) reject(error.value);
      else resolve(done);
    }
  }
}
