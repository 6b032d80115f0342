/** Tests embeddings against sums of rows. */
import assert from 'node:assert/strict';
import { embed, embedSync } from '../../lib/embedding/embed.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectSameBits } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { poisoned } from '../support/poison.js';
import { Random, tensorOf } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';

eachBackend('an embedding', (backend) => {
  const random = new Random('embeddings');

  for (const type of typesOf(backend)) {
    it(`is the sum of the rows of its tables, ${type}`, async () => {
      for (let repeat = 0; repeat < 30; repeat++) {
        const [count, width] = [random.integer(0, 40), random.integer(1, 200)];
        const tables = Array.from({ length: random.integer(1, 3) }, () => {
          const length = random.integer(1, 20);
          const table = random.tensor(type, [length, width]);
          return { table, ids: Array.from({ length: count }, () => random.integer(0, length - 1)) };
        });
        // A power of two, so that products and sums are rounded alike.
        const scale = random.pick([1, 2, 0.5]);
        const numbers = tables.map(({ table }) => toNumbers(table));
        const round = type === 'float64' ? (x: number) => x : Math.fround;
        const expected = tensorOf(type, [count, width], (i) => {
          const [row, d] = [Math.floor(i / width), i % width];
          const parts = tables.map(({ ids }, t) => numbers[t][ids[row] * width + d]);
          return parts.slice(1).reduce((sum, part) => round(sum + part), scale * parts[0]);
        });
        const [{ ids, table }, ...add] = tables;
        const out = poisoned(type, [count, width]);
        const result = await embed(ids, table, { backend, scale, add, out: out.tensor });
        assert.equal(result, out.tensor);
        out.expectMarginsIntact();
        if (type === 'float16' || type === 'bfloat16') {
          // The reference adds in float64: rounding twice may differ from that by one place.
          const [actual, wanted] = [result, expected].map(toNumbers);
          for (const [i, x] of actual.entries())
            assert.ok(Math.abs(x - wanted[i]) <= Math.abs(wanted[i]) * 2 ** -7 + 2 ** -24);
        } else if (backend === 'reference' && type === 'float32') {
          const [actual, wanted] = [result, expected].map(toNumbers);
          for (const [i, x] of actual.entries()) assert.ok(Math.abs(x - wanted[i]) <= 1e-6);
        } else {
          expectSameBits(result, expected);
        }
      }
    });

    it(`of one table has the bits of its rows, ${type}`, () => {
      const table = random.tensor(type, [7, 50]);
      const special = [Infinity, -Infinity, -0];
      const written = tensorOf(type, [3], (i) => special[i]);
      for (let i = 0; i < 3; i++) table.data[i + 51] = written.data[i];
      const ids = new Tensor(Int32Array.from([6, 1, 1, 0, 3, 1]), [2, 3]);
      const result = embedSync(ids, table, { backend });
      assert.deepEqual(result.dims, [2, 3, 50]);
      for (const [row, id] of [6, 1, 1, 0, 3, 1].entries()) {
        assert.deepEqual(
          result.data.slice(row * 50, (row + 1) * 50),
          table.data.slice(id * 50, (id + 1) * 50),
        );
      }
    });
  }

  it('takes ids of every kind', () => {
    const table = random.tensor('float32', [300, 8]);
    const wanted = embedSync([299, 0, 7], table, { backend });
    for (const ids of [
      Int32Array.from([299, 0, 7]),
      BigInt64Array.from([299n, 0n, 7n]),
      [299n, 0n, 7n],
      new Tensor(BigInt64Array.from([299n, 0n, 7n]), [3]),
    ])
      expectSameBits(embedSync(ids, table, { backend }), wanted);
  });

  it('refuses ids without a row, and tables that do not fit, before any work', () => {
    const table = random.tensor('float32', [5, 8]);
    const refuse = (args: readonly unknown[], code: Parameters<typeof throwsHeed>[1], message: string) =>
      throwsHeed(() => (embedSync as (...all: readonly unknown[]) => unknown)(...args), code, message);
    const out = Tensor.zeros('float32', [2, 8]);
    const before = out.data.slice();
    refuse([[0, 5], table, { backend, out }], 'HEED_INVALID_ARGUMENT', 'ids[1] to be an integer from 0 to 4');
    assert.deepEqual(out.data, before);
    refuse([[-1], table, { backend }], 'HEED_INVALID_ARGUMENT', 'ids[0]');
    refuse([[0], random.tensor('float32', [40]), { backend }], 'HEED_SHAPE_MISMATCH', 'table.dims');
    refuse([[0], Tensor.zeros('float32', [0, 8]), { backend }], 'HEED_SHAPE_MISMATCH', 'received none');
    const add = (ids: unknown, other: Tensor) => [{ ids, table: other }];
    refuse([[0], table, { backend, add: add([5], table) }], 'HEED_INVALID_ARGUMENT', 'options.add[0].ids[0]');
    refuse([[0], table, { backend, add: add([0, 1], table) }], 'HEED_SHAPE_MISMATCH', 'options.add[0].ids');
    refuse(
      [[0], table, { backend, add: add([0], random.tensor('float32', [5, 9])) }],
      'HEED_SHAPE_MISMATCH',
      'options.add[0].table.dims[1] to equal table.dims[1] (8)',
    );
    refuse(
      [[0], table, { backend, add: add([0], random.tensor('float16', [5, 8])) }],
      'HEED_TYPE_MISMATCH',
      'options.add[0].table.type',
    );
    refuse([[0, 1, 2, 3, 4], table, { backend, out: table }], 'HEED_OVERLAP', 'memory with table');
  });
});
