import assert from 'node:assert/strict';
import { embed } from '../../lib/demo/embedding.js';
import { layers } from '../../lib/demo/heads.js';
import { type Kinds, usualKinds } from '../../lib/demo/kinds.js';
import { TwoLayers } from '../../lib/demo/two-layers.js';
import { Random } from '../support/random.js';
import { asWords, randomText, randomVocabulary } from './random-text.js';

const ids = layers.flatMap(({ heads }) => heads.map(({ id }) => id));

describe('scores made for the heads of heed attend', () => {
  const random = new Random('made scores');
  const text = randomText(random, randomVocabulary(random, 40), 120);
  const everyWord = text.map((_, position) => position);

  /** The weights of each head, [words, words]. */
  async function examine(score: Kinds['score'], causal: boolean): Promise<Map<string, Float32Array>> {
    using model = await TwoLayers.load(causal, { ...usualKinds, score });
    const { weights } = await model.examine(embed(asWords(text)), everyWord);
    return new Map(ids.map((id, i) => [id, weights[i]]));
  }

  /** The largest error of the weights of a head. */
  function apart(head: string, some: Map<string, Float32Array>, others: Map<string, Float32Array>): number {
    const [a, b] = [some.get(head), others.get(head)];
    assert.ok(a && b && a.length === b.length);
    return a.reduce((most, weight, i) => Math.max(most, Math.abs(weight - b[i])), 0);
  }

  for (const causal of [false, true]) {
    describe(causal ? 'causal' : 'not causal', () => {
      let products: Map<string, Float32Array>;
      before(async () => {
        products = await examine('scaled-dot', causal);
      });

      it('general: a matrix that changes nothing', async () => {
        const seen = await examine('general', causal);
        for (const id of ids) assert.ok(apart(id, seen, products) < 1e-5, id);
      });

      it('additive: a network that multiplies, nearly', async () => {
        const seen = await examine('additive', causal);
        for (const id of ids)
          assert.ok(apart(id, seen, products) < 0.05, `${id} ${apart(id, seen, products)}`);
      });

      it('location: heads that look for places see them, others see no difference between words', async () => {
        const seen = await examine('location', causal);
        for (const id of ['previous', 'next', 'nearby']) assert.ok(apart(id, seen, products) < 1e-4, id);
        const same = seen.get('same');
        assert.ok(same);
        for (const query of everyWord) {
          // A sink of 0 has the same weight as each of them.
          const visible = causal ? query + 1 : text.length;
          for (let key = 0; key < visible; key++)
            assert.ok(Math.abs(same[query * text.length + key] - 1 / (visible + 1)) < 1e-6);
        }
      });
    });
  }
});
