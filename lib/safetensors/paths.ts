/** Paths: as callers pass them, which file one means, and names for a message. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, guard, invalid, isInstance } from '../checks/values.js';
import { HeedError } from '../errors.js';

/** A file name, or that of a `file:` URL. */
export function readPath(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  if (!isInstance(value, URL)) throw invalid(name, 'a file name or a file: URL', value);
  const href = guard(name, () => value.href);
  try {
    return fileURLToPath(href);
  } catch (error) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected ${name} to be a file: URL, received ${describe(href)}`,
      { cause: error },
    );
  }
}

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
    `Expected the directory ${path} to hold ${fileName} or ${indexName}, found ${listNames(names.sort(), 'no files')}${adviceOn(names)}`,
  );
}

/** What to do with files of other names, or of other formats. */
function adviceOn(names: readonly string[]): string {
  if (names.some((name) => /\.safetensors(\.index\.json)?$/.test(name)))
    return ': give the path of one of these';
  const isOther = names.some((name) =>
    /\.(bin|pt|pth|ckpt|h5|keras|msgpack|onnx|gguf|npz|npy|pkl)$/.test(name),
  );
  return isOther
    ? ': heed reads safetensors, so convert the weights, for example with save_file of the Python package safetensors'
    : '';
}

/** Names of tensors or files for a message, shortened to the first few. */
export function listNames(names: readonly string[], none = 'no tensors'): string {
  if (names.length === 0) return none;
  const shown = names.slice(0, 24).map((name) => JSON.stringify(name));
  return shown.join(', ') + (names.length > shown.length ? ` and ${names.length - shown.length} more` : '');
}
