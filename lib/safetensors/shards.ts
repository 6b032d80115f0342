/**
 * The index of a model in several files, `model.safetensors.index.json`: an object whose `weight_map` says
 * for every tensor which file, beside the index, it is in. Index and files must agree: otherwise one of them
 * belongs to another model.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HeedError } from '../errors.js';
import { maxHeaderLength } from './header.js';
import { isObject, malformed, parseJson, show } from './json.js';
import { listNames } from './names.js';
import { Shard } from './shard.js';

/** The names of the tensors of each file, in the order of the index. */
type Contents = ReadonlyMap<string, ReadonlySet<string>>;

/** Opens all files of an index. */
export async function openShards(index: string): Promise<Shard[]> {
  const contents = await readIndex(index);
  const opening = [...contents].map(([file, names]) => openShard(index, file, names));
  const opened = await Promise.allSettled(opening);
  const shards = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = opened.find((result) => result.status === 'rejected');
  if (failed === undefined) return shards;
  await Promise.all(shards.map((shard) => shard.close()));
  throw failed.reason;
}

async function readIndex(index: string): Promise<Contents> {
  const { weight_map: map } = parseJson(await readWhole(index), 'the index', index) as Record<
    string,
    unknown
  >;
  if (!isObject(map)) throw malformed(index, `expected weight_map to be an object, received ${show(map)}`);
  const contents = new Map<string, Set<string>>();
  for (const [name, file] of Object.entries(map)) {
    // An index may come from anywhere, and must not refer to files outside its directory.
    if (typeof file !== 'string' || file === '' || /[/\\]|^\.\.?$/.test(file)) {
      throw malformed(
        index,
        `expected weight_map[${show(name)}] to be the name of a file beside it, received ${show(file)}`,
      );
    }
    const names = contents.get(file) ?? new Set();
    contents.set(file, names.add(name));
  }
  return contents;
}

async function readWhole(index: string): Promise<Uint8Array> {
  try {
    const info = await stat(index);
    if (info.isFile() && info.size <= maxHeaderLength) return await readFile(index);
  } catch (error) {
    throw new HeedError('HEED_FILE_ERROR', `Could not read ${index}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  throw new HeedError(
    'HEED_FILE_ERROR',
    `Expected ${index} to be a regular file of at most ${maxHeaderLength} bytes`,
  );
}

async function openShard(index: string, file: string, names: ReadonlySet<string>): Promise<Shard> {
  const directory = dirname(index);
  const files = await readdir(directory).catch((): string[] => []);
  if (!files.includes(file)) {
    const found = files.filter((other) => other.endsWith('.safetensors')).sort();
    throw new HeedError(
      'HEED_FILE_ERROR',
      `Expected ${directory} to hold ${show(file)}, which ${index} names for ${listNames([...names])}, found ${listNames(found, 'no safetensors files')}`,
    );
  }
  const shard = await Shard.open(join(directory, file));
  try {
    expectAgreement(index, shard, names);
    return shard;
  } catch (error) {
    await shard.close();
    throw error;
  }
}

function expectAgreement(index: string, { path, header }: Shard, names: ReadonlySet<string>): void {
  const held = header.entries.map(({ name }) => name);
  const known = new Set(held);
  const missing = [...names].filter((name) => !known.has(name));
  if (missing.length > 0) {
    throw malformed(index, `expected ${path} to hold ${listNames(missing)}, found ${listNames(held)}`);
  }
  const others = held.filter((name) => !names.has(name));
  if (others.length > 0) {
    throw malformed(
      index,
      `expected weight_map to name ${path} for all tensors in it, found also ${listNames(others)}`,
    );
  }
}
