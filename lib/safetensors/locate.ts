/** The file that a path refers to: a file of tensors, an index of several, or either in a directory. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HeedError } from '../errors.js';
import { listNames } from './names.js';

export interface Located {
  readonly file: string;
  readonly isIndex: boolean;
}

/** The names under which Hugging Face's libraries save a model, in one file or in several with an index. */
const fileName = 'model.safetensors';
const indexName = 'model.safetensors.index.json';

export async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

export async function locate(path: string): Promise<Located> {
  if (!(await isDirectory(path))) return { file: path, isIndex: path.endsWith('.json') };
  const names = await readdir(path).catch((error: Error) => {
    throw new HeedError('HEED_FILE_ERROR', `Could not read ${path}: ${error.message}`, { cause: error });
  });
  if (names.includes(fileName)) return { file: join(path, fileName), isIndex: false };
  if (names.includes(indexName)) return { file: join(path, indexName), isIndex: true };
  throw new HeedError(
    'HEED_FILE_ERROR',
    `Expected the directory ${path} to hold ${fileName} or ${indexName}, found ${listNames(names.sort(), 'no files')}`,
  );
}
