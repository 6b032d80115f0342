/** The pages of one sequence. Forks and running operations share a list until one of them needs another page in it. */
import type { PageIds } from '../problem/problem.js';
import type { PagePool } from './page-pool.js';

const none = new Int32Array(0);

export class PageList implements PageIds {
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
