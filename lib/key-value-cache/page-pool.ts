/**
 * The memory of all sequences of a KeyValuePool, or of a cache and all its forks, in pages of [heads, steps, width] for keys and for values. Pages lie in slabs,
 * large pieces of memory that are added as they are needed and never move, so that nothing that was written is ever copied to
 * make room.
 */
import type { HostArray } from '../memory/device.js';
import { outlierBytes } from '../problem/outliers.js';
import type { PageIds, StoredView } from '../problem/problem.js';
import type { Location } from '../tensor/types.js';
import {
  type CacheType,
  elementsOf,
  type PageField,
  type Part,
  type Slab,
  type SlabMemory,
} from './slabs.js';

/** What a page holds. */
export interface PageForm {
  readonly type: CacheType;
  readonly heads: number;
  readonly width: number;
  readonly valueWidth: number;
  readonly steps: number;
}

/**
 * The first slab has this many bytes, or those of one page, so that a small cache is one piece. Each further slab has as
 * many as all before it, up to `mostSlabBytes`. So at most as much memory waits for steps as holds some, or the first slab.
 */
const leastSlabBytes = 2 ** 21;
const mostSlabBytes = 2 ** 26;

/** A slab, and the state of each of its pages. */
interface PagesOfSlab {
  readonly slab: Slab;
  /** How many lists refer to a page. */
  readonly references: Int32Array;
  /** How many steps of a page may be in use by readers. */
  readonly used: Int32Array;
}

export class PagePool {
  readonly form: PageForm;
  /** The memory of one page. */
  readonly pageBytes: number;
  /** How many pages there may be at most. */
  readonly most: number;
  /** Caches that have pages, for whoever disposes of all. */
  readonly caches = new Set<{ release(): void }>();
  /** Of which for outlier channels. */
  readonly #outlierBytes: number;
  /** Page p is page p % perSlab of slab ⌊p / perSlab⌋: numbers that a small slab has no room for have no page. */
  readonly #perSlab: number;
  /** How many pages there may be without any fork. */
  readonly #expected: number;
  readonly #memory: SlabMemory;
  readonly #slabs: PagesOfSlab[] = [];
  readonly #free: number[] = [];
  #pages = 0;

  /** Caches and operations that hold pages or may allocate some. */
  #users = 0;

  /** @param expected how many pages there may be without any fork */
  constructor(form: PageForm, expected: number, memory: SlabMemory, most: number = Number.POSITIVE_INFINITY) {
    this.form = form;
    this.#memory = memory;
    this.#expected = expected;
    this.most = most;
    const rows = form.heads * form.steps;
    const { bytes, scaled, outliers } = elementsOf[form.type];
    this.#outlierBytes = outliers ? form.heads * outlierBytes(form.width, form.steps) : 0;
    this.pageBytes = rows * ((form.width + form.valueWidth) * bytes + (scaled ? 8 : 0)) + this.#outlierBytes;
    this.#perSlab = this.#pagesIn(mostSlabBytes);
  }

  get location(): Location {
    return this.#memory.location;
  }

  /** Pages that sequences and running operations have, each once. */
  get used(): number {
    return this.#pages - this.#free.length;
  }

  /** How many more pages may be taken. */
  get left(): number {
    return this.most - this.used;
  }

  /** The memory of all pages, used or not. */
  get byteLength(): number {
    return this.#pages * this.pageBytes;
  }

  join(): void {
    this.#users++;
  }

  /** The last user releases the memory. */
  leave(): void {
    if (--this.#users > 0) return;
    this.#pages = 0;
    this.#free.length = 0;
    for (const { slab } of this.#slabs.splice(0)) {
      this.#memory.release(slab.keys);
      this.#memory.release(slab.values);
    }
  }

  /** A free page. Whoever takes some asks first how many are left. */
  take(): number {
    if (this.#free.length === 0) this.#addSlab();
    const page = this.#free.pop() as number;
    const { of, place } = this.#find(page);
    of.references[place] = 1;
    of.used[place] = 0;
    return page;
  }

  retain(page: number): void {
    const { of, place } = this.#find(page);
    of.references[place]++;
  }

  release(page: number): void {
    const { of, place } = this.#find(page);
    if (--of.references[place] === 0) this.#free.push(page);
  }

  isShared(page: number): boolean {
    const { of, place } = this.#find(page);
    return of.references[place] > 1;
  }

  usedSteps(page: number): number {
    const { of, place } = this.#find(page);
    return of.used[place];
  }

  use(page: number, steps: number): void {
    const { of, place } = this.#find(page);
    of.used[place] = steps;
  }

  /** A new page with a copy of the first steps of a page. */
  copy(page: number, steps: number): number {
    const copied = this.take();
    const { width, valueWidth } = this.form;
    this.#copyPart((slab) => slab.keys, width, page, copied, steps);
    this.#copyPart((slab) => slab.values, valueWidth, page, copied, steps);
    return copied;
  }

  /** Keys and values of the batch entries that have these pages. */
  views(lists: readonly PageIds[]): { key: StoredView; value: StoredView } {
    const { width, valueWidth } = this.form;
    return {
      key: this.#view((slab) => slab.keys, width, lists),
      value: this.#view((slab) => slab.values, valueWidth, lists),
    };
  }

  #view(partOf: (slab: Slab) => Part, width: number, lists: readonly PageIds[]): StoredView {
    const { type, heads, steps } = this.form;
    const parts = this.#slabs.map(({ slab }) => partOf(slab));
    const scales = parts.flatMap((part) => part.scales ?? []);
    const outliers = parts.flatMap((part) => part.outliers ?? []);
    const pages = {
      steps,
      stride: heads * steps * width,
      perSlab: this.#perSlab,
      slabs: parts.map(({ elements }) => elements),
      ...(elementsOf[type].scaled && { scales }),
      ...(outliers.length > 0 && { outliers }),
      lists,
    };
    const data = pages.slabs[0] ?? this.#memory.empty(type);
    return { data, type, batchStride: 0, headStride: steps * width, stepStride: width, pages };
  }

  /** All slabs in the memory of the CPU: themselves, or copies that `upload` brings back. */
  async download(): Promise<Slab[]> {
    const { type } = this.form;
    const memory = this.#memory;
    return await Promise.all(
      this.#slabs.map(async ({ slab: { keys, values } }) => ({
        keys: await memory.download(keys, type),
        values: await memory.download(values, type),
      })),
    );
  }

  async upload(slabs: readonly Slab[]): Promise<void> {
    for (const [i, { keys, values }] of slabs.entries()) {
      await this.#memory.upload(keys, this.#slabs[i].slab.keys);
      await this.#memory.upload(values, this.#slabs[i].slab.values);
    }
  }

  /** What some steps of a page have in one field, head by head, in the memory of the CPU. */
  *bytesOf(field: PageField, slabs: readonly Slab[], page: number, steps: number): Generator<Uint8Array> {
    const { heads, steps: pageSteps } = this.form;
    const array = field.of(slabs[Math.floor(page / this.#perSlab)]) as HostArray;
    const [place, size] = [page % this.#perSlab, array.BYTES_PER_ELEMENT * field.columns];
    for (let head = 0; head < heads; head++) {
      const start = array.byteOffset + (place * heads + head) * field.rows(pageSteps) * size;
      yield new Uint8Array(array.buffer, start, field.rows(steps) * size);
    }
  }

  #find(page: number): { readonly of: PagesOfSlab; readonly place: number } {
    return { of: this.#slabs[Math.floor(page / this.#perSlab)], place: page % this.#perSlab };
  }

  #pagesIn(bytes: number): number {
    return Math.max(1, Math.floor(bytes / this.pageBytes));
  }

  #addSlab(): void {
    const { type, heads, steps, width, valueWidth } = this.form;
    const growing = Math.min(Math.max(this.#pages, this.#pagesIn(leastSlabBytes)), this.#perSlab);
    const left = this.#expected - this.#pages;
    const count = left > 0 ? Math.min(growing, left) : growing;
    const first = this.#slabs.length * this.#perSlab;
    const outliers = count * this.#outlierBytes;
    this.#slabs.push({
      slab: this.#memory.make({ type, rows: count * heads * steps, width, valueWidth, outliers }),
      references: new Int32Array(count),
      used: new Int32Array(count),
    });
    this.#pages += count;
    for (let page = first + count - 1; page >= first; page--) this.#free.push(page);
  }

  #copyPart(partOf: (slab: Slab) => Part, width: number, from: number, to: number, rows: number): void {
    const { type, heads, steps } = this.form;
    const [source, target] = [this.#find(from), this.#find(to)];
    this.#memory.copy(partOf(source.of.slab), partOf(target.of.slab), type, width, {
      from: source.place * heads * steps,
      to: target.place * heads * steps,
      rows,
      count: heads,
      pitch: steps,
    });
  }
}
