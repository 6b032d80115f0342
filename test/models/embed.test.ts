import assert from 'node:assert/strict';
import { type EncoderModel, loadModel } from '../../lib/models.js';
import { expectClose } from '../support/compare.js';
import { Random } from '../support/random.js';
import { rejectsHeed } from '../support/rejects.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { byteVocabulary, writeTokenizer } from './byte-tokenizer.js';
import { runPlain } from './plain-model.js';
import { encoders, type RandomModel, randomTokens, writeModel } from './random-models.js';

describe('EncoderModel.embed', () => {
  const pathOf = temporaryDirectory();
  const random = new Random('EncoderModel.embed');
  let made: RandomModel;
  let folder: string;
  let model: EncoderModel;

  before(async () => {
    made = encoders.bert(random, byteVocabulary);
    folder = await writeModel(pathOf('model'), made);
    await writeTokenizer(folder);
    model = (await loadModel(folder)) as EncoderModel;
  });
  after(() => model.dispose());

  for (const pooling of ['mean', 'first', 'last'] as const) {
    for (const normalize of [false, true]) {
      it(`pools the rows of its definition: ${pooling}${normalize ? ', normalised' : ''}`, async () => {
        const texts = Array.from({ length: 7 }, () => randomTokens(random, byteVocabulary, 20));
        const expected = texts.flatMap((tokens) => {
          const { hidden } = runPlain(made.plain, tokens);
          const pooled = {
            mean: hidden[0].map((_, i) => hidden.reduce((sum, row) => sum + row[i], 0) / hidden.length),
            first: hidden[0],
            last: hidden[hidden.length - 1],
          }[pooling];
          const length = normalize ? Math.hypot(...pooled) : 1;
          return [...pooled].map((x) => x / length);
        });
        const rows = await model.embed(texts, { pooling, normalize });
        assert.deepEqual([rows.type, ...rows.dims], ['float32', 7, model.config.width]);
        expectClose(rows, expected, 2e-5);
      });
    }
  }

  it('gives each of more texts than go through at once what it gets alone, in their order', async () => {
    const texts = Array.from({ length: 400 }, () => randomTokens(random, byteVocabulary, 36));
    assert.ok(texts.flat().length > 4096);
    const rows = await model.embed(texts);
    const { width } = model.config;
    for (const i of [0, 399, random.integer(1, 398)]) {
      const alone = await model.embed([texts[i]]);
      assert.deepEqual(rows.data.subarray(i * width, (i + 1) * width), alone.data, `text ${i}`);
    }
  });

  it('reads texts with the tokens that the model expects around them', async () => {
    const texts = ['hello world', 'é'];
    const tokens = texts.map((text) => model.tokenizer?.encode(text) ?? []);
    assert.deepEqual((await model.embed(texts)).data, (await model.embed(tokens)).data);
    assert.deepEqual((await model.embed([])).dims, [0, model.config.width]);
  });

  it('can be aborted', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(model.embed(['x'], { signal: controller.signal }), reason);
    await assert.rejects(model.hidden([1], { signal: controller.signal }), reason);
  });

  it('refuses what is no text, and anything once disposed of', async () => {
    const { longest } = model.config;
    const embed = (texts: unknown, options?: object) => () => model.embed(texts as string[], options);
    await rejectsHeed(embed('text'), 'HEED_INVALID_ARGUMENT', 'texts');
    await rejectsHeed(embed(['x', []]), 'HEED_INVALID_ARGUMENT', `texts[1] to have 1 to ${longest} tokens`);
    await rejectsHeed(embed(['x'.repeat(longest)]), 'HEED_INVALID_ARGUMENT', `received ${longest + 1}`);
    await rejectsHeed(embed([[byteVocabulary]]), 'HEED_INVALID_ARGUMENT', 'texts[0][0]');
    await rejectsHeed(embed(['x'], { pooling: 'max' }), 'HEED_INVALID_ARGUMENT', 'options.pooling');
    await rejectsHeed(embed([], { normalise: true }), 'HEED_UNKNOWN_OPTION', 'normalize');
    const hidden = (attention: unknown) => () => model.hidden([1], { attention } as object);
    await rejectsHeed(hidden([{ layer: 99, head: 0 }]), 'HEED_INVALID_ARGUMENT', 'attention[0].layer');
    await rejectsHeed(hidden([{ layer: 0, head: 99 }]), 'HEED_INVALID_ARGUMENT', 'attention[0].head');
    const other = (await loadModel(folder)) as EncoderModel;
    other.dispose();
    assert.ok(other.disposed);
    await rejectsHeed(() => other.embed(['x']), 'HEED_DISPOSED', 'a live model');
    await rejectsHeed(() => other.hidden([1]), 'HEED_DISPOSED', 'a live model');
  });
});
