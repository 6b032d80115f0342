import assert from 'node:assert/strict';
import { type DecoderModel, loadModel, type ModelSession } from '../../lib/models.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { expectClose } from '../support/compare.js';
import { Random } from '../support/random.js';
import { rejectsHeed, throwsHeed } from '../support/rejects.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { decoders, randomTokens, writeModel } from './random-models.js';

describe('ModelSession', () => {
  const pathOf = temporaryDirectory();
  const random = new Random('ModelSession');
  const made = decoders.qwen2(random);
  const drawTokens = (most: number) => randomTokens(random, made.vocabulary, most);
  let model: DecoderModel;

  before(async () => {
    model = (await loadModel(await writeModel(pathOf('model'), made))) as DecoderModel;
  });
  after(() => model.dispose());

  async function lastLogits(session: ModelSession, tokens: readonly number[]) {
    using sequence = session.sequence();
    return (await session.step([{ sequence, tokens }])).data;
  }

  it('gives each of many sequences what it gets alone, bit by bit', async () => {
    using session = model.open(64);
    const lists = Array.from({ length: 5 }, () => drawTokens(9));
    const sequences = lists.map(() => session.sequence());
    const more = lists.map(() => drawTokens(3));
    const step = (each: readonly number[][]) =>
      session.step(each.map((tokens, i) => ({ sequence: sequences[i], tokens })));
    const [first, second] = [await step(lists), await step(more)];
    for (const [i, tokens] of lists.entries()) {
      const at = ({ data }: Tensor) =>
        [...(data as Float32Array)].slice(i * made.vocabulary, (i + 1) * made.vocabulary);
      assert.deepEqual(at(first), [...(await lastLogits(session, tokens))]);
      const sequence = session.sequence();
      await session.step([{ sequence, tokens }]);
      const alone = await session.step([{ sequence, tokens: more[i] }]);
      assert.deepEqual(at(second), [...alone.data]);
      assert.equal(sequences[i].length, tokens.length + more[i].length);
    }
  });

  it('begins a sequence with steps of another, whose pages they share', async () => {
    using session = model.open(64);
    const [tokens, more] = [drawTokens(1).concat(drawTokens(30)), drawTokens(5)];
    const prefix = session.sequence();
    await session.step([{ sequence: prefix, tokens }]);
    const { used } = session;
    const steps = random.integer(1, tokens.length);
    const fork = session.sequence(prefix, steps);
    assert.equal(session.used, used);
    assert.equal(fork.length, steps);
    const { data } = await session.step([{ sequence: fork, tokens: more }]);
    const whole = session.sequence();
    await session.step([{ sequence: whole, tokens: tokens.slice(0, steps) }]);
    assert.deepEqual(data, (await session.step([{ sequence: whole, tokens: more }])).data);
    assert.equal(session.sequence(prefix).length, tokens.length);
  });

  it('takes pages from one budget, and leaves all as it was where they do not suffice', async () => {
    using session = model.open(2);
    assert.equal(session.pages, 2);
    const [a, b] = [session.sequence(), session.sequence()];
    const tokens = Array.from({ length: 16 }, () => random.integer(0, made.vocabulary - 1));
    await session.step([
      { sequence: a, tokens },
      { sequence: b, tokens: [1] },
    ]);
    assert.equal(session.used, 2);
    const tooMuch = () =>
      session.step([
        { sequence: b, tokens: [2] },
        { sequence: a, tokens: [3] },
      ]);
    await rejectsHeed(tooMuch, 'HEED_POOL_FULL', 'pages');
    assert.deepEqual([a.length, b.length, session.used], [16, 1, 2]);
    a.dispose();
    assert.equal(session.used, 1);
    await session.step([{ sequence: b, tokens }]);
    assert.equal(b.length, 17);
  });

  it('leaves all as it was where it is aborted', async () => {
    using session = model.open(8);
    const sequence = session.sequence();
    const tokens = drawTokens(9);
    await session.step([{ sequence, tokens }]);
    const controller = new AbortController();
    const more = drawTokens(9);
    const step = session.step([{ sequence, tokens: more }], { signal: controller.signal });
    setImmediate(() => controller.abort());
    await step.catch((error: Error) => assert.equal(error.name, 'AbortError'));
    const after = sequence.length;
    assert.ok(after === tokens.length || after === tokens.length + more.length, `${after} steps`);
    sequence.truncate(tokens.length);
    const again = await session.step([{ sequence, tokens: more }]);
    // Not bit by bit: fewer queries at a time are attended in another order.
    const expected = await lastLogits(session, [...tokens, ...more]);
    expectClose(again, [...(expected as Float32Array)], 1e-5);
  });

  it('refuses what is no step', async () => {
    using session = model.open(8);
    const sequence = session.sequence();
    const step = (tokens: number[]) => () => session.step([{ sequence, tokens }]);
    await rejectsHeed(step([]), 'HEED_INVALID_ARGUMENT', 'parts[0].tokens');
    await rejectsHeed(step([made.vocabulary]), 'HEED_INVALID_ARGUMENT', 'ids[0]');
    const long = new Array<number>(model.longest + 1).fill(0);
    await rejectsHeed(step(long), 'HEED_CACHE_FULL', `${model.longest} steps`);
    throwsHeed(() => model.open(0), 'HEED_INVALID_ARGUMENT', 'pages');
    assert.equal(sequence.length, 0);
  });
});
