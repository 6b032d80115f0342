/** Parses Markdown files for the documentation tests: code blocks, links and headings. */
import { readFileSync } from 'node:fs';
import MarkdownIt from 'markdown-it';

/** A fenced code block. ```` ```js server.mjs ```` has the language js and is kept as server.mjs. */
export interface CodeBlock {
  readonly line: number;
  readonly language: string;
  readonly file: string | undefined;
  readonly code: string;
}

export interface Document {
  readonly blocks: readonly CodeBlock[];
  /** Targets of links and images, as written. */
  readonly links: readonly string[];
  /** The anchors that GitHub generates for the headings. */
  readonly anchors: ReadonlySet<string>;
}

/** The commands of an sh block, without comments; a line that ends in \ continues. */
export function commandsOf(code: string): string[] {
  return code
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .map((command) => command.replace(/\s+# .*$|^# .*$/, '').trim())
    .filter((command) => command !== '');
}

export function readDocument(path: string): Document {
  const blocks: CodeBlock[] = [];
  const links: string[] = [];
  const anchors = new Set<string>();
  const tokens = new MarkdownIt({ html: true }).parse(readFileSync(path, 'utf8'), {});
  for (const [index, token] of tokens.entries()) {
    if (token.type === 'fence') {
      const [language = '', file] = token.info.trim().split(/\s+/);
      blocks.push({ line: (token.map?.[0] ?? 0) + 1, language, file, code: token.content });
    } else if (token.type === 'code_block') {
      throw new Error(
        `${path}:${(token.map?.[0] ?? 0) + 1}: an indented code block, which nothing can check`,
      );
    } else if (token.type === 'heading_open') {
      anchors.add(anchorOf(tokens[index + 1]?.content ?? ''));
    }
    for (const child of [token, ...(token.children ?? [])]) {
      const target = child.attrGet('href') ?? child.attrGet('src');
      if (target !== null) links.push(String(target));
      if (child.type.startsWith('html')) {
        for (const match of child.content.matchAll(/\b(?:href|src|srcset)="([^"]*)"/g)) links.push(match[1]);
      }
    }
  }
  return { blocks, links, anchors };
}

function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/`/g, '')
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
}
