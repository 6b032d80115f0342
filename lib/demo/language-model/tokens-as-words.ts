/** Tokens in the place of words, for pages and reports that show words. */
import { keyOf, type Word } from '../words.js';
import { endOfText, type Tokenizer } from './tokenizer.js';

/** The space before a token is told of the one that stands before it; what cannot be seen gets a sign that can. */
export function tokensAsWords(tokenizer: Tokenizer, tokens: readonly number[]): Word[] {
  const texts = tokens.map((token) => (token === endOfText ? '' : tokenizer.decode([token])));
  return texts.map((text, i) => {
    const shown = text.trim() || (text === '\n' ? '↵' : tokens[i] === endOfText ? '▷' : '␣');
    const next = texts[i + 1] ?? '';
    return { text: shown, key: keyOf(shown), after: text === '\n' ? '\n' : next.startsWith(' ') ? ' ' : '' };
  });
}
