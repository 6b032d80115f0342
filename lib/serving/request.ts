/** One generation: what it has read and generated, and how far the model has come with it. */
import { stepSeed } from '../sampling/step-seed.js';
import type { TokenStream } from './generation.js';
import type { GenerationRequest } from './options.js';
import type { Prefix } from './prefixes.js';
import type { ServedSequence } from './served-model.js';

export class Request {
  readonly prompt: readonly number[];
  /** The prompt, and what was generated. */
  readonly tokens: number[];
  readonly stream: TokenStream;
  /** Tokens of the prompt that did not have to be computed when they were first needed. */
  reused = 0;
  ended = false;
  readonly #asked: GenerationRequest;
  readonly #pieceSize: number;
  #sequence: ServedSequence | undefined;
  #steps = 0;
  #prefix: Prefix | undefined;
  /** The most steps that its sequences have had. */
  #furthest = 0;

  constructor(asked: GenerationRequest, stream: TokenStream, pieceSize: number) {
    this.#asked = asked;
    this.prompt = asked.prompt;
    this.tokens = [...asked.prompt];
    this.stream = stream;
    this.#pieceSize = pieceSize;
  }

  /** Undefined while it has not begun, or has to begin again. */
  get sequence(): ServedSequence | undefined {
    return this.#sequence;
  }

  /** Steps of the sequence. */
  get steps(): number {
    return this.#steps;
  }

  /** What the sequence began with and keeps from being evicted. */
  get prefix(): Prefix | undefined {
    return this.#prefix;
  }

  get completion(): number {
    return this.tokens.length - this.prompt.length;
  }

  /** Whether the whole prompt is in the sequence, so that tokens come one by one. */
  get hasReadPrompt(): boolean {
    return this.#steps >= this.prompt.length;
  }

  /** Whether it waits for its reader. */
  get isPaused(): boolean {
    return this.stream.isFull;
  }

  /**
   * Where its next part ends. A prompt always comes in the same pieces, and what was generated always comes one by one,
   * also when it is computed again: a model may sum the same numbers in another order for other pieces, and the tokens
   * of a request may depend on nothing else than the request.
   */
  get nextEnd(): number {
    if (this.hasReadPrompt) return this.#steps + 1;
    return Math.min(this.#steps + this.#pieceSize, this.prompt.length);
  }

  /** Begins, or goes on, with a sequence that has the first tokens already. */
  begin(sequence: ServedSequence, steps: number, prefix: Prefix | undefined): void {
    this.#sequence?.dispose();
    this.#sequence = sequence;
    this.reused += Math.max(0, steps - this.#furthest);
    this.#prefix = prefix;
    this.advance(steps);
  }

  /** The sequence has been continued. */
  advance(steps: number): void {
    this.#steps = steps;
    this.#furthest = Math.max(this.#furthest, steps);
  }

  /** Others may begin with what the sequence has. */
  buildOn(prefix: Prefix): void {
    this.#prefix = prefix;
  }

  /** Gives the pages back; it may begin again. */
  rest(): void {
    this.#sequence?.dispose();
    this.#sequence = undefined;
    this.#prefix = undefined;
    this.#steps = 0;
  }

  /** How its next token is chosen. */
  get sampling(): GenerationRequest['sampling'] {
    const { sampling } = this.#asked;
    return { ...sampling, seed: stepSeed(sampling.seed, this.completion) };
  }

  /** Adds a token, and says whether it is the last, and why. */
  add(token: number, endOfText: readonly number[]): 'stop' | 'length' | undefined {
    this.tokens.push(token);
    const { maxTokens, stop } = this.#asked;
    if (endOfText.includes(token) || stop.some((list) => this.#endsWith(list))) return 'stop';
    return this.completion === maxTokens ? 'length' : undefined;
  }

  #endsWith(list: readonly number[]): boolean {
    const first = this.tokens.length - list.length;
    return first >= this.prompt.length && list.every((token, i) => token === this.tokens[first + i]);
  }
}
