/**
 * Text as tokens: byte-pair encoding (Sennrich et al. 2016, "Neural Machine Translation of Rare Words with
 * Subword Units"), on bytes as in GPT-2, so that there is no text it cannot take.
 */
import { keyOf, type Word } from '../words.js';

/** The token before and after a text. Its byte occurs in no text. */
export const endOfText = 0;

/** Ids of tokens that are one byte; those that were learnt follow. */
export const byteTokens = 256;

/** Words with the space before them, numbers, punctuation and whitespace: no token reaches across two of them. */
const pieces = / ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s/gu;

export function splitPieces(text: string): string[] {
  return text.match(pieces) ?? [];
}

/** Replaces every pair of neighbours that makes up a token by that token, the token learnt first before the others. */
function mergePairs(piece: string, rankOf: (pair: string) => number | undefined): string[] {
  // One character of Latin-1 for each byte.
  const parts = [...Buffer.from(piece).toString('latin1')];
  for (;;) {
    let best = -1;
    let lowest = Number.POSITIVE_INFINITY;
    for (let i = 0; i + 1 < parts.length; i++) {
      const rank = rankOf(parts[i] + parts[i + 1]);
      if (rank !== undefined && rank < lowest) {
        lowest = rank;
        best = i;
      }
    }
    if (best < 0) return parts;
    parts.splice(best, 2, parts[best] + parts[best + 1]);
  }
}

export class Tokenizer {
  readonly #ids: ReadonlyMap<string, number>;
  readonly #tokens: readonly string[];
  readonly #pieces = new Map<string, readonly number[]>();

  /** @param learnt the tokens that follow the bytes, in the order of their ids, as bytes in Latin-1 */
  constructor(learnt: readonly string[]) {
    const bytes = Array.from({ length: byteTokens }, (_, byte) => String.fromCharCode(byte));
    this.#tokens = [...bytes, ...learnt];
    this.#ids = new Map(this.#tokens.map((token, id) => [token, id]));
  }

  /** The number of tokens. */
  get size(): number {
    return this.#tokens.length;
  }

  encode(text: string): number[] {
    return splitPieces(text).flatMap((piece) => {
      const known = this.#pieces.get(piece);
      if (known !== undefined) return known;
      const ids = mergePairs(piece, (pair) => this.#ids.get(pair)).map((part) => this.#ids.get(part) ?? 0);
      this.#pieces.set(piece, ids);
      return ids;
    });
  }

  /** The bytes of a token, which may end in the middle of a character. */
  bytes(id: number): Uint8Array {
    return Buffer.from(this.#tokens[id], 'latin1');
  }

  decode(ids: readonly number[]): string {
    return Buffer.concat(ids.map((id) => this.bytes(id))).toString();
  }
}

/** The space before a token is told of the one that stands before it; what cannot be seen gets a sign that can. */
export function tokensAsWords(tokenizer: Tokenizer, tokens: readonly number[]): Word[] {
  const texts = tokens.map((token) => (token === endOfText ? '' : tokenizer.decode([token])));
  return texts.map((text, i) => {
    const shown = text.trim() || (text === '\n' ? '↵' : tokens[i] === endOfText ? '▷' : '␣');
    const next = texts[i + 1] ?? '';
    return { text: shown, key: keyOf(shown), after: text === '\n' ? '\n' : next.startsWith(' ') ? ' ' : '' };
  });
}
