/**
 * The text that attention is shown on: the one that comes with heed, a file, or words on the command line.
 */
import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HeedError } from '../errors.js';
import { packageRoot } from '../package-root.js';

export interface Text {
  readonly title: string;
  readonly text: string;
}

const shipped = {
  title: 'William James, The Principles of Psychology (1890): how the chapter on attention begins',
  path: join(packageRoot, 'examples/attention.txt'),
};

/**
 * @param words what was typed: a file's name, or the text itself; nothing for the text that comes with heed
 * @param file a file's name
 * @throws HeedError HEED_INVALID_ARGUMENT, HEED_FILE_ERROR
 */
export async function openText(words: readonly string[], file?: string): Promise<Text> {
  if (file !== undefined && words.length > 0) {
    throw new HeedError('HEED_INVALID_ARGUMENT', 'Expected words or --file, received both');
  }
  if (file !== undefined) return readText(file);
  if (words.length === 0) return { title: shipped.title, text: (await readText(shipped.path)).text };
  const [first] = words;
  if (words.length === 1 && (isFile(first) || looksLikePath(first))) return readText(first);
  return { title: 'the words given', text: words.join(' ') };
}

function isFile(name: string): boolean {
  return existsSync(name) && statSync(name).isFile();
}

/** One argument with a folder or an extension is meant to be a file, and a mistake in it is reported. */
function looksLikePath(argument: string): boolean {
  return !/\s/.test(argument) && /[\\/]|\.[a-z]\w*$/i.test(argument);
}

async function readText(path: string): Promise<Text> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
    return { title: basename(path), text };
  } catch (error) {
    throw new HeedError('HEED_FILE_ERROR', `Could not read ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof TypeError) return 'it is not text in UTF-8';
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such file';
  return code === 'EISDIR' ? 'it is a folder' : message;
}
