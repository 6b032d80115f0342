/** Makes one HTML file out of weights: everything it needs is inside it. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
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
    bundle(join(__dirname, 'browser')),
  ]);
  const parts: Record<string, string> = {
    style: style.join('\n'),
    // It must not contain "<", because a text could contain the tag that ends the script.
    data: JSON.stringify(data).replaceAll('<', '\\u003c'),
    script,
  };
  return template.replace(/\/\* (style|script) \*\/|(?<=>)"data"(?=<)/g, (_, name = 'data') => parts[name]);
}

/** Joins the CommonJS modules of a folder, which may require only each other; `main.js` runs. */
export async function bundle(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.js')).sort();
  const modules = await Promise.all(
    names.map(async (name) => {
      const source = await readFile(join(folder, name), 'utf8');
      return `${JSON.stringify(`./${name}`)}(exports, require) {\n${source}\n}`;
    }),
  );
  return `(() => {
const modules = {\n${modules.join(',\n')}\n};
const loaded = {};
const require = (name) => {
  if (!loaded[name]) modules[name](loaded[name] = {}, require);
  return loaded[name];
};
require('./main.js');
})();`;
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
