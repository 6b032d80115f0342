import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { difference, duel } from '../../bench/duel.js';

const nothing = () => new Float32Array();

describe('a duel of the benchmark', () => {
  it('runs both equally often, in turn, and lets both begin', async () => {
    const order: string[] = [];
    const contestant = (name: string) => ({ run: () => order.push(name) && undefined, result: nothing });
    const { heed, peer } = await duel(contestant('heed'), contestant('peer'), 0);
    assert.equal(heed.calls, peer.calls);
    const measured = order.slice(-2 * heed.calls).join(' ');
    assert.match(measured, /^(heed peer peer heed ?)+(heed peer)?$/);
  });

  it('gives no two calls the same turn', async () => {
    const turns: number[] = [];
    const contestant = { run: (turn: number) => void turns.push(turn), result: nothing };
    await duel(contestant, contestant, 0);
    assert.equal(new Set(turns).size, turns.length);
  });

  it('divides the time of the other by that of heed, until the promise is settled', async () => {
    // A timer counts from the start of its event loop turn, which may be long ago on a busy machine.
    const wait = async (milliseconds: number) => {
      for (const end = performance.now() + milliseconds; performance.now() < end; ) await sleep(1);
    };
    const waiting = (milliseconds: number) => ({ run: () => wait(milliseconds), result: nothing });
    const { heed, peer, ratio } = await duel(waiting(5), waiting(25), 0);
    assert.ok(heed.shortest > 4.9 && peer.shortest > 24.9);
    assert.equal(ratio, peer.median / heed.median);
    // Even on a busy machine, not all calls are late enough to hide the difference.
    assert.ok(heed.shortest < peer.shortest, `${heed.shortest} and ${peer.shortest} ms`);
  });

  it('believes who times itself', async () => {
    const itself = { run: () => Promise.resolve(42), result: nothing };
    const { peer } = await duel({ run: () => undefined, result: nothing }, itself, 0);
    assert.deepEqual([peer.shortest, peer.median], [42, 42]);
  });
});

describe('the difference of two results', () => {
  it('is the greatest of an element, and that of the norms', () => {
    const { absolute, relative } = difference(Float32Array.of(3, 4.5), Float32Array.of(3, 4));
    assert.equal(absolute, 0.5);
    assert.equal(relative, 0.1);
  });

  it('is NaN when anything is, or when something is missing', () => {
    for (const at of [0, 1, 2]) {
      const broken = Float32Array.of(1, 2, 3);
      broken[at] = Number.NaN;
      const { absolute, relative } = difference(broken, Float32Array.of(1, 2, 3));
      assert.ok(Number.isNaN(absolute) && Number.isNaN(relative));
    }
    const [short, long] = [Float32Array.of(1), Float32Array.of(1, 2)];
    assert.ok(Number.isNaN(difference(short, long).relative));
    assert.ok(Number.isNaN(difference(long, short).relative));
  });
});
