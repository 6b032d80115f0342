/** Tables of rows of text: for terminals, and in docs/cuda.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../cmake.mjs';

export function alignedTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Puts a table into docs/cuda.md, where `<!-- NAME, written by scripts/check-cuda.mjs -->` marks its place. */
export function writeTable(name, said, rows, words) {
  const path = join(root, 'docs', 'cuda.md');
  const text = readFileSync(path, 'utf8');
  const begin = `<!-- ${name}, written by scripts/check-cuda.mjs -->\n`;
  const end = '<!-- end -->';
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0)
    throw new Error(`docs/cuda.md has no place for the table: ${begin.trim()} … ${end}`);
  const [head, ...body] = rows.map((row) => `| ${row.join(' | ')} |`);
  const table = [head, `|${rows[0].map((_, i) => (i < words ? '---|' : '---:|')).join('')}`, ...body].join(
    '\n',
  );
  writeFileSync(path, `${text.slice(0, from + begin.length)}\n${said}\n\n${table}\n\n${text.slice(to)}`);
}
