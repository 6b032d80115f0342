import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { families } from '../../lib/models/families.js';
import { type DecoderModel, type EncoderModel, loadModel } from '../../lib/models.js';
import { packageRoot } from '../../lib/package-root.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { expectClose } from '../support/compare.js';
import { Random } from '../support/random.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { type PlainResult, runPlain } from './plain-model.js';
import { decoders, encoders, type RandomModel, randomTokens, writeModel } from './random-models.js';

/** The promise is 1e-4; a wrong epsilon, activation or window is off by more than this. */
const tolerance = 2e-5;

const flat = (rows: PlainResult['hidden']) => rows.flatMap((row) => [...row]);

describe('the families of models', () => {
  const pathOf = temporaryDirectory();
  const random = new Random('the families of models');
  let count = 0;

  async function write(model: RandomModel): Promise<string> {
    return await writeModel(pathOf(`model-${count++}`), model, random.integer(1, 3));
  }

  it('are all tested here', () => {
    const tested = new Set<unknown>(
      Object.values({ ...decoders, ...encoders }).map((make) => make(new Random('names')).config.model_type),
    );
    const same: Record<string, string> = { 'xlm-roberta': 'roberta', camembert: 'roberta' };
    for (const type of families.flatMap(({ modelTypes }) => modelTypes)) {
      assert.ok(tested.has(same[type] ?? type), type);
    }
  });

  it('are those of the guide', () => {
    const page = readFileSync(join(packageRoot, 'docs/guides/models.md'), 'utf8');
    const rows = [...page.matchAll(/^\| ([^|`]+) \| (`[^|]+`) \|/gm)].slice(1).map(([, name, types]) => ({
      name,
      modelTypes: [...types.matchAll(/`([^`]+)`/g)].map(([, type]) => type),
    }));
    assert.deepEqual(
      rows,
      families.map(({ name, modelTypes }) => ({ name, modelTypes })),
    );
  });

  for (const [name, make] of Object.entries(decoders)) {
    it(`${name}: gives the logits of its definition, whole and step by step`, async () => {
      const made = make(random);
      using model = (await loadModel(await write(made))) as DecoderModel;
      assert.equal(model.kind, 'decoder');
      const tokens = randomTokens(random, made.vocabulary, 30);
      const { logits } = runPlain(made.plain, tokens);
      expectClose(await model.logits(tokens), flat(logits ?? []), tolerance);
      using session = model.open(8);
      const sequence = session.sequence();
      let done = 0;
      while (done < tokens.length) {
        const next = tokens.slice(done, done + random.integer(1, 9));
        done += next.length;
        const last = await session.step([{ sequence, tokens: next }]);
        assert.deepEqual(last.dims, [1, made.vocabulary]);
        expectClose(last, [...(logits?.[done - 1] ?? [])], tolerance, `step ${done - 1}`);
      }
    });
  }

  for (const [name, make] of Object.entries(encoders)) {
    it(`${name}: gives the hidden states and attention of its definition`, async () => {
      const made = make(random);
      using model = (await loadModel(await write(made))) as EncoderModel;
      assert.equal(model.kind, 'encoder');
      const tokens = randomTokens(random, made.vocabulary, 30);
      const expected = runPlain(made.plain, tokens);
      const places = Array.from({ length: 3 }, () => ({
        layer: random.integer(0, made.plain.blocks.length - 1),
        head: random.integer(0, made.plain.blocks[0].attention.heads - 1),
      }));
      const { output, attention } = await model.hidden(tokens, { attention: places });
      expectClose(output, flat(expected.hidden), tolerance);
      for (const [i, { layer, head }] of places.entries()) {
        const weights = attention?.[i] ?? new Tensor(new Float32Array(), [0]);
        assert.deepEqual(weights.dims, [tokens.length, tokens.length]);
        expectClose(weights, flat(expected.attention[layer][head]), tolerance);
      }
    });
  }
});
