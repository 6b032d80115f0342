/** Tokens in the place of words, for pages and reports that show words. */
import { keyOf, type Word } from '../words.js';
import { endOfText, type Tokenizer } from './tokenizer.js';

/**
 * The space before a token belongs to the token before it; invisible characters are shown by visible ones.
 */
export function tokensAsWords(tokenizer: Tokenizer, tokens: readonly number[]): Word[] {
  const texts = tokens.map((token) => (token === endOfText ? '' : tokenizer.decode([token])));
  return texts.map((text, i) => {
    const shown = text.trim() || (text === '\n' ? '↵' : tokens[i] === endOfText ? '▷' : '␣');
    const next = texts[i + 1] ?? '';
    return { text: shown, key: keyOf(shown), after: text === '\n' ? '\n' : next.startsWith(' ') ? ' ' : '' };
  });
}
