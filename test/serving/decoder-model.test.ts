/** The engine over a model of heed/models: tokens are those of the model's own `generate`. */
import assert from 'node:assert/strict';
import { type DecoderModel, loadModel } from '../../lib/models.js';
import { Engine } from '../../lib/serving.js';
import { decoders, randomTokens, writeModel } from '../models/random-models.js';
import { Random } from '../support/random.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

describe('heed/serving over a DecoderModel', () => {
  const pathOf = temporaryDirectory();
  const random = new Random('serving a DecoderModel');
  const made = decoders.qwen2(random);
  let model: DecoderModel;

  before(async () => {
    model = (await loadModel(await writeModel(pathOf('model'), made))) as DecoderModel;
  });
  after(() => model.dispose());

  it('gives the tokens that the model generates by itself, from the same seeds', async () => {
    const cases = Array.from({ length: 12 }, () => ({
      prompt: randomTokens(random, made.vocabulary, 20),
      options: {
        maxTokens: random.integer(1, 16),
        temperature: random.pick([0, 1]),
        topK: random.integer(2, 20),
        seed: random.integer(0, 2 ** 40),
      },
    }));
    // Few pages: some are computed again.
    const engine = new Engine(model, { pages: 9, sequences: 6 });
    const given = await Promise.all(
      cases.map(({ prompt, options }) => engine.generate(prompt, options).tokens()),
    );
    for (const [i, { prompt, options }] of cases.entries()) {
      const expected: number[] = [];
      for await (const { token } of model.generate(prompt, options)) expected.push(token);
      assert.deepEqual(given[i], expected, `request ${i}`);
    }
    await engine.drain();
    await engine.dispose();
    assert.equal(engine.stats.used, 0);
  });
});
