/**
 * A model without weights: its logits are drawn from a hash of a sequence's tokens and of the pieces that they came in, so
 * that whoever computes a sequence in other pieces gets other tokens. It counts pages as KeyValuePool does, and throws for
 * whatever a session need not bear.
 */
import assert from 'node:assert/strict';
import { HeedError } from '../../lib/errors.js';
import type { ServedModel, ServedPart, ServedSequence, ServedSession } from '../../lib/serving.js';
import { Tensor } from '../../lib/tensor/tensor.js';

interface Page {
  users: number;
}

function mix(state: number, value: number): number {
  let mixed = Math.imul(state ^ value, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}

class FakeSequence implements ServedSequence {
  readonly pages: Page[] = [];
  /** The hash behind each step. */
  states: number[] = [];
  tokens: number[] = [];
  disposed = false;
  constructor(readonly session: FakeSession) {}

  dispose(): void {
    assert.ok(!this.disposed, 'a sequence is disposed of once');
    assert.ok(!this.session.computing.has(this), 'a sequence is not disposed of while it is computed');
    this.disposed = true;
    for (const page of this.pages) if (--page.users === 0) this.session.used--;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

export interface FakeOptions {
  readonly vocabulary?: number;
  readonly longest?: number;
  readonly pageSize?: number;
  readonly endOfText?: readonly number[];
  /** Throws to let a step fail. */
  readonly onStep?: (parts: readonly { tokens: readonly number[]; history: readonly number[] }[]) => void;
  /** Before logits are there. Default: a turn of the event loop. */
  readonly wait?: () => Promise<unknown>;
  /** Changes logits. */
  readonly onLogits?: (row: Float32Array, history: readonly number[]) => void;
}

class FakeSession implements ServedSession {
  used = 0;
  most = 0;
  disposed = false;
  readonly computing = new Set<FakeSequence>();
  constructor(
    readonly pages: number,
    readonly pageSize: number,
    readonly model: FakeModel,
  ) {}

  sequence(prefix?: ServedSequence, steps?: number): ServedSequence {
    assert.ok(!this.disposed, 'the session is live');
    const sequence = new FakeSequence(this);
    if (prefix === undefined) return sequence;
    assert.ok(prefix instanceof FakeSequence && prefix.session === this && !prefix.disposed, 'a live prefix');
    const length = steps ?? prefix.states.length;
    assert.equal(length % this.pageSize, 0, 'whole pages are shared');
    assert.ok(length <= prefix.states.length, 'a prefix has the steps');
    sequence.states = prefix.states.slice(0, length);
    sequence.tokens = prefix.tokens.slice(0, length);
    for (const page of prefix.pages.slice(0, length / this.pageSize)) {
      page.users++;
      sequence.pages.push(page);
    }
    return sequence;
  }

  async step(parts: readonly ServedPart[]): Promise<Tensor> {
    const { vocabulary, longest, options } = this.model;
    assert.ok(!this.disposed, 'the session is live');
    assert.equal(this.computing.size, 0, 'one step at a time');
    assert.ok(parts.length > 0, 'a step has parts');
    const sequences = parts.map(({ sequence }) => sequence as FakeSequence);
    assert.equal(new Set(sequences).size, parts.length, 'a sequence is in a step once');
    let pages = 0;
    for (const [i, { tokens }] of parts.entries()) {
      const { session, disposed, states } = sequences[i];
      assert.ok(session === this && !disposed, 'a live sequence of this session');
      assert.ok(tokens.length > 0, 'a part has tokens');
      for (const token of tokens) assert.ok(token >= 0 && token < vocabulary, `token ${token}`);
      assert.ok(states.length + tokens.length <= longest, 'no sequence is longer than the longest');
      pages += Math.ceil((states.length + tokens.length) / this.pageSize) - sequences[i].pages.length;
    }
    this.model.sizes.push(parts.map(({ tokens }) => tokens.length));
    for (const sequence of sequences) this.computing.add(sequence);
    try {
      await (options.wait ?? turn)();
      options.onStep?.(parts.map(({ tokens }, i) => ({ tokens, history: sequences[i].tokens })));
      if (this.used + pages > this.pages) throw new HeedError('HEED_POOL_FULL', 'Expected room');
    } finally {
      this.computing.clear();
    }
    this.used += pages;
    this.most = Math.max(this.most, this.used);
    const logits = Tensor.zeros('float32', [parts.length, vocabulary]);
    for (const [i, { tokens }] of parts.entries()) {
      const row = (logits.data as Float32Array).subarray(i * vocabulary, (i + 1) * vocabulary);
      this.#extend(sequences[i], tokens, row);
    }
    return logits;
  }

  #extend(sequence: FakeSequence, tokens: readonly number[], row: Float32Array): void {
    let state = sequence.states.at(-1) ?? 1;
    for (const token of tokens) {
      state = mix(state, token);
      sequence.states.push(state);
      sequence.tokens.push(token);
    }
    // The piece leaves its mark on whatever follows.
    state = mix(state, tokens.length + 1000);
    sequence.states[sequence.states.length - 1] = state;
    while (sequence.pages.length * this.pageSize < sequence.states.length) sequence.pages.push({ users: 1 });
    for (let i = 0; i < row.length; i++) row[i] = mix(state, i) / 2 ** 30;
    this.model.options.onLogits?.(row, sequence.tokens);
  }

  [Symbol.dispose](): void {
    this.disposed = true;
  }
}

export const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

export class FakeModel implements ServedModel {
  readonly vocabulary: number;
  readonly longest: number;
  readonly endOfText: readonly number[];
  /** The tokens of each part of each step. */
  readonly sizes: number[][] = [];
  readonly sessions: FakeSession[] = [];

  constructor(readonly options: FakeOptions = {}) {
    this.vocabulary = options.vocabulary ?? 40;
    this.longest = options.longest ?? 1000;
    this.endOfText = options.endOfText ?? [];
  }

  open(pages: number): ServedSession {
    const session = new FakeSession(pages, this.options.pageSize ?? 16, this);
    this.sessions.push(session);
    return session;
  }
}
