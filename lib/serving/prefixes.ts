/**
 * Beginnings of prompts whose keys and values are kept: a tree of pieces. A node stands for all pieces from the root down to
 * it. Only leaves have a sequence, which has the steps of all nodes above as well. Nodes that no request builds on are idle,
 * and what is below an idle node is idle, too.
 */
import type { ServedSequence, ServedSession } from './served-model.js';

export class Prefix {
  readonly children = new Map<string, Prefix>();
  /** Of a leaf. */
  sequence: ServedSequence | undefined;
  /** Requests whose sequences have its pages. */
  users = 0;

  /** @param key the tokens of its piece */
  constructor(
    readonly steps: number,
    readonly above: Prefix | undefined,
    readonly key: string,
    readonly number: number,
  ) {}
}

export class Prefixes {
  readonly #session: ServedSession;
  readonly #pieceSize: number;
  readonly #root = new Prefix(0, undefined, '', 0);
  /** In the order in which they became so, children before what is above them. */
  readonly #idle = new Set<Prefix>();
  #nodes = 0;

  constructor(session: ServedSession, pieceSize: number) {
    this.#session = session;
    this.#pieceSize = pieceSize;
  }

  /** How many pieces are kept that no request builds on. */
  get idle(): number {
    return this.#idle.size;
  }

  /** The last node of a prompt's pieces from a node on, before the prompt's last token. */
  find(prompt: readonly number[], from: Prefix | undefined): Prefix | undefined {
    let node = from ?? this.#root;
    for (;;) {
      const next = this.#below(node, prompt);
      if (next === undefined || next.steps >= prompt.length) return node === this.#root ? undefined : node;
      node = next;
    }
  }

  /** A name for the piece of a prompt behind a node, the same for all prompts that have it there. */
  nameOfNext(prompt: readonly number[], from: Prefix | undefined): string {
    const node = from ?? this.#root;
    return `${node.number}/${this.#keyBehind(node, prompt)}`;
  }

  /** A new sequence with the steps of a node. */
  open(node: Prefix): ServedSequence {
    let leaf = node;
    while (leaf.sequence === undefined) [leaf] = leaf.children.values();
    return this.#session.sequence(leaf.sequence, node.steps);
  }

  /** The node of the next piece of a prompt. */
  next(prompt: readonly number[], from: Prefix | undefined): Prefix | undefined {
    return this.#below(from ?? this.#root, prompt);
  }

  /** Keeps the next piece of a prompt, whose steps a sequence has. It is not idle until it was retained and released. */
  add(prompt: readonly number[], from: Prefix | undefined, sequence: ServedSequence): Prefix {
    const above = from ?? this.#root;
    const steps = above.steps + this.#pieceSize;
    const node = new Prefix(steps, above, this.#keyBehind(above, prompt), ++this.#nodes);
    node.sequence = this.#session.sequence(sequence, steps);
    above.children.set(node.key, node);
    above.sequence?.dispose();
    above.sequence = undefined;
    return node;
  }

  /** A request builds on a node, and so on all above it. */
  retain(node: Prefix | undefined): void {
    for (let each = node; each; each = each.above) {
      each.users++;
      this.#idle.delete(each);
    }
  }

  release(node: Prefix | undefined): void {
    for (let each = node; each; each = each.above) {
      if (--each.users === 0 && each !== this.#root) this.#idle.add(each);
    }
  }

  /** Gives back the pages of the piece that has been idle for longest; false if there is none. */
  evict(): boolean {
    const [oldest] = this.#idle;
    if (oldest === undefined) return false;
    this.#idle.delete(oldest);
    const { above } = oldest;
    above?.children.delete(oldest.key);
    if (above !== undefined && above !== this.#root && above.children.size === 0) {
      above.sequence = this.#session.sequence(oldest.sequence, above.steps);
    }
    oldest.sequence?.dispose();
    return true;
  }

  /** Gives back the pages of all that is idle. */
  clear(): void {
    while (this.evict());
  }

  #below(node: Prefix, prompt: readonly number[]): Prefix | undefined {
    return node.children.get(this.#keyBehind(node, prompt));
  }

  #keyBehind({ steps }: Prefix, prompt: readonly number[]): string {
    return prompt.slice(steps, steps + this.#pieceSize).join();
  }
}
