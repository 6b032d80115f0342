/** The text of tokens as they come: what is certain of it, up to a string that ends it. */

/** Characters that are not whole yet. */
const unfinished = '\uFFFD';

export class TextStream {
  readonly #decode: (tokens: readonly number[]) => string;
  readonly #stops: readonly string[];
  readonly #tokens: number[];
  /**
   * Tokens before `#from` are forgotten; the text of those before `#read` was given. A few given ones are decoded again
   * with those that follow: whether a token begins with a space may depend on the token before it.
   */
  #from = 0;
  #read: number;
  /** Text that may be the beginning of a string that ends all. */
  #held = '';
  #stopped = false;

  /** @param before tokens before the first, whose text is known */
  constructor(
    decode: (tokens: readonly number[]) => string,
    stops: readonly string[],
    before: readonly number[] = [],
  ) {
    this.#decode = decode;
    this.#stops = stops;
    this.#tokens = decode(before).endsWith(unfinished) ? [] : [...before];
    this.#read = this.#tokens.length;
  }

  /** Whether the text has come to one of the strings that end it. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** The text that has become certain with this token. */
  push(token: number): string {
    this.#tokens.push(token);
    const before = this.#decode(this.#tokens.slice(this.#from, this.#read));
    const now = this.#decode(this.#tokens.slice(this.#from));
    if (now.length <= before.length || now.endsWith(unfinished)) return '';
    this.#from = this.#read;
    this.#read = this.#tokens.length;
    return this.#release(this.#held + now.slice(before.length));
  }

  /** What is left when no token follows. */
  end(): string {
    if (this.#stopped) return '';
    const before = this.#decode(this.#tokens.slice(this.#from, this.#read));
    const rest = this.#decode(this.#tokens.slice(this.#from)).slice(before.length);
    const text = this.#release(this.#held + rest) + (this.#stopped ? '' : this.#held);
    this.#held = '';
    this.#read = this.#tokens.length;
    return text;
  }

  #release(text: string): string {
    const ends = this.#stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    if (ends.length > 0) {
      this.#stopped = true;
      return text.slice(0, Math.min(...ends));
    }
    const held = Math.max(0, ...this.#stops.map((stop) => overlap(text, stop)));
    this.#held = text.slice(text.length - held);
    return text.slice(0, text.length - held);
  }
}

/** How many characters at the end of a text begin a string. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--) {
    if (text.endsWith(stop.slice(0, length))) return length;
  }
  return 0;
}
