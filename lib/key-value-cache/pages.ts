/**
 * The pages of one sequence. Forks and running operations share a list of pages until one of them needs another page in it.
 */
import type { PageIds } from '../problem/problem.js';
import type { PagePool } from './page-pool.js';

const none = new Int32Array(0);

class PageList implements PageIds {
  count = 0;
  #ids: Int32Array;
  /** Caches and running operations that have this list. */
  #references = 1;

  constructor(
    readonly pool: PagePool,
    ids: Int32Array = none,
  ) {
    this.#ids = ids;
    this.count = ids.length;
  }

  get ids(): Int32Array {
    return this.#ids;
  }

  retain(): void {
    this.#references++;
  }

  release(): void {
    if (--this.#references > 0) return;
    for (let i = 0; i < this.count; i++) this.pool.release(this.ids[i]);
    this.count = 0;
  }

  get shared(): boolean {
    return this.#references > 1;
  }

  /** This list, or a copy if others share it, of the first `pages` pages. */
  owned(pages: number): PageList {
    if (!this.shared) {
      while (this.count > pages) this.pool.release(this.ids[--this.count]);
      return this;
    }
    const copy = new PageList(this.pool, this.ids.slice(0, pages));
    for (let i = 0; i < pages; i++) this.pool.retain(copy.ids[i]);
    this.release();
    return copy;
  }

  add(page: number): void {
    if (this.count === this.ids.length) {
      const grown = new Int32Array(Math.max(4, 2 * this.count));
      grown.set(this.ids);
      this.#ids = grown;
    }
    this.ids[this.count++] = page;
  }

  replace(index: number, page: number): void {
    this.pool.release(this.ids[index]);
    this.ids[index] = page;
  }
}

export class SequencePages {
  #list: PageList;
  #length: number;
  #dropped: number;

  private constructor(list: PageList, length: number, dropped: number) {
    this.#list = list;
    this.#length = length;
    this.#dropped = dropped;
  }

  static empty(pool: PagePool): SequencePages {
    return new SequencePages(new PageList(pool), 0, 0);
  }

  /** Steps in pages that hold them already. */
  static of(pool: PagePool, pages: Int32Array, length: number, dropped: number): SequencePages {
    for (const page of pages) pool.retain(page);
    return new SequencePages(new PageList(pool, pages), length, dropped);
  }

  get length(): number {
    return this.#length;
  }

  /** How many steps there were between those that are left. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The steps, for reading while they are retained or nothing else runs. */
  get list(): PageList {
    return this.#list;
  }

  /** The same steps, at no cost. */
  fork(): SequencePages {
    this.#list.retain();
    const fork = new SequencePages(this.#list, this.#length, this.#dropped);
    fork.trim();
    return fork;
  }

  /** The same steps without those of `count` full pages from the page `first` on. */
  without(first: number, count: number): SequencePages {
    const { pool, ids, count: all } = this.#list;
    const kept = new Int32Array(all - count);
    kept.set(ids.subarray(0, first));
    kept.set(ids.subarray(first + count, all), first);
    const steps = count * pool.form.steps;
    return SequencePages.of(pool, kept, this.#length - steps, this.#dropped + steps);
  }

  release(): void {
    this.#list.release();
  }

  /**
   * How many pages `reserve` takes, or one more than that where others of the same operation leave a page that they share.
   *
   * @param written the pages in which others of the same operation reserve places; gets that of this sequence
   */
  pagesFor(steps: number, written: Set<number>): number {
    if (steps === 0) return 0;
    const { pool, ids, count, shared } = this.#list;
    const { steps: pageSteps } = pool.form;
    const added = Math.ceil((this.#length + steps) / pageSteps) - count;
    const first = this.#length % pageSteps;
    if (first === 0) return added;
    const page = ids[count - 1];
    const copied = (shared || pool.isShared(page)) && (first < pool.usedSteps(page) || written.has(page));
    written.add(page);
    return copied ? added + 1 : added;
  }

  /**
   * Prepares places for the next steps that no reader uses: in its own pages, or behind all used steps of a
   * shared page. `extend` marks them as written.
   */
  reserve(steps: number): void {
    if (steps === 0) return;
    const { steps: pageSteps } = this.#list.pool.form;
    const end = this.#length + steps;
    for (let index = Math.floor(this.#length / pageSteps); index * pageSteps < end; index++) {
      const first = Math.max(0, this.#length - index * pageSteps);
      this.#reserveInPage(index, first, Math.min(pageSteps, end - index * pageSteps));
    }
  }

  #reserveInPage(index: number, first: number, last: number): void {
    const { pool } = this.#list;
    if (index >= this.#list.count) {
      const page = pool.take();
      this.#list = this.#list.owned(this.#list.count);
      this.#list.add(page);
    } else {
      const page = this.#list.ids[index];
      const shared = this.#list.shared || pool.isShared(page);
      if (shared && first < pool.usedSteps(page)) {
        const copy = pool.copy(page, first);
        this.#list = this.#list.owned(this.#list.count);
        this.#list.replace(index, copy);
      }
    }
    pool.use(this.#list.ids[index], last);
  }

  /** Gives back pages behind its steps, such as those that were reserved for more. */
  trim(): void {
    const pages = Math.ceil(this.#length / this.#list.pool.form.steps);
    if (pages < this.#list.count) this.#list = this.#list.owned(pages);
  }

  extend(steps: number): void {
    this.#length += steps;
  }

  truncate(length: number): void {
    if (length === this.#length) return;
    this.#length = length;
    if (length === 0) this.#dropped = 0;
    this.trim();
  }
}
