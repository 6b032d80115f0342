/** One sequence of a cache: its pages, and how many steps they hold. */
import { PageList } from './page-list.js';
import type { PagePool } from './page-pool.js';

export class SequencePages {
  #list: PageList;
  #length: number;

  private constructor(list: PageList, length: number) {
    this.#list = list;
    this.#length = length;
  }

  static empty(pool: PagePool): SequencePages {
    return new SequencePages(new PageList(pool), 0);
  }

  get length(): number {
    return this.#length;
  }

  /** The steps, for reading while they are retained or nothing else runs. */
  get list(): PageList {
    return this.#list;
  }

  /** The same steps, at no cost. */
  fork(): SequencePages {
    this.#list.retain();
    return new SequencePages(this.#list, this.#length);
  }

  release(): void {
    this.#list.release();
  }

  /**
   * Prepares places for the next steps that no reader uses: in its own pages, or behind all used steps of a
   * shared page. `extend` marks them as written.
   */
  reserve(steps: number): void {
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

  extend(steps: number): void {
    this.#length += steps;
  }

  truncate(length: number): void {
    if (length === this.#length) return;
    this.#length = length;
    this.#list = this.#list.owned(Math.ceil(length / this.#list.pool.form.steps));
  }
}
