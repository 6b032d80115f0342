/**
 * The memory of a cache and of all its forks, in pages of [heads, steps, width] for keys and for values. Pages lie in slabs,
 * large pieces of memory that are added as they are needed and never move, so that nothing that was written is ever copied to
 * make room.
 */
import { outlierBytes } from '../problem/outliers.js';
import type { PageIds, StoredView } from '../problem/problem.js';
import type { Location } from '../tensor/types.js';
import { type CacheType, elementsOf, type Part, type Slab, type SlabMemory } from './slabs.js';

/** What a page holds. */
export interface PageForm {
  readonly type: CacheType;
  readonly heads: number;
  readonly width: number;
  readonly valueWidth: number;
  readonly steps: number;
}

const mostSlabBytes = 2 ** 26;

export class PagePool {
  readonly form: PageForm;
  /** The memory of one page. */
  readonly pageBytes: number;
  /** Of which for outlier channels. */
  readonly #outlierBytes: number;
  readonly #pagesPerSlab: number;
  readonly #memory: SlabMemory;
  readonly #slabs: Slab[] = [];
  readonly #free: number[] = [];
  /** How many lists refer to a page. */
  readonly #references: number[] = [];
  /** How many steps of a page may be in use by readers. */
  readonly #used: number[] = [];

  /** Caches and operations that hold pages or may allocate some. */
  #users = 0;

  /** @param pages how many there may be without any fork */
  constructor(form: PageForm, pages: number, memory: SlabMemory) {
    this.form = form;
    this.#memory = memory;
    const rows = form.heads * form.steps;
    const { bytes, scaled } = elementsOf[form.type];
    this.#outlierBytes = scaled ? form.heads * outlierBytes(form.width, form.steps) : 0;
    this.pageBytes = rows * ((form.width + form.valueWidth) * bytes + (scaled ? 8 : 0)) + this.#outlierBytes;
    const most = Math.max(1, Math.floor(mostSlabBytes / this.pageBytes));
    this.#pagesPerSlab = Math.min(most, Math.max(1, Math.ceil(pages / 8)));
  }

  get location(): Location {
    return this.#memory.location;
  }

  join(): void {
    this.#users++;
  }

  /** The last user releases the memory. */
  leave(): void {
    if (--this.#users > 0) return;
    for (const { keys, values } of this.#slabs.splice(0)) {
      this.#memory.release(keys);
      this.#memory.release(values);
    }
  }

  /** A free page. */
  take(): number {
    if (this.#free.length === 0) this.#addSlab();
    const page = this.#free.pop() as number;
    this.#references[page] = 1;
    this.#used[page] = 0;
    return page;
  }

  retain(page: number): void {
    this.#references[page]++;
  }

  release(page: number): void {
    if (--this.#references[page] === 0) this.#free.push(page);
  }

  isShared(page: number): boolean {
    return this.#references[page] > 1;
  }

  usedSteps(page: number): number {
    return this.#used[page];
  }

  use(page: number, steps: number): void {
    this.#used[page] = steps;
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
    const parts = this.#slabs.map(partOf);
    const scales = parts.flatMap((part) => part.scales ?? []);
    const outliers = parts.flatMap((part) => part.outliers ?? []);
    const pages = {
      steps,
      stride: heads * steps * width,
      perSlab: this.#pagesPerSlab,
      slabs: parts.map(({ elements }) => elements),
      ...(elementsOf[type].scaled && { scales }),
      ...(outliers.length > 0 && { outliers }),
      lists,
    };
    const data = pages.slabs[0] ?? this.#memory.empty(type);
    return { data, type, batchStride: 0, headStride: steps * width, stepStride: width, pages };
  }

  #addSlab(): void {
    const { type, heads, steps, width, valueWidth } = this.form;
    const count = this.#pagesPerSlab;
    const first = this.#slabs.length * count;
    const outliers = count * this.#outlierBytes;
    this.#slabs.push(this.#memory.make({ type, rows: count * heads * steps, width, valueWidth, outliers }));
    for (let page = first + count - 1; page >= first; page--) {
      this.#references[page] = this.#used[page] = 0;
      this.#free.push(page);
    }
  }

  #copyPart(partOf: (slab: Slab) => Part, width: number, from: number, to: number, rows: number): void {
    const { type, heads, steps } = this.form;
    const perSlab = this.#pagesPerSlab;
    const part = (page: number) => partOf(this.#slabs[Math.floor(page / perSlab)]);
    const row = (page: number) => (page % perSlab) * heads * steps;
    this.#memory.copy(part(from), part(to), type, width, {
      from: row(from),
      to: row(to),
      rows,
      count: heads,
      pitch: steps,
    });
  }
}
