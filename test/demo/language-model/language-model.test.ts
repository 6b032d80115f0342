import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { randomUniform } from '../../../lib/cli/hashing.js';
import { scoreHeads } from '../../../lib/demo/language-model/head-scores.js';
import { LanguageModel } from '../../../lib/demo/language-model/language-model.js';
import { byteTokens, endOfText } from '../../../lib/demo/language-model/tokenizer.js';
import { packageRoot } from '../../../lib/package-root.js';
import { Random } from '../../support/random.js';
import { type Plain, plainDecoder } from './plain-decoder.js';
import { plainScores } from './plain-scores.js';

const folder = join(packageRoot, 'examples/language-model');

function expectNear(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  assert.equal(actual.length, expected.length);
  let most = 0;
  for (let i = 0; i < actual.length; i++) {
    const apart = Math.abs(actual[i] - expected[i]);
    if (!(apart <= most)) most = apart;
  }
  assert.ok(most <= tolerance, `${most} apart`);
}

describe('language model', function () {
  this.timeout(60_000);
  const random = new Random('language model');
  let model: LanguageModel;
  let plain: (tokens: readonly number[]) => Plain;

  before(async () => {
    model = await LanguageModel.load(folder);
    plain = await plainDecoder(folder, model.configuration);
  });
  after(() => model?.[Symbol.dispose]());

  const drawTokens = (count: number) =>
    Array.from({ length: count }, () => random.integer(byteTokens, model.configuration.vocab_size - 1));

  it('gives the scores and the weights of the definition', async () => {
    const tokens = [endOfText, ...drawTokens(random.integer(20, 40))];
    const expected = plain(tokens);
    const { logits, heads } = await model.examine(tokens);
    const scores = expected.logits.flatMap((row) => [...row]);
    expectNear(logits, scores, 1e-4);
    expectNear(await model.forward(tokens), scores, 1e-4);
    for (const [layer, layerHeads] of heads.entries()) {
      for (const [head, weights] of layerHeads.entries()) {
        const rows = expected.weights[layer][head].flatMap((row) => [...row]);
        // Heads that concentrate on one token have high scores, for which float32 keeps fewer digits after
        // the point.
        expectNear(weights, rows, 5e-5);
      }
    }
  });

  it('gives the same scores to a text that it reads piece by piece', async () => {
    const tokens = [endOfText, ...drawTokens(random.integer(40, 60))];
    const all = await model.forward(tokens);
    using memory = model.makeMemory();
    const pieces: number[] = [];
    for (let first = 0; first < tokens.length; ) {
      const last = Math.min(tokens.length, first + (first === 0 ? random.integer(2, 20) : 1));
      pieces.push(...(await model.forward(tokens.slice(first, last), memory)));
      first = last;
    }
    expectNear(pieces, all, 1e-4);
  });

  it('measures its heads as the definition says', async () => {
    const seed = `test ${random.integer(0, 1e9)}`;
    const scores = await scoreHeads(model, seed);
    // The same random tokens, and the weights of an attention implemented with plain loops.
    const draw = randomUniform(seed);
    const { vocab_size } = model.configuration;
    const drawToken = () => byteTokens + Math.floor(draw() * (vocab_size - byteTokens));
    const expected = plainScores(plain, [100, 100, 100, 100], drawToken).heads.flat();
    scores.forEach(({ previous, induction }, head) => {
      assert.ok(Math.abs(previous - expected[head].previous) < 1e-5);
      assert.ok(Math.abs(induction - expected[head].induction) < 1e-5);
    });
  });

  it('is small', () => {
    assert.ok(statSync(join(folder, 'model.safetensors')).size < 3e6);
  });
});
