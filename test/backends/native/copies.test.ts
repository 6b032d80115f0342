/**
 * Tests several instances of heed in one process: reloaded, as by test runners and hot reloading, and copies
 * in several folders.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Copy, loadAnew, root } from '../../support/load-anew.js';
import { Random } from '../../support/random.js';

/** A folder with everything except the dependencies and, if it is shared, the addon. */
function copyTo(folder: string, addon: 'shared' | 'own'): string {
  cpSync(join(root, 'dist', 'lib'), join(folder, 'dist', 'lib'), { recursive: true });
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
  if (addon === 'shared') symlinkSync(join(root, 'build'), join(folder, 'build'), 'dir');
  else cpSync(join(root, 'build', 'Release'), join(folder, 'build', 'Release'), { recursive: true });
  return join(folder, 'dist', 'lib', 'index.js');
}

describe('heed more than once in a process', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heed-copies-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  const first: Copy = require(join(root, 'dist', 'lib', 'index.js'));
  const copies: Record<string, () => Copy> = {
    'its JavaScript loaded anew': () => loadAnew(),
    'everything loaded anew': () => loadAnew(true),
    'a copy that finds the same addon': () => require(copyTo(join(folder, 'shared'), 'shared')),
    'a copy with an addon of its own': () => require(copyTo(join(folder, 'own'), 'own')),
  };

  for (const [title, load] of Object.entries(copies)) {
    describe(title, () => {
      const random = new Random(`copies, ${title}`);
      let second: Copy;
      before(() => {
        second = load();
        assert.notEqual(second.Tensor, first.Tensor);
      });

      const numbers = (size: number) => Float32Array.from({ length: size }, () => random.normal());
      const draw = (copy: Copy, ...dims: number[]) =>
        new copy.Tensor(numbers(dims.reduce((size, length) => size * length, 1)), dims);

      it('computes beside the first, with the same results, also while both have work under way', async () => {
        const data = numbers(2 * 300 * 32);
        const run = (copy: Copy) => {
          const tokens = new copy.Tensor(data, [1, 2, 300, 32]);
          const { signal } = new AbortController();
          return Array.from({ length: 8 }, () =>
            copy.attention(tokens, tokens, tokens, { backend: 'cpu', signal }),
          );
        };
        const results = await Promise.all([...run(first), ...run(second), ...run(first), ...run(second)]);
        const truth = new first.Tensor(data, [1, 2, 300, 32]);
        const expected = first.attentionSync(truth, truth, truth, { backend: 'cpu' });
        for (const { data: received } of results) assert.deepEqual(received, expected.data);
      });

      it('takes the tensors of the first as tensor-likes, and the other way round', async () => {
        for (const [one, other] of [
          [first, second],
          [second, first],
        ]) {
          const [query, key, value] = [0, 1, 2].map(() => draw(other, 1, 2, 5, 8));
          const [own, theirs] = await Promise.all([
            one.attention(query, key, value, { backend: 'cpu' }),
            other.attention(query, key, value, { backend: 'cpu' }),
          ]);
          assert.ok(own instanceof one.Tensor);
          assert.deepEqual(own.data, theirs.data);
          const weight = draw(other, 6, 8);
          const packed = one.packWeight(weight);
          assert.deepEqual(one.projectSync(query, packed).data, other.projectSync(query, weight).data);
        }
      });

      it('aborts its own operations alone', async () => {
        const tokens = draw(first, 1, 16, 4096, 32);
        const controller = new AbortController();
        const { signal } = controller;
        const aborted = second.attention(tokens, tokens, tokens, { backend: 'cpu', signal });
        const small = draw(first, 1, 2, 5, 8);
        const kept = first.attention(small, small, small, {
          backend: 'cpu',
          signal: new AbortController().signal,
        });
        controller.abort();
        await assert.rejects(aborted, { name: 'AbortError' });
        assert.ok(((await kept).data as Float32Array).every(Number.isFinite));
      });

      it('says whose a weight or a cache is that only the other can use', async () => {
        const input = draw(first, 1, 3, 8);
        const packed = second.packWeight(draw(second, 6, 8));
        const refused = (received: string) => (error: unknown) => {
          assert.ok(error instanceof first.HeedError);
          assert.equal(error.code, 'HEED_INVALID_ARGUMENT');
          assert.match(error.message, new RegExp(`received a ${received} of another copy of heed`));
          return true;
        };
        await assert.rejects(first.project(input, packed), refused('PackedWeight'));
        const cache = new second.KeyValueCache({ batch: 1, heads: 2, width: 4, capacity: 8 });
        await assert.rejects(first.attention(draw(first, 1, 2, 3, 4), cache), refused('KeyValueCache'));
        const weight = draw(second, 8, 8);
        const linear = { weight };
        const layer = new first.MultiHeadAttention(
          { query: linear, key: linear, value: linear },
          { heads: 2, backend: 'cpu' },
        );
        await assert.rejects(layer.forward(input, { cache }), refused('KeyValueCache'));
        assert.throws(() => first.packWeight(packed as never), refused('PackedWeight'));
      });

      it('knows the errors of the first as its own', () => {
        assert.throws(
          () => first.attentionSync(1 as never, 1 as never, 1 as never),
          (error) => error instanceof second.HeedError,
        );
      });
    });
  }
});
