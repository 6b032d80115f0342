/// <reference lib="esnext.disposable" preserve="true" />
/** Many generations over one model, continued together. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { inspect } from 'node:util';
import { abortReason, isAborted, onAbort } from '../abort.js';
import { integerBetween, invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { sample } from '../sampling/sample.js';
import type { TensorLike } from '../tensor/types.js';
import { type EndReason, type Generation, TokenStream } from './generation.js';
import {
  type EngineLimits,
  type EngineOptions,
  type GenerationOptions,
  readEngineOptions,
  readModel,
  readRequest,
} from './options.js';
import { type Part, planStep, type StepLimits } from './plan.js';
import { Request } from './request.js';
import { Room } from './room.js';
import type { ServedModel } from './served-model.js';

/** What an engine does and has done. */
export interface EngineStats {
  /** Generations that go on, among them those whose readers are behind. */
  readonly running: number;
  /** Generations that wait for others to end. */
  readonly waiting: number;
  /** Tokens of the prompts that wait. */
  readonly waitingTokens: number;
  /** Pages that there are. */
  readonly pages: number;
  /** Pages in use, those of kept prefixes among them. */
  readonly used: number;
  /** Pages of kept prefixes that nobody uses: they are given to whoever needs them. */
  readonly idle: number;
  /** Steps that went through the model. */
  readonly steps: number;
  /** Tokens that went through the model. */
  readonly computed: number;
  /** Tokens that were generated. */
  readonly tokens: number;
  /** How often a generation went on with steps of a prompt that another had computed. */
  readonly prefixHits: number;
  /** How often a generation gave its pages back for others, to be computed again. */
  readonly preempted: number;
  /** Generations that were taken. */
  readonly admitted: number;
  /** Those that were refused with HEED_OVERLOADED. */
  readonly refused: number;
  /** How those that were taken have ended. */
  readonly ended: Readonly<Record<EndReason | 'failed', number>>;
}

/** What follows a request while it lives. */
interface Watch {
  readonly timer: NodeJS.Timeout | undefined;
  readonly unsubscribe: (() => void) | undefined;
}

/**
 * Schedules generations over a model: all that go on are continued together, step by step, and come and go between steps.
 * The tokens of each depend on its prompt, its options and its seed alone, not on who else there is, nor on whether it
 * had to be computed again or began with what another had computed: as far as the model's logits do not (see
 * {@link ServedSession.step}).
 *
 * End it with `drain()` and then `dispose()`, or with `await using`.
 *
 * @example
 * const engine = new Engine(model, { pages: 4096 });
 * for await (const token of engine.generate(prompt, { maxTokens: 100, temperature: 0.8 })) show(token);
 */
export class Engine implements AsyncDisposable {
  readonly #model: Omit<ServedModel, 'open'>;
  readonly #limits: EngineLimits & StepLimits;
  readonly #room: Room;
  /** The most steps that fit into all pages. */
  readonly #capacity: number;
  /** In the order in which they came, all before those that wait. */
  readonly #running: Request[] = [];
  readonly #waiting: Request[] = [];
  readonly #watches = new Map<Request, Watch>();
  /** Who takes part in the step under way. */
  #stepping: ReadonlySet<Request> = new Set();
  #isLooping = false;
  #isDraining = false;
  #isDisposed = false;
  /** Who waits for the loop to stop. */
  readonly #idlers: (() => void)[] = [];
  #waitingTokens = 0;
  readonly #counts = { steps: 0, computed: 0, tokens: 0, admitted: 0, refused: 0 };
  readonly #ended = { stop: 0, length: 0, deadline: 0, aborted: 0, failed: 0 };

  /** @throws HeedError HEED_INVALID_ARGUMENT, HEED_UNKNOWN_OPTION, and what `open` of the model throws */
  constructor(model: ServedModel, options: EngineOptions) {
    const limits = readEngineOptions(options);
    this.#model = readModel(model);
    const session = model.open(limits.pages);
    this.#room = new Room(session, limits.prefixes);
    this.#capacity = session.pages * session.pageSize;
    const leastTokens = limits.sequences + this.#room.pieceSize;
    try {
      const { tokensPerStep = Math.max(512, leastTokens) } = limits;
      this.#limits = {
        ...limits,
        tokensPerStep: integerBetween(tokensPerStep, 'options.tokensPerStep', leastTokens, 2 ** 24),
      };
    } catch (error) {
      session[Symbol.dispose]();
      throw error;
    }
  }

  /** What it does and has done, as of now. */
  get stats(): EngineStats {
    const { session, idle, prefixHits, preempted } = this.#room;
    return {
      running: this.#running.length,
      waiting: this.#waiting.length,
      waitingTokens: this.#waitingTokens,
      pages: session.pages,
      used: session.used,
      idle,
      prefixHits,
      preempted,
      ...this.#counts,
      ended: { ...this.#ended },
    };
  }

  /**
   * Generates tokens behind a prompt. It is taken or refused before this returns, and counted at once. The last token is
   * the one that ended it: one of `endOfText`, one that completes a list of `stop`, or the last of `maxTokens`.
   *
   * @param prompt at least one token
   * @throws HeedError HEED_OVERLOADED where as many wait as may, which passes; HEED_CACHE_FULL or HEED_POOL_FULL for a
   *   prompt that the model or the pages can never take; HEED_DISPOSED once it drains; HEED_INVALID_ARGUMENT,
   *   HEED_UNKNOWN_OPTION
   */
  generate(prompt: readonly number[], options: GenerationOptions): Generation {
    if (this.#isDraining) {
      throw new HeedError(
        'HEED_DISPOSED',
        'Expected a live engine, received one that takes no more requests',
      );
    }
    const { vocabulary, longest } = this.#model;
    const asked = readRequest(prompt, options, { vocabulary, longest, room: this.#capacity });
    this.#expectRoomToWait(asked.prompt.length);
    const stream: TokenStream = new TokenStream({
      resumed: () => this.#wake(),
      left: () => this.#end(request, 'aborted'),
    });
    const request = new Request(asked, stream, this.#room.pieceSize);
    this.#counts.admitted++;
    this.#waiting.push(request);
    this.#waitingTokens += asked.prompt.length;
    this.#admit();
    this.#watch(request, asked.deadline, asked.signal);
    this.#wake();
    return stream;
  }

  /**
   * Takes no more requests, and fulfils when all that were taken have ended. Whoever cannot wait for slow readers
   * calls `dispose()` after some time.
   */
  async drain(): Promise<void> {
    this.#isDraining = true;
    await Promise.allSettled(this.#all().map(({ stream }) => stream.usage));
    await this.#idle();
  }

  /** Takes no more requests, ends those that go on or wait as 'aborted', and releases the pages. May be called again. */
  async dispose(): Promise<void> {
    this.#isDraining = true;
    const reason = new HeedError('HEED_DISPOSED', 'Expected a live engine, received a disposed one');
    for (const request of this.#all()) this.#end(request, 'aborted', reason);
    await this.#idle();
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#room.clear();
    this.#room.session[Symbol.dispose]();
  }

  /** {@link dispose}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** @internal */
  [inspect.custom](): string {
    const { running, waiting, used, pages } = this.stats;
    return `Engine, ${running} running, ${waiting} waiting, ${used} of ${pages} pages in use`;
  }

  #all(): Request[] {
    return [...this.#running, ...this.#waiting];
  }

  /** Those whose readers are behind need no place among the others, but they are counted: each holds memory. */
  #expectRoomToWait(tokens: number): void {
    const { sequences, waitingRequests, waitingTokens } = this.#limits;
    const mostRequests = sequences + waitingRequests;
    if (this.#running.length + this.#waiting.length >= mostRequests) {
      this.#refuse(`fewer than ${mostRequests} requests`, `${mostRequests}`);
    }
    if (this.#hasPlace() || this.#waitingTokens + tokens <= waitingTokens) return;
    this.#refuse(`at most ${waitingTokens} tokens in prompts that wait`, `${this.#waitingTokens + tokens}`);
  }

  #refuse(expected: string, received: string): never {
    this.#counts.refused++;
    throw new HeedError('HEED_OVERLOADED', `Expected the engine to have ${expected}, received ${received}`);
  }

  /** Whether a request need not wait. */
  #hasPlace(): boolean {
    if (this.#waiting.length > 0) return false;
    return this.#activeCount() < this.#limits.sequences;
  }

  #activeCount(): number {
    return this.#running.reduce((count, { isPaused }) => (isPaused ? count : count + 1), 0);
  }

  /** Those who wait take the places that are free. */
  #admit(): void {
    let places = this.#limits.sequences - this.#activeCount();
    while (places-- > 0) {
      const request = this.#waiting.shift();
      if (request === undefined) return;
      this.#waitingTokens -= request.prompt.length;
      this.#running.push(request);
    }
  }

  #watch(request: Request, deadline: number | undefined, signal: AbortSignal | undefined): void {
    const abort = (aborted: AbortSignal) => this.#end(request, 'aborted', abortReason(aborted));
    if (signal && isAborted(signal)) {
      abort(signal);
      return;
    }
    this.#watches.set(request, {
      timer: deadline === undefined ? undefined : setTimeout(() => this.#end(request, 'deadline'), deadline),
      unsubscribe: signal && onAbort(signal, () => abort(signal)),
    });
  }

  /** Ends a request; its pages go back at once, or after the step that it takes part in. */
  #end(request: Request, reason: EndReason, abortedWith?: unknown): void {
    if (!this.#remove(request)) return;
    this.#ended[reason]++;
    const usage = {
      prompt: request.prompt.length,
      completion: request.completion,
      cached: request.reused,
      reason,
    };
    if (abortedWith === undefined) request.stream.end(usage);
    else request.stream.abort(usage, abortedWith);
  }

  #fail(request: Request, error: unknown): void {
    if (!this.#remove(request)) return;
    this.#ended.failed++;
    request.stream.fail(error);
  }

  /** False for one that had ended. */
  #remove(request: Request): boolean {
    if (request.ended) return false;
    request.ended = true;
    const watch = this.#watches.get(request);
    clearTimeout(watch?.timer);
    watch?.unsubscribe?.();
    this.#watches.delete(request);
    const place = this.#running.indexOf(request);
    if (place >= 0) this.#running.splice(place, 1);
    else {
      this.#waiting.splice(this.#waiting.indexOf(request), 1);
      this.#waitingTokens -= request.prompt.length;
    }
    if (!this.#stepping.has(request)) this.#room.leave(request);
    this.#admit();
    this.#wake();
    return true;
  }

  #wake(): void {
    if (this.#isLooping) return;
    this.#isLooping = true;
    void this.#loop();
  }

  /** Steps as long as anybody can go on. */
  async #loop(): Promise<void> {
    try {
      do {
        // Steps of small models never leave the calling thread: timers and sockets have their turn here.
        await nextTurn();
      } while (await this.#turn());
    } catch (error) {
      // The session itself is of no more use, as when its model was disposed of.
      this.#stepping = new Set();
      for (const request of this.#all()) this.#fail(request, error);
    }
    this.#isLooping = false;
    for (const resolve of this.#idlers.splice(0)) resolve();
  }

  /** One step; false where nobody can go on. */
  async #turn(): Promise<boolean> {
    this.#admit();
    const parts = planStep(this.#running, this.#room, this.#limits);
    this.#stepping = new Set(parts.map(({ request }) => request));
    await this.#step(parts);
    this.#stepping = new Set();
    for (const { request } of parts) if (request.ended) this.#room.leave(request);
    return parts.length > 0;
  }

  #idle(): Promise<void> {
    if (!this.#isLooping) return Promise.resolve();
    return new Promise((resolve) => this.#idlers.push(resolve));
  }

  /** Computes parts together. Where that fails, halves of them, until those are alone that cannot be computed. */
  async #step(parts: readonly Part[]): Promise<void> {
    const live = parts.filter(({ request }) => !request.ended);
    if (live.length === 0) return;
    let logits: TensorLike;
    try {
      logits = await this.#room.session.step(live.map(({ sequence, tokens }) => ({ sequence, tokens })));
    } catch (error) {
      if (live.length === 1) {
        this.#recover(live[0], error);
        return;
      }
      const half = Math.ceil(live.length / 2);
      await this.#step(live.slice(0, half));
      await this.#step(live.slice(half));
      return;
    }
    this.#counts.steps++;
    for (const { request, tokens, end } of live) {
      this.#counts.computed += tokens.length;
      request.advance(end);
    }
    await this.#choose(live, logits);
    for (const { request } of live) {
      if (request.steps <= request.prompt.length && request.steps % this.#room.pieceSize === 0)
        this.#room.keep(request);
    }
  }

  /** One that fails alone has failed; but where it wants pages that others have, it is computed again later. */
  #recover({ request }: Part, error: unknown): void {
    if (error instanceof HeedError && error.code === 'HEED_POOL_FULL') {
      for (const each of this.#running) {
        if (each.sequence && (each === request || !this.#stepping.has(each))) this.#room.preempt(each);
      }
      this.#room.clear();
      if (this.#room.session.used > 0) return;
    }
    this.#fail(request, error);
  }

  /** Samples for those that have come to the end of what is known of them. */
  async #choose(parts: readonly Part[], logits: TensorLike): Promise<void> {
    const due = parts.map(({ request, end }) => end === request.tokens.length);
    let tokens: Int32Array;
    try {
      tokens = await this.#sample(parts, due, logits);
    } catch (error) {
      for (const { request } of parts) this.#fail(request, error);
      return;
    }
    for (const [i, { request }] of parts.entries()) {
      if (due[i] && !request.ended) this.#give(request, tokens[i]);
    }
  }

  async #sample(parts: readonly Part[], due: readonly boolean[], logits: TensorLike): Promise<Int32Array> {
    const { vocabulary } = this.#model;
    const [rows, columns] = logits.dims;
    if (logits.dims.length !== 2 || rows !== parts.length || columns !== vocabulary) {
      throw new HeedError(
        'HEED_SHAPE_MISMATCH',
        `Expected the model's logits.dims to be [${parts.length}, ${vocabulary}], received [${logits.dims.join(', ')}]`,
      );
    }
    if (!due.includes(true)) return new Int32Array(parts.length);
    const samplings = parts.map(({ request }) => request.sampling);
    return await sample(logits, {
      // Where no token is due, the largest costs least.
      temperature: samplings.map(({ temperature }, i) => (due[i] ? temperature : 0)),
      topK: samplings.map(({ topK }) => topK),
      topP: samplings.map(({ topP }) => topP),
      minP: samplings.map(({ minP }) => minP),
      seed: samplings.map(({ seed }) => seed),
    });
  }

  #give(request: Request, token: number): void {
    if (token < 0) {
      this.#fail(
        request,
        invalid("the model's logits", 'numbers, above −∞ for at least one token', Number.NaN),
      );
      return;
    }
    this.#counts.tokens++;
    const reason = request.add(token, this.#model.endOfText);
    request.stream.push(token);
    if (reason) this.#end(request, reason);
  }
}
