/** Makes one HTML file out of weights: everything it needs is inside it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HeedError } from '../../errors.js';
import { packageRoot } from '../../package-root.js';
import type { PageData } from './page-data.js';

const sources = join(packageRoot, 'lib/demo/page');
const styles = ['base', 'head-picker', 'stage', 'heat-map', 'lines', 'influences', 'passage'];

export async function renderPage(data: PageData): Promise<string> {
  const [template, style, script] = await Promise.all([
    readFile(join(sources, 'page.html'), 'utf8'),
    Promise.all(styles.map((name) => readFile(join(sources, 'style', `${name}.css`), 'utf8'))),
    readFile(join(__dirname, 'browser.js'), 'utf8'),
  ]);
  const parts: Record<string, string> = {
    style: style.join('\n'),
    // It must not contain "<", because a text could contain the tag that ends the script.
    data: JSON.stringify(data).replaceAll('<', '\\u003c'),
    script,
  };
  return template.replace(/\/\* (style|script) \*\/|(?<=>)"data"(?=<)/g, (_, name = 'data') => parts[name]);
}

/** @throws HeedError HEED_FILE_ERROR */
export async function writePage(path: string, page: string): Promise<void> {
  try {
    await writeFile(path, page);
  } catch (error) {
    throw new HeedError('HEED_FILE_ERROR', `Could not write ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
