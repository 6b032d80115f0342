/** The pages of an engine: who has them, and who gives them back when others need them. */
import { Prefixes } from './prefixes.js';
import type { Request } from './request.js';
import type { ServedSession } from './served-model.js';

/** A piece of a prompt has so many tokens, or more where pages are larger or no divisor of it. */
const leastPiece = 64;

export class Room {
  readonly session: ServedSession;
  /** Tokens of a piece of a prompt: whole pages. */
  readonly pieceSize: number;
  /** How often a request went on with steps that others had computed. */
  prefixHits = 0;
  /** How often a request gave its pages back before its end. */
  preempted = 0;
  readonly #prefixes: Prefixes;
  readonly #keepsPrefixes: boolean;
  /** Pages that are left to take, but promised. */
  #promised = 0;

  constructor(session: ServedSession, keepsPrefixes: boolean) {
    this.session = session;
    this.pieceSize = Math.ceil(leastPiece / session.pageSize) * session.pageSize;
    this.#prefixes = new Prefixes(session, this.pieceSize);
    this.#keepsPrefixes = keepsPrefixes;
  }

  /** Pages that only kept prefixes have. */
  get idle(): number {
    return this.#prefixes.idle * (this.pieceSize / this.session.pageSize);
  }

  pagesOf(steps: number): number {
    return Math.ceil(steps / this.session.pageSize);
  }

  /** A new step is planned: nothing is promised yet. */
  clearPromises(): void {
    this.#promised = 0;
  }

  promise(pages: number): void {
    this.#promised += pages;
  }

  /** Whether so many pages are left, or would be without idle prefixes. */
  couldHave(pages: number): boolean {
    return pages <= this.#left + this.idle;
  }

  /** Evicts idle prefixes until so many pages are left; false where that does not suffice. */
  evictFor(pages: number): boolean {
    while (this.#left < pages) if (!this.#prefixes.evict()) return false;
    return true;
  }

  /** Gives back what is kept for nobody. */
  clear(): void {
    this.#prefixes.clear();
  }

  /**
   * Begins a request with all that is known of its prompt, or goes on with what others have computed of it meanwhile.
   *
   * @param hasRoom whether it may begin with so many steps; where not, it stays as it is
   */
  begin(request: Request, hasRoom: (steps: number) => boolean = () => true): boolean {
    const { prompt, prefix, sequence } = request;
    const found = this.#prefixes.find(prompt, prefix);
    if (sequence !== undefined && found === prefix) return true;
    this.#prefixes.retain(found);
    const steps = found?.steps ?? 0;
    if (!hasRoom(steps)) {
      this.#prefixes.release(found);
      return false;
    }
    if (found !== prefix) this.prefixHits++;
    this.#prefixes.release(prefix);
    request.begin(found ? this.#prefixes.open(found) : this.session.sequence(), steps, found);
    return true;
  }

  /** What a request's next piece is called for all prompts that have it; undefined for what nobody else could begin with. */
  nameOfNext({ prompt, prefix, steps }: Request): string | undefined {
    if (!this.#keepsPrefixes || steps + this.pieceSize > prompt.length) return undefined;
    return this.#prefixes.nameOfNext(prompt, prefix);
  }

  /** A request has come to the end of a piece of its prompt: others may begin with it. */
  keep(request: Request): void {
    const { prompt, prefix, sequence, steps } = request;
    if (!this.#keepsPrefixes || sequence === undefined) return;
    const known = this.#prefixes.next(prompt, prefix);
    const kept = known ?? this.#prefixes.add(prompt, prefix, sequence);
    this.#prefixes.retain(kept);
    this.#prefixes.release(prefix);
    // Where another has computed it in the same step, one of the two copies is enough.
    if (known) request.begin(this.#prefixes.open(known), steps, known);
    else request.buildOn(kept);
  }

  /** A request gives its pages back. */
  leave(request: Request): void {
    this.#prefixes.release(request.prefix);
    request.rest();
  }

  /** A request gives its pages back for others, and is computed again later. */
  preempt(request: Request): void {
    this.leave(request);
    this.preempted++;
  }

  get #left(): number {
    const { pages, used } = this.session;
    return pages - used - this.#promised;
  }
}
