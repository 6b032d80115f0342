/** Compiled modules as one script: what a page without a server can run. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

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
