import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeHeads } from '../../examples/make-heads.js';
import { embed, longestText } from '../../lib/demo/embedding.js';
import { foretell } from '../../lib/demo/expectations.js';
import { layers } from '../../lib/demo/heads.js';
import { TwoLayers } from '../../lib/demo/two-layers.js';
import { packageRoot } from '../../lib/package-root.js';
import { Random } from '../support/random.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { asWords, randomText, randomVocabulary } from './random-text.js';

const ids = layers.flatMap(({ heads }) => heads.map(({ id }) => id));

interface Seen {
  /** The weight of the word at position `key` for the word at position `query`, in the head of that name. */
  weight(head: string, query: number, key: number): number;
  /** The total weight of all words that satisfy a condition. */
  mass(head: string, query: number, takes: (key: number) => boolean): number;
}

describe('heads made by hand', () => {
  const random = new Random('heads');
  const file = temporaryDirectory();
  const models = new Map<boolean, TwoLayers>();

  before(async () => {
    for (const causal of [false, true]) models.set(causal, await TwoLayers.load(causal));
  });
  after(() => {
    for (const model of models.values()) model[Symbol.dispose]();
  });

  function modelFor(causal: boolean): TwoLayers {
    const model = models.get(causal);
    assert.ok(model);
    return model;
  }

  async function look(text: readonly string[], causal: boolean, rows?: readonly number[]): Promise<Seen> {
    const queries = rows ?? text.map((_, position) => position);
    const { weights } = await modelFor(causal).examine(embed(asWords(text)), queries);
    const rowOf = (head: string, query: number) => {
      const row = queries.indexOf(query);
      return weights[ids.indexOf(head)].subarray(row * text.length, (row + 1) * text.length);
    };
    return {
      weight: (head, query, key) => rowOf(head, query)[key],
      mass: (head, query, takes) =>
        rowOf(head, query).reduce((sum, weight, key) => (takes(key) ? sum + weight : sum), 0),
    };
  }

  it('are the bytes that the script in examples/ writes', async () => {
    await makeHeads(file('heads.safetensors'));
    const made = readFileSync(file('heads.safetensors'));
    assert.ok(made.equals(readFileSync(join(packageRoot, 'examples/heads.safetensors'))));
  });

  for (const causal of [false, true]) {
    describe(causal ? 'causal' : 'not causal', () => {
      const vocabulary = randomVocabulary(random, 80);
      const text = randomText(random, vocabulary, 250);
      const everyWord = text.map((_, position) => position);
      const visible = (query: number, key: number) => !causal || key <= query;
      let seen: Seen;

      before(async () => {
        seen = await look(text, causal);
      });

      it('same: all the weight is on the same word, in equal parts', () => {
        for (const query of everyWord) {
          const same = everyWord.filter((key) => visible(query, key) && text[key] === text[query]);
          assert.ok(seen.mass('same', query, (key) => same.includes(key)) > 0.99);
          for (const key of same)
            assert.ok(Math.abs(seen.weight('same', query, key) - 1 / same.length) < 0.01);
        }
      });

      it('previous: more than 0.9 is on the previous word, and the first word looks at nothing', () => {
        for (const query of everyWord.slice(1)) assert.ok(seen.weight('previous', query, query - 1) > 0.99);
        assert.ok(seen.mass('previous', 0, () => true) < 0.01);
      });

      if (causal) {
        it('next: looks at nothing, for the next word is hidden', () => {
          for (const query of everyWord) assert.ok(seen.mass('next', query, () => true) < 0.01);
        });
      } else {
        it('next: more than 0.9 is on the next word, and the last word looks at nothing', () => {
          for (const query of everyWord.slice(0, -1)) assert.ok(seen.weight('next', query, query + 1) > 0.99);
          assert.ok(seen.mass('next', text.length - 1, () => true) < 0.01);
        });
      }

      it('nearby: more than 0.9 is within four words, and less the further away', () => {
        for (const query of everyWord) {
          assert.ok(seen.mass('nearby', query, (key) => Math.abs(key - query) <= 4) > 0.9);
          for (let distance = 1; distance <= 4; distance++) {
            for (const side of [-1, 1]) {
              const key = query + side * distance;
              if (key < 0 || key >= text.length || !visible(query, key)) continue;
              const nearer = seen.weight('nearby', query, key - side);
              assert.ok(seen.weight('nearby', query, key) < nearer, `${query} → ${key}`);
            }
          }
        }
      });

      it('never look at what is hidden, and never give more than 1', () => {
        for (const head of ids) {
          for (const query of everyWord) {
            assert.equal(seen.mass(head, query, (key) => !visible(query, key)) > 0, false, head);
            assert.ok(seen.mass(head, query, () => true) < 1.001, head);
          }
        }
      });

      it('alike: other forms of a word come before unrelated ones, and have most of the weight', async () => {
        const stems = randomVocabulary(random, 60);
        const forms = stems.slice(0, 30).map((stem) => stem + random.pick(['s', 'ed', 'ing', 'er']));
        const mixed = [...stems, ...forms];
        const { weight, mass } = await look(mixed, causal);
        let first = 0;
        let most = 0;
        forms.forEach((form, i) => {
          const query = stems.length + i;
          assert.equal(mixed[query], form);
          const unrelated = mixed.map((_, key) => key).filter((key) => key !== i && key !== query);
          if (unrelated.every((key) => weight('alike', query, key) < weight('alike', query, i))) first++;
          if (mass('alike', query, (key) => key === i || key === query) > 0.8) most++;
        });
        assert.ok(first >= 26, `only ${first} of 30 forms look first at their stem`);
        assert.ok(most >= 24, `only ${most} of 30 forms give their weight to their stem and themselves`);
      });

      it('induction: a word that stood before looks at what followed it last, a new one at nothing', () => {
        let latest = 0;
        let again = 0;
        for (const query of everyWord) {
          const before = text.lastIndexOf(text[query], query - 1);
          if (query === 0 || before < 0) {
            assert.ok(seen.mass('induction', query, () => true) < 0.01);
            continue;
          }
          // The words that followed each earlier occurrence, including the word itself if it occurs twice in
          // a row.
          const followers = (key: number) => key > 0 && key <= query && text[key - 1] === text[query];
          assert.ok(seen.mass('induction', query, followers) > 0.99);
          const heaviest = everyWord.reduce((best, key) =>
            seen.weight('induction', query, key) > seen.weight('induction', query, best) ? key : best,
          );
          again++;
          if (heaviest === before + 1) latest++;
        }
        assert.equal(latest, again);
      });
    });
  }

  it('continue a repeated text', async () => {
    for (let attempt = 0; attempt < 5; attempt++) {
      const once = randomVocabulary(random, random.integer(30, 120));
      const text = [...once, ...once.slice(0, -1)];
      const words = asWords(text);
      const { expectations } = await modelFor(true).examine(embed(words), [0]);
      const { tried, right, next } = foretell(words, expectations);
      assert.equal(tried, once.length - 2);
      assert.ok(right >= 0.99 * tried, `${right} of ${tried}`);
      assert.equal(next, once[once.length - 1]);
    }
  });

  it('keep their meaning in a text as long as may be', async () => {
    const vocabulary = randomVocabulary(random, 1500);
    const text = randomText(random, vocabulary, longestText);
    const rows = Array.from({ length: 40 }, () => random.integer(2000, longestText - 2));
    const seen = await look(text, false, rows);
    for (const query of rows) {
      assert.ok(seen.weight('previous', query, query - 1) > 0.9);
      assert.ok(seen.weight('next', query, query + 1) > 0.9);
      assert.ok(seen.mass('nearby', query, (key) => Math.abs(key - query) <= 6) > 0.9);
      assert.ok(seen.mass('same', query, (key) => text[key] === text[query]) > 0.9);
      const before = text.lastIndexOf(text[query], query - 1);
      const near = before >= 0 && query - before < 1000;
      if (near) assert.ok(seen.mass('induction', query, (key) => text[key - 1] === text[query]) > 0.9);
    }
  });
});
