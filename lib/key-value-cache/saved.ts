/**
 * Caches in safetensors files. Only the steps in use are written, and a page that entries share once:
 *
 * - `lengths` and `dropped` [batch]: the steps that each entry has, and those that were dropped
 * - `pages`: the pages of one entry after the other, as numbers of pages of the file
 * - `used`: how many steps of each page of the file are in it
 * - `key` and `value` [rows, width], for int8 and float8 also `keyScale` and `valueScale` [rows, 1]: page by page,
 *   head by head, step by step; for int8 also `keyOutliers` [rows, pitch], two rows for each block of steps
 *   (problem/outliers.ts)
 *
 * The metadata has the form of the cache as JSON.
 */
import { HeedError } from '../errors.js';
import { SafetensorsFile } from '../safetensors/file.js';
import { bytesOf } from '../safetensors/header.js';
import { malformed, parseJson, show } from '../safetensors/json.js';
import { listNames } from '../safetensors/paths.js';
import { type Item, write } from '../safetensors/save.js';
import { CacheEntries } from './entries.js';
import type { PagePool } from './page-pool.js';
import { SequencePages } from './pages.js';
import { fieldsOf, type PageField, type Slab } from './slabs.js';
import { CacheState } from './state.js';

const formName = 'heed.KeyValueCache';
const version = 1;

/** How many bytes are written or read at once, if there are many. */
const chunkLength = 2 ** 20;

/** A page of the cache that is one of the file, and how many of its steps are. */
interface SavedPage {
  readonly page: number;
  used: number;
}

/** What a cache is besides its pages. */
export interface CacheContent {
  readonly state: CacheState;
  readonly pageSize: number | undefined;
}

/** Writes the steps that there are when it is called. */
export async function saveCache(file: string, { state, pageSize }: CacheContent): Promise<void> {
  const { pool, limits } = state;
  const { steps, ...form } = pool.form;
  const [lengths, dropped] = [state.lengths, state.dropped];
  const { lists, pages } = pagesOf(state);
  const snapshot = CacheEntries.of(state).snapshot();
  try {
    const slabs = await pool.download();
    const described = { version, ...form, ...limits, pageSteps: steps, pageSize };
    await write(
      file,
      [
        listItem('lengths', 'I32', lengths),
        listItem('dropped', 'F64', dropped),
        listItem('pages', 'I32', Int32Array.from(lists)),
        listItem(
          'used',
          'I32',
          Int32Array.from(pages, ({ used }) => used),
        ),
        ...fieldsOf(form).map((field) => fieldItem(field, pool, slabs, pages)),
      ],
      [[formName, JSON.stringify(described)]],
    );
  } finally {
    snapshot.release();
  }
}

/** The pages that hold the steps, each once, and the pages of all entries as indices of these. */
function pagesOf({ pool, sequences }: CacheState): { lists: number[]; pages: SavedPage[] } {
  const { steps } = pool.form;
  const known = new Map<number, number>();
  const lists: number[] = [];
  const pages: SavedPage[] = [];
  for (const { length, list } of sequences) {
    for (let i = 0; i * steps < length; i++) {
      const page = list.ids[i];
      const index = known.get(page) ?? pages.push({ page, used: 0 }) - 1;
      known.set(page, index);
      lists.push(index);
      pages[index].used = Math.max(pages[index].used, Math.min(steps, length - i * steps));
    }
  }
  return { lists, pages };
}

function listItem(name: string, dtype: string, list: Int32Array | Float64Array): Item {
  const bytes = new Uint8Array(list.buffer, list.byteOffset, list.byteLength);
  return { name, dtype, dims: [list.length], byteLength: bytes.length, bytes: () => [bytes] };
}

function fieldItem(
  field: PageField,
  pool: PagePool,
  slabs: readonly Slab[],
  pages: readonly SavedPage[],
): Item {
  const { name, dtype, columns } = field;
  const dims = [rowsOf(field, pool, pages), columns];
  const byteLength = dims[0] * columns * bytesOf(dtype);
  return { name, dtype, dims, byteLength, bytes: () => inChunks(blocksOf(field, pool, slabs, pages)) };
}

function rowsOf({ rows }: PageField, { form }: PagePool, pages: readonly Pick<SavedPage, 'used'>[]): number {
  return pages.reduce((sum, { used }) => sum + rows(used) * form.heads, 0);
}

function* blocksOf(
  field: PageField,
  pool: PagePool,
  slabs: readonly Slab[],
  pages: readonly SavedPage[],
): Generator<Uint8Array> {
  for (const { page, used } of pages) yield* pool.bytesOf(field, slabs, page, used);
}

/** Copies of what may be many small blocks, in fewer and larger ones. */
function* inChunks(blocks: Iterable<Uint8Array>): Generator<Uint8Array> {
  let [chunk, filled] = [new Uint8Array(chunkLength), 0];
  for (const block of blocks) {
    for (let at = 0; at < block.length; ) {
      const part = block.subarray(at, at + chunkLength - filled);
      chunk.set(part, filled);
      at += part.length;
      filled += part.length;
      if (filled < chunkLength) continue;
      yield chunk;
      [chunk, filled] = [new Uint8Array(chunkLength), 0];
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}

/** @param make an empty cache with these options, checked as those of the constructor */
export async function loadCache(path: string, make: (options: object) => CacheState): Promise<CacheContent> {
  const file = await SafetensorsFile.open(path);
  try {
    const { pageSize, pageSteps, ...options } = formOf(file);
    const lengths = await readIntegers(file, 'lengths', 'I32', 0, options.capacity);
    const empty = emptyCache(file, () => make({ ...options, batch: lengths.length, pageSize: pageSteps }));
    try {
      return { state: await fill(file, empty, lengths), pageSize };
    } finally {
      empty.release();
    }
  } finally {
    await file.close();
  }
}

interface Form {
  readonly type: unknown;
  readonly heads: unknown;
  readonly width: unknown;
  readonly valueWidth: unknown;
  readonly rolling?: unknown;
  readonly capacity: number;
  readonly pageSteps: number;
  readonly pageSize: number | undefined;
}

function formOf({ path, metadata, tensors }: SafetensorsFile): Form {
  const text = metadata[formName];
  if (text === undefined) {
    throw malformed(
      path,
      `expected what the save() of a KeyValueCache wrote, with the metadata ${formName}; found ${listNames([...tensors.keys()])} without it`,
    );
  }
  const form = parseJson(Buffer.from(text), `the metadata ${formName}`, path) as Record<string, unknown>;
  if (form.version !== version)
    throw malformed(path, `expected version ${version} of a saved cache, received ${show(form.version)}`);
  const { type, heads, width, valueWidth, rolling, capacity, pageSteps, pageSize } = form;
  const isCount = (value: unknown): value is number =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;
  if (!isCount(capacity))
    throw malformed(path, `expected capacity to be a number of steps, received ${show(capacity)}`);
  // A page longer than the capacity is cut to it, but has one step at least.
  const longest = Math.max(1, capacity);
  if (!isCount(pageSteps) || pageSteps < 1 || pageSteps > longest)
    throw malformed(path, `expected pageSteps to be from 1 to ${longest}, received ${show(pageSteps)}`);
  if (pageSize !== undefined && (!isCount(pageSize) || Math.min(pageSize, longest) !== pageSteps))
    throw malformed(
      path,
      `expected pageSize to be that of pages of ${pageSteps}, received ${show(pageSize)}`,
    );
  return {
    type,
    heads,
    width,
    valueWidth,
    capacity,
    pageSteps,
    pageSize,
    ...(rolling !== undefined && { rolling }),
  };
}

/** What the constructor would refuse, the file has wrong. */
function emptyCache({ path }: SafetensorsFile, make: () => CacheState): CacheState {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof HeedError && error.code === 'HEED_INVALID_ARGUMENT')) throw error;
    throw malformed(path, `expected a cache that there can be (${error.message})`, error);
  }
}

async function readIntegers(
  file: SafetensorsFile,
  name: string,
  dtype: string,
  low: number,
  high: number,
): Promise<number[]> {
  const info = file.tensors.get(name);
  if (info === undefined)
    throw malformed(file.path, `expected the tensor ${name}, found ${listNames([...file.tensors.keys()])}`);
  expectTensor(file, name, dtype, [info.dims[0] ?? 0]);
  const numbers = Array.from((await file.read(name)).data as ArrayLike<number>);
  const wrong = numbers.findIndex((x) => !Number.isSafeInteger(x) || x < low || x > high);
  if (wrong < 0) return numbers;
  throw malformed(
    file.path,
    `expected ${name}[${wrong}] to be an integer from ${low} to ${high}, received ${numbers[wrong]}`,
  );
}

function expectTensor(
  { path, tensors }: SafetensorsFile,
  name: string,
  dtype: string,
  dims: readonly number[],
): void {
  const info = tensors.get(name);
  if (info?.dtype === dtype && String(info.dims) === String(dims)) return;
  const found = info ? `${info.dtype} ${show(info.dims)}` : listNames([...tensors.keys()]);
  throw malformed(path, `expected the tensor ${name} to be ${dtype} ${show(dims)}, found ${found}`);
}

async function fill(
  file: SafetensorsFile,
  { pool, limits }: CacheState,
  lengths: readonly number[],
): Promise<CacheState> {
  const { steps } = pool.form;
  const used = await readIntegers(file, 'used', 'I32', 1, steps);
  const lists = await readIntegers(file, 'pages', 'I32', 0, used.length - 1);
  const dropped = await readIntegers(file, 'dropped', 'F64', 0, Number.MAX_SAFE_INTEGER);
  const fields = fieldsOf(pool.form);
  const counts = used.map((count) => ({ used: count }));
  for (const field of fields)
    expectTensor(file, field.name, field.dtype, [rowsOf(field, pool, counts), field.columns]);
  const names = ['lengths', 'used', 'pages', 'dropped', ...fields.map(({ name }) => name)];
  const others = [...file.tensors.keys()].filter((name) => !names.includes(name));
  if (others.length > 0) throw malformed(file.path, `expected no other tensors, found ${listNames(others)}`);
  expectAgreement(file.path, { lengths, dropped, lists, used, steps, limits });

  // The lists of the entries hold the pages, and this as long as it fills them.
  const pages = used.map((count) => ({ page: pool.take(), used: count }));
  for (const page of pages) pool.use(page.page, page.used);
  const slabs = await pool.download();
  for (const field of fields) await readBlocks(file, field.name, blocksOf(field, pool, slabs, pages));
  await pool.upload(slabs);
  let at = 0;
  const sequences = lengths.map((length, entry) => {
    const first = at;
    at += Math.ceil(length / steps);
    const ids = Int32Array.from(lists.slice(first, at), (index) => pages[index].page);
    return SequencePages.of(pool, ids, length, dropped[entry]);
  });
  for (const { page } of pages) pool.release(page);
  return new CacheState(pool, limits, sequences);
}

interface SavedLists extends Pick<CacheState, 'limits'> {
  readonly lengths: readonly number[];
  readonly dropped: readonly number[];
  readonly lists: readonly number[];
  readonly used: readonly number[];
  readonly steps: number;
}

/** Every entry has pages for its steps, every page belongs to an entry, and only what rolls has dropped steps. */
function expectAgreement(path: string, { lengths, dropped, lists, used, steps, limits }: SavedLists): void {
  const total = lengths.reduce((sum, length) => sum + Math.ceil(length / steps), 0);
  if (lists.length !== total)
    throw malformed(path, `expected pages for all lengths (${total}), received ${lists.length}`);
  if (dropped.length !== lengths.length)
    throw malformed(path, `expected dropped to have ${lengths.length} elements, received ${dropped.length}`);
  const { rolling } = limits;
  for (const [entry, count] of dropped.entries()) {
    const least = rolling ? rolling.sinks + rolling.window : Number.POSITIVE_INFINITY;
    if (count !== 0 && (count % steps !== 0 || lengths[entry] < least))
      throw malformed(
        path,
        `expected dropped[${entry}] to be 0, or whole pages of a cache that rolls, received ${count}`,
      );
  }
  const needed = used.map(() => 0);
  let at = 0;
  for (const length of lengths) {
    for (let first = 0; first < length; first += steps, at++)
      needed[lists[at]] = Math.max(needed[lists[at]], Math.min(steps, length - first));
  }
  const wrong = needed.findIndex((count, page) => count !== used[page]);
  if (wrong >= 0)
    throw malformed(
      path,
      `expected used[${wrong}] to be the steps that entries have in the page (${needed[wrong]}), received ${used[wrong]}`,
    );
}

async function readBlocks(file: SafetensorsFile, name: string, blocks: Iterable<Uint8Array>): Promise<void> {
  const length = file.tensors.get(name)?.byteLength ?? 0;
  let [chunk, next, at] = [new Uint8Array(0), 0, 0];
  for (const block of blocks) {
    for (let filled = 0; filled < block.length; ) {
      if (at === chunk.length) {
        [chunk, at] = [new Uint8Array(Math.min(chunkLength, length - next)), 0];
        await file.readBytes(name, next, chunk);
        next += chunk.length;
      }
      const part = chunk.subarray(at, at + block.length - filled);
      block.set(part, filled);
      filled += part.length;
      at += part.length;
    }
  }
}
