/**
 * What the calling thread computes itself before a promise is returned: waking another thread, and settling the promise when
 * that one is done, takes longer than small work. How long the event loop may be held up for it is bounded. See
 * `bench/NOTES.md`.
 */

/** Work of one thread in a microsecond, as workOf() counts it, in the slowest kind of work that was measured. */
const workPerMicrosecond = (instructionSet: string) => (instructionSet === 'baseline' ? 10_000 : 40_000);

/** Up to which other threads are not woken to help: they would come too late. */
const aloneMicroseconds = 75;

/** Of one operation. */
const mostMicroseconds = 1000;

/** Of all operations in one turn of the event loop. */
const mostMicrosecondsOfTurn = 4000;

export class CallingThread {
  readonly #workPerMicrosecond: number;
  #spent = 0;
  readonly #nextTurn = () => {
    this.#spent = 0;
  };

  constructor(instructionSet: string) {
    this.#workPerMicrosecond = workPerMicrosecond(instructionSet);
  }

  /** Whether it computes so much without help. */
  worksAlone(work: number): boolean {
    return work <= aloneMicroseconds * this.#workPerMicrosecond;
  }

  /** Whether it computes so much at once, which then counts for this turn. */
  takes(work: number): boolean {
    const needed = work / this.#workPerMicrosecond;
    if (needed > mostMicroseconds || this.#spent + needed > mostMicrosecondsOfTurn) return false;
    // It keeps no process alive.
    if (this.#spent === 0) setImmediate(this.#nextTurn).unref();
    this.#spent += needed;
    return true;
  }
}
