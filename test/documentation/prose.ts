/** Checks the width of prose: paragraphs and lists, without tables, code and headings. */
import { readFileSync } from 'node:fs';
import MarkdownIt from 'markdown-it';

export const proseWidth = 100;

/**
 * Lines of prose that are too wide, as `line 12 has 104 characters`. Images and link targets do not count,
 * because they cannot be broken.
 */
export function wideLines(path: string): string[] {
  const source = readFileSync(path, 'utf8');
  const lines = source.split('\n');
  const paragraphs = new MarkdownIt({ html: true })
    .parse(source, {})
    .flatMap(({ type, map }) => (type === 'paragraph_open' && map ? [map] : []));
  return paragraphs.flatMap(([first, end]) =>
    lines.slice(first, end).flatMap((line, i) => {
      const { length } = line.replace(/!\[[^\]]*\]\([^)]*\)/g, '').replace(/\]\([^)]*\)/g, ']');
      return length > proseWidth ? [`line ${first + i + 1} has ${length} characters`] : [];
    }),
  );
}
