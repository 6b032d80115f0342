/** Tests the choice of tokens against its definition, and against the probabilities that it stands for. */
import assert from 'node:assert/strict';
import { type SampleOptions, sample, sampleSync } from '../../lib/sampling/sample.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { typesOf } from '../support/attention.js';
import { eachBackend, many } from '../support/backends.js';
import { toNumbers } from '../support/numbers.js';
import { Random, tensorOf } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';
import { type OracleSampling, sampleOracle } from './sample-oracle.js';

const none: OracleSampling = {
  temperature: 0,
  topK: 2 ** 31,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  previous: [],
  seed: 0,
};

function randomSampling(random: Random, vocabulary: number): OracleSampling {
  return {
    temperature: random.pick([0, 0.3, 0.7, 1, 1, 2, random.uniform(0.01, 5)]),
    topK: random.pick([vocabulary, vocabulary, 1, 40, random.integer(1, vocabulary + 3)]),
    topP: random.pick([1, 1, 0, 0.5, 0.9, random.uniform(0, 1)]),
    minP: random.pick([0, 0, 0.05, random.uniform(0, 1)]),
    repetitionPenalty: random.pick([1, 1.3, 0.8]),
    previous: Array.from({ length: random.integer(0, 9) }, () => random.integer(0, vocabulary - 1)),
    seed: random.integer(0, 2 ** 31) * random.pick([1, 2 ** 20]),
  };
}

const keys = ['temperature', 'topK', 'topP', 'minP', 'repetitionPenalty', 'seed'] as const;

/** Options of all rows from those of each. */
function optionsOf(rows: readonly OracleSampling[]): SampleOptions {
  const lists = keys.map((key) => [key, rows.map((row) => row[key])] as const);
  return { ...Object.fromEntries(lists), previous: rows.map(({ previous }) => previous) };
}

eachBackend('sampling', (backend) => {
  const random = new Random('sampling');

  for (const type of typesOf(backend)) {
    it(`chooses what its definition says, ${type}`, async () => {
      let compared = 0;
      const repeats = many(60);
      for (let repeat = 0; repeat < repeats; repeat++) {
        const vocabulary = random.pick([1, 2, 63, 64, 65, 128, 500, random.integer(1, 700)]);
        const rows = random.integer(1, 5);
        const logits = random.tensor(type, [rows, vocabulary], random.pick([0, 0.5, 3, 12]));
        const given = Array.from({ length: rows }, () => randomSampling(random, vocabulary));
        const tokens = await sample(logits, { ...optionsOf(given), backend });
        const numbers = toNumbers(logits);
        for (const [row, each] of given.entries()) {
          const { token, close } = sampleOracle(numbers.slice(row * vocabulary, (row + 1) * vocabulary), {
            ...each,
            isFloat32: type !== 'float64',
          });
          if (close) continue;
          assert.equal(tokens[row], token, JSON.stringify({ ...each, vocabulary }));
          compared++;
        }
      }
      assert.ok(compared > Math.max(1, repeats - 10));
    });
  }

  function drawOften(): void {
    const logits = random.tensor('float32', [1, 40], 2);
    const numbers = toNumbers(logits);
    const draws = 4000;
    for (const given of [
      { temperature: 1 },
      { temperature: 0.5, topK: 9 },
      { temperature: 1.5, topP: 0.8, minP: 0.02 },
    ]) {
      const order = [...numbers.keys()].sort((a, b) => numbers[b] - numbers[a]);
      const weights = order.map((token) =>
        Math.exp((numbers[token] - numbers[order[0]]) / given.temperature),
      );
      const all = weights.reduce((sum, weight) => sum + weight, 0);
      let before = 0;
      const kept = weights.map((weight, i) => {
        const isKept =
          i < (given.topK ?? 40) && before < (given.topP ?? 1) * all && weight >= (given.minP ?? 0);
        before += weight;
        return isKept ? weight : 0;
      });
      const whole = kept.reduce((sum, weight) => sum + weight, 0);
      const counts = new Map<number, number>();
      const repeated = tensorOf('float32', [draws, 40], (i) => numbers[i % 40]);
      const seeds = Array.from({ length: draws }, () => random.integer(0, 2 ** 31));
      for (const token of sampleSync(repeated, { ...given, seed: seeds, backend }))
        counts.set(token, (counts.get(token) ?? 0) + 1);
      for (const [i, token] of order.entries()) {
        const probability = kept[i] / whole;
        const deviation = Math.sqrt(draws * probability * (1 - probability));
        const difference = Math.abs((counts.get(token) ?? 0) - draws * probability);
        // Seven deviations and a few draws, which rare tokens are: chance needs millions of runs for it.
        assert.ok(difference <= 7 * deviation + 9 * Math.sign(probability), `token ${token}: ${difference}`);
      }
    }
  }
  // These take an emulated GPU minutes, and are the tokens of the definition, as the tests before have shown.
  if (backend !== 'cuda') it('draws tokens as often as they are probable', drawOften);

  it('takes the first of the largest logits where the temperature is 0', () => {
    for (let repeat = 0; repeat < many(50); repeat++) {
      const vocabulary = random.integer(1, 400);
      const logits = tensorOf('float32', [vocabulary], () => random.integer(-3, 3));
      const numbers = toNumbers(logits);
      const [token] = sampleSync(logits, { backend });
      assert.equal(token, numbers.indexOf(Math.max(...numbers)));
    }
  });

  it('never takes −∞, takes +∞ at any temperature, and nothing of a row with NaN', () => {
    for (const vocabulary of [3, 64, 300]) {
      for (const temperature of [0, 1]) {
        const given = { temperature, seed: 5, backend };
        const nothing = tensorOf('float32', [vocabulary], () => Number.NEGATIVE_INFINITY);
        assert.equal(sampleSync(nothing, given)[0], -1);
        const at = random.integer(0, vocabulary - 1);
        nothing.data[at] = -1e30;
        assert.equal(sampleSync(nothing, given)[0], at);
        for (const options of [{ topK: 2 }, { topP: 0.99 }, { minP: 0.5 }])
          assert.equal(sampleSync(nothing, { ...given, ...options })[0], at);
        const logits = random.tensor('float32', [2, vocabulary]);
        logits.data[at] = Infinity;
        logits.data[vocabulary - 1] = Infinity;
        logits.data[vocabulary + at] = Number.NaN;
        assert.deepEqual([...sampleSync(logits, given)], [at, -1]);
      }
    }
  });

  it('takes logits of any magnitude', () => {
    for (const scale of [1e-38, 1e-45, 1e30, 3e38]) {
      const logits = tensorOf('float32', [200], () => scale * random.uniform(-1, 1));
      const given = { ...none, temperature: random.pick([1e-4, 1, 1e4]), seed: 3 };
      const { token, close } = sampleOracle(toNumbers(logits), given);
      if (!close) assert.equal(sampleSync(logits, { ...optionsOf([given]), backend })[0], token);
    }
  });

  it('depends on a row and its seed alone', () => {
    const rows = 20;
    const logits = random.tensor('float32', [rows, 333], 2);
    const seeds = Array.from({ length: rows }, () => random.integer(0, 2 ** 31));
    const given = { temperature: 1, topP: 0.95, backend };
    const whole = sampleSync(logits, { ...given, seed: seeds });
    for (const row of [0, 7, 19]) {
      const data = (logits.data as Float32Array).slice(row * 333, (row + 1) * 333);
      const [alone] = sampleSync(new Tensor(data, [333]), { ...given, seed: seeds[row] });
      assert.equal(alone, whole[row]);
    }
  });

  it('takes no rows, and refuses what does not fit before any work', () => {
    assert.equal(sampleSync(Tensor.zeros('float32', [0, 9]), { backend }).length, 0);
    const logits = random.tensor('float32', [2, 9]);
    const refuse = (given: object, message: string, code: Parameters<typeof throwsHeed>[1]) =>
      throwsHeed(() => sampleSync(logits, { backend, seed: 1, ...given } as never), code, message);
    refuse({ temperature: -1 }, 'options.temperature to be 0, or a number', 'HEED_INVALID_ARGUMENT');
    refuse({ temperature: 1e-5 }, 'from 0.0001 to 10000', 'HEED_INVALID_ARGUMENT');
    refuse({ topK: [3, 0] }, 'options.topK[1]', 'HEED_INVALID_ARGUMENT');
    refuse({ topK: [3] }, 'one element per row (2)', 'HEED_SHAPE_MISMATCH');
    refuse({ topP: 1.1 }, 'options.topP', 'HEED_INVALID_ARGUMENT');
    refuse({ minP: Number.NaN }, 'options.minP', 'HEED_INVALID_ARGUMENT');
    refuse({ previous: [9] }, 'options.previous[0]', 'HEED_INVALID_ARGUMENT');
    refuse({ previous: [[1], [-1]] }, 'options.previous[1][0]', 'HEED_INVALID_ARGUMENT');
    refuse({ previous: [[1]] }, 'one list per row (2)', 'HEED_SHAPE_MISMATCH');
    refuse({ temperature: 1, seed: undefined }, 'options.seed', 'HEED_INVALID_ARGUMENT');
    refuse({ seed: 0.5 }, 'options.seed', 'HEED_INVALID_ARGUMENT');
    throwsHeed(() => sampleSync(Tensor.zeros('float32', [2, 0])), 'HEED_SHAPE_MISMATCH', 'a vocabulary');
  });
});

eachBackend('sampling from large vocabularies', (backend) => {
  if (backend === 'reference') return;
  const random = new Random('large vocabularies');

  it('chooses the tokens of the reference', () => {
    const vocabulary = 151_936;
    // Peaked as those of models, and so flat that topP keeps most.
    for (const deviation of [3, 0.01]) {
      const logits = random.tensor('float32', [vocabulary], deviation);
      for (const options of [
        { topK: 50 },
        { topP: 0.95 },
        { topK: 5000, topP: 0.9 },
        { minP: 0.1 },
        {},
      ] as const) {
        const given = { temperature: 1, seed: random.integer(0, 2 ** 31), ...options };
        const [wanted] = sampleSync(logits, { ...given, backend: 'reference' });
        assert.equal(sampleSync(logits, { ...given, backend })[0], wanted, JSON.stringify(given));
      }
    }
  });
});
