import { strict as assert } from 'node:assert';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CallingThread } from '../../../lib/backends/native/calling-thread.js';
import { packWeight, project, Tensor } from '../../../lib/index.js';

describe('the calling thread', () => {
  /** Of a processor with AVX2 or better. */
  const millisecond = 40e6;

  it('takes operations of up to a millisecond, without help only far smaller ones', () => {
    const thread = new CallingThread('avx2');
    assert.ok(thread.takes(millisecond));
    assert.ok(!thread.takes(millisecond + 1));
    assert.ok(thread.worksAlone(0.075 * millisecond));
    assert.ok(!thread.worksAlone(0.075 * millisecond + 1));
    const slow = new CallingThread('baseline');
    assert.ok(slow.takes(millisecond / 4));
    assert.ok(!slow.takes(millisecond / 4 + 1));
  });

  it('takes no more than four milliseconds in one turn of the event loop', async () => {
    const thread = new CallingThread('avx512');
    for (let turn = 0; turn < 3; turn++) {
      for (let i = 0; i < 4; i++) assert.ok(thread.takes(millisecond), `turn ${turn}, operation ${i}`);
      await undefined;
      assert.ok(!thread.takes(1), `turn ${turn}`);
      await nextTurn();
    }
  });

  it('lets timers and sockets have their turn, whoever awaits small operations in a loop', async () => {
    const weight = packWeight(Tensor.zeros('float32', [64, 64]));
    const input = Tensor.zeros('float32', [16, 64]);
    let turns = 0;
    setImmediate(() => turns++);
    for (let i = 0; i < 20_000 && turns === 0; i++) await project(input, weight);
    weight.dispose();
    assert.equal(turns, 1);
  });
});
