/** Abort signals other than Node's: those of a DOM that a test runner substitutes, and of polyfills. */
import assert from 'node:assert/strict';
import { attention, attentionSync } from '../lib/attention/attention.js';
import { project, projectSync } from '../lib/projection/project.js';
import { Tensor } from '../lib/tensor/tensor.js';
import { backendsAtHand } from './support/backends.js';
import { loadAnew } from './support/load-anew.js';

/** Like a DOM in JavaScript: it uses no class of Node, and listeners are functions or objects. */
class ForeignSignal {
  aborted = false;
  reason: unknown;
  listeners: unknown[] = [];

  addEventListener(type: string, listener: unknown, options?: { once?: boolean }): void {
    assert.equal(type, 'abort');
    assert.equal(options?.once, true);
    this.listeners.push(listener);
  }

  removeEventListener(_: string, listener: unknown): void {
    this.listeners = this.listeners.filter((other) => other !== listener);
  }

  abort(reason?: unknown): void {
    this.aborted = true;
    this.reason = reason;
    for (const listener of this.listeners.splice(0)) {
      if (typeof listener === 'function') listener.call(this, { type: 'abort', target: this });
      else (listener as { handleEvent(event: unknown): void }).handleEvent({ type: 'abort', target: this });
    }
  }
}

/** Without reasons, like Node before version 17. */
class OldSignal extends ForeignSignal {
  override abort(): void {
    super.abort(undefined);
    delete (this as { reason?: unknown }).reason;
  }
}

/** The compiler does not accept it as an AbortSignal; Node's own functions do. */
const asSignal = (signal: unknown) => signal as AbortSignal;

for (const backend of backendsAtHand()) {
  describe(`signals of other makes, on ${backend}`, () => {
    const tokens = new Tensor(new Float32Array(4 * 300 * 16).fill(0.5), [1, 4, 300, 16]);
    const start = (signal: unknown) =>
      attention(tokens, tokens, tokens, { backend, signal: asSignal(signal) });

    it('cancel operations under way, with their reason', async () => {
      const signal = new ForeignSignal();
      const reason = { not: 'even an error' };
      const running = [start(signal), start(signal), start(signal)];
      assert.equal(signal.listeners.length, 1, 'one listener for however many operations');
      signal.abort(reason);
      for (const promise of running) await assert.rejects(promise, (error) => error === reason);
    });

    it('that have aborted already reject at once', async () => {
      const signal = new ForeignSignal();
      signal.abort('over');
      await assert.rejects(start(signal), (error) => error === 'over');
      assert.throws(
        () => attentionSync(tokens, tokens, tokens, { backend, signal: asSignal(signal) }),
        (error) => error === 'over',
      );
      assert.equal(signal.listeners.length, 0);
    });

    it('without a reason give an AbortError', async () => {
      const signal = new OldSignal();
      const running = start(signal);
      signal.abort();
      await assert.rejects(running, { name: 'AbortError' });
      await assert.rejects(start(signal), { name: 'AbortError' });
    });

    it('that never abort change nothing, and are listened to once for all', async () => {
      const signal = new ForeignSignal();
      const { data } = await start(signal);
      await start(signal);
      assert.deepEqual(data, attentionSync(tokens, tokens, tokens, { backend }).data);
      assert.equal(signal.listeners.length, 1);
      const weight = new Tensor(new Float32Array(16 * 16).fill(0.1), [16, 16]);
      const projected = await project(tokens, weight, undefined, { backend, signal: asSignal(signal) });
      assert.deepEqual(projected.data, projectSync(tokens, weight, undefined, { backend }).data);
    });

    it('that cannot be listened to are refused before any work starts', async () => {
      const out = new Tensor(new Float32Array(4 * 300 * 16).fill(Number.NaN), [1, 4, 300, 16]);
      const deaf = {
        'no function to listen with': { aborted: false, addEventListener: 1 },
        'one that throws': {
          aborted: false,
          addEventListener() {
            throw new Error('on purpose');
          },
        },
        'a state that throws': {
          get aborted(): boolean {
            throw new Error('on purpose');
          },
          addEventListener: () => undefined,
        },
        'nothing to listen with': { aborted: false },
      };
      for (const [title, signal] of Object.entries(deaf)) {
        const call = attention(tokens, tokens, tokens, { backend, out, signal: asSignal(signal) });
        await assert.rejects(call, { code: 'HEED_INVALID_ARGUMENT' }, title);
      }
      await new Promise(setImmediate);
      assert.ok(out.data.every(Number.isNaN));
    });
  });
}

describe("signals of Node's where another class has its name", () => {
  const original = globalThis.AbortSignal;
  afterEach(() => {
    globalThis.AbortSignal = original;
  });

  it('cancel operations all the same', async () => {
    globalThis.AbortSignal = ForeignSignal as never;
    const heed = loadAnew();
    globalThis.AbortSignal = original;
    const tokens = new heed.Tensor(new Float32Array(4 * 300 * 16).fill(0.5), [1, 4, 300, 16]);
    const controller = new AbortController();
    const foreign = new ForeignSignal();
    const running = [controller.signal, foreign].map((signal) =>
      heed.attention(tokens, tokens, tokens, { signal: asSignal(signal) }),
    );
    controller.abort('enough');
    foreign.abort('enough');
    for (const promise of running) await assert.rejects(promise, (error) => error === 'enough');
    const late = heed.attention(tokens, tokens, tokens, { signal: controller.signal });
    await assert.rejects(late, (error) => error === 'enough');
  });
});
