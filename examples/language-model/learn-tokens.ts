/** Learns the tokens of a text: byte-pair encoding joins the most frequent pair of neighbours, again and again. */
import { splitPieces } from '../../lib/demo/language-model/tokenizer.js';

interface Piece {
  parts: string[];
  readonly count: number;
}

/** @returns the tokens, in the order in which they were learnt, as bytes in Latin-1 */
export function learnTokens(text: string, count: number): string[] {
  const pieces = countPieces(text);
  const learnt: string[] = [];
  const known = new Set<string>();
  while (learnt.length < count) {
    const [left, right] = mostFrequentPair(pieces);
    for (const piece of pieces) join(piece, left, right);
    // Other halves may make up what is a token already.
    if (!known.has(left + right)) learnt.push(left + right);
    known.add(left + right);
  }
  return learnt;
}

function countPieces(text: string): Piece[] {
  const counts = new Map<string, number>();
  for (const piece of splitPieces(text)) counts.set(piece, (counts.get(piece) ?? 0) + 1);
  return [...counts].map(([piece, count]) => ({ parts: [...Buffer.from(piece).toString('latin1')], count }));
}

function mostFrequentPair(pieces: readonly Piece[]): [string, string] {
  const counts = new Map<string, { pair: [string, string]; count: number }>();
  for (const { parts, count } of pieces) {
    for (let i = 0; i + 1 < parts.length; i++) {
      const key = `${parts[i]}\0${parts[i + 1]}`;
      const entry = counts.get(key);
      if (entry) entry.count += count;
      else counts.set(key, { pair: [parts[i], parts[i + 1]], count });
    }
  }
  return [...counts.values()].reduce((best, entry) => (entry.count > best.count ? entry : best)).pair;
}

function join(piece: Piece, left: string, right: string): void {
  const { parts } = piece;
  for (let i = 0; i + 1 < parts.length; i++) {
    if (parts[i] === left && parts[i + 1] === right) parts.splice(i, 2, left + right);
  }
}
