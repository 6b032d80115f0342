/**
 * What goes through the model in one step: one token of each generation that has read its prompt, and with the rest of the
 * step's tokens, pieces of prompts, first come, first served.
 *
 * Pages go to the oldest first. Where too few are left, idle prefixes are evicted; then those that take no part in the step
 * (their readers are behind) give back theirs; then the youngest, who is computed again later. Nobody begins before an
 * older one, nor without room for the whole prompt, so the oldest always goes on, and everybody's turn comes.
 */
import type { Request } from './request.js';
import type { Room } from './room.js';
import type { ServedSequence } from './served-model.js';

/** A request, and the tokens of it that are computed next. */
export interface Part {
  readonly request: Request;
  readonly sequence: ServedSequence;
  readonly tokens: readonly number[];
  /** How many steps its sequence has then. */
  readonly end: number;
}

export interface StepLimits {
  readonly sequences: number;
  readonly tokensPerStep: number;
}

class Plan {
  readonly #room: Room;
  /** Who may take part, the oldest first. */
  readonly #taking: readonly Request[];
  /** Others that have begun. */
  readonly #idle: Request[];
  readonly #ends = new Map<Request, number>();
  /** Pieces that others may take from those who compute them. */
  readonly #claimed = new Set<string>();
  #tokensLeft: number;

  constructor(running: readonly Request[], room: Room, { sequences, tokensPerStep }: StepLimits) {
    this.#room = room;
    this.#taking = running.filter(({ isPaused }) => !isPaused).slice(0, sequences);
    const taking = new Set(this.#taking);
    this.#idle = running.filter((request) => request.sequence && !taking.has(request));
    this.#tokensLeft = tokensPerStep;
  }

  make(): Part[] {
    this.#room.clearPromises();
    const begun = this.#taking.filter(({ sequence }) => sequence);
    for (const request of begun) if (request.hasReadPrompt) this.#choose(request);
    for (const request of begun) {
      if (request.hasReadPrompt || this.#isLeftToOthers(request)) continue;
      if (!this.#choose(request)) break;
    }
    for (const request of begun) if (this.#ends.has(request)) this.#givePages(request);
    this.#beginOthers();
    return [...this.#ends].map(([request, end]) => ({
      request,
      // Whoever has an end has begun.
      sequence: request.sequence as ServedSequence,
      end,
      tokens: request.tokens.slice(request.steps, end),
    }));
  }

  /** Whether its next piece is there already, or will be after this step. */
  #isLeftToOthers(request: Request): boolean {
    this.#room.begin(request);
    const name = this.#room.nameOfNext(request);
    if (name === undefined) return false;
    if (this.#claimed.has(name) && request.steps + this.#room.pieceSize < request.prompt.length) return true;
    this.#claimed.add(name);
    return false;
  }

  /** False where too few tokens are left. */
  #choose(request: Request): boolean {
    const end = request.nextEnd;
    if (end - request.steps > this.#tokensLeft) return false;
    this.#tokensLeft -= end - request.steps;
    this.#ends.set(request, end);
    return true;
  }

  #pagesFor(request: Request, end: number): number {
    return this.#room.pagesOf(end) - this.#room.pagesOf(request.steps);
  }

  /** For all its tokens and the next, beside those that it gets in this step. */
  #pagesStillNeeded(request: Request): number {
    return this.#pagesFor(request, request.tokens.length + 1) - this.#pagesFor(request, this.#endOf(request));
  }

  #endOf(request: Request): number {
    return this.#ends.get(request) ?? request.steps;
  }

  #givePages(request: Request): void {
    const pages = this.#pagesFor(request, this.#endOf(request));
    while (!this.#room.evictFor(pages)) {
      const victim = this.#idle.pop() ?? this.#youngest();
      this.#ends.delete(victim);
      this.#room.preempt(victim);
      if (victim === request) return;
    }
    this.#room.promise(pages);
  }

  #youngest(): Request {
    return this.#taking.findLast(({ sequence }) => sequence) as Request;
  }

  /** Those without a sequence, as long as there is room for their prompts beside what others need for theirs. */
  #beginOthers(): void {
    let needed = 0;
    for (const request of this.#taking) if (request.sequence) needed += this.#pagesStillNeeded(request);
    for (const request of this.#taking) {
      if (request.sequence) continue;
      if (!this.#begin(request, needed)) return;
      if (!this.#isLeftToOthers(request)) {
        if (!this.#choose(request)) return;
        this.#givePages(request);
      }
      needed += this.#pagesStillNeeded(request);
    }
  }

  #begin(request: Request, needed: number): boolean {
    for (;;) {
      const begun = this.#room.begin(request, (steps) =>
        this.#room.couldHave(needed + this.#room.pagesOf(request.tokens.length) - this.#room.pagesOf(steps)),
      );
      if (begun) return true;
      const victim = this.#idle.pop();
      if (victim === undefined) return false;
      this.#room.preempt(victim);
    }
  }
}

/**
 * The parts of the next step, each with pages for its tokens; none where nobody can go on.
 *
 * @param running in the order in which they came
 */
export function planStep(running: readonly Request[], room: Room, limits: StepLimits): Part[] {
  return new Plan(running, room, limits).make();
}
