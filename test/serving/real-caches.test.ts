/** The engine over heed's own attention, caches, forks and pages: the same tokens in any company, and all pages come back. */
import assert from 'node:assert/strict';
import { Engine, type EngineOptions } from '../../lib/serving.js';
import { Random } from '../support/random.js';
import { AttentionModel } from './attention-model.js';

describe('heed/serving over pools of pages', function () {
  this.timeout(120_000);
  const random = new Random('real caches');
  let model: AttentionModel;
  before(() => {
    model = new AttentionModel(random);
  });
  after(() => model[Symbol.dispose]());

  const drawTokens = (length: number) =>
    Array.from({ length }, () => random.integer(4, model.vocabulary - 1));

  interface Case {
    readonly prompt: readonly number[];
    readonly options: { maxTokens: number; temperature: number; seed: number };
  }

  function drawCases(count: number): Case[] {
    const beginning = drawTokens(200);
    return Array.from({ length: count }, () => {
      const common = random.pick([0, 64, 130, 200]);
      return {
        prompt: [...beginning.slice(0, common), ...drawTokens(random.integer(1, 80))],
        options: {
          maxTokens: random.integer(1, 60),
          temperature: random.pick([0, 0.8, 1.2]),
          seed: random.integer(0, 2 ** 40),
        },
      };
    });
  }

  async function serve(options: EngineOptions, cases: readonly Case[]) {
    const engine = new Engine(model, options);
    const all = cases.map(({ prompt, options: each }) => engine.generate(prompt, each).tokens());
    const tokens = await Promise.all(all);
    const { stats } = engine;
    assert.equal(stats.used, stats.idle);
    await engine.dispose();
    assert.equal(engine.stats.used, 0);
    return { tokens, stats };
  }

  async function alone(each: Case) {
    const { tokens } = await serve({ pages: 100, prefixes: false }, [each]);
    return tokens[0];
  }

  it('gives each request the tokens that it gets alone: among 64 others, preempted, with prefixes', async () => {
    const cases = drawCases(64);
    const expected: number[][] = [];
    for (const each of cases) expected.push(await alone(each));
    assert.ok(new Set(expected.flat()).size > 10, 'texts that could differ');
    const together = await serve({ pages: 2000, prefixes: false }, cases);
    assert.deepEqual(together.tokens, expected);
    assert.ok(together.stats.preempted === 0 && together.stats.prefixHits === 0);
    const sharing = await serve({ pages: 2000 }, cases);
    assert.deepEqual(sharing.tokens, expected);
    assert.ok(sharing.stats.prefixHits > 20);
    assert.ok(sharing.stats.computed < together.stats.computed);
    const crowded = await serve({ pages: 40, sequences: 12, tokensPerStep: 100 }, cases);
    assert.deepEqual(crowded.tokens, expected);
    assert.ok(crowded.stats.preempted > 0, 'somebody was preempted');
  });

  it('gives pages back at once when requests are cancelled, and disturbs nobody', async () => {
    const cases = drawCases(24);
    const engine = new Engine(model, { pages: 120, sequences: 12 });
    const controllers = cases.map(() => new AbortController());
    const all = cases.map(({ prompt, options }, i) =>
      engine.generate(prompt, { ...options, signal: controllers[i].signal }).tokens(),
    );
    const settled = Promise.allSettled(all);
    for (const [i, controller] of controllers.entries()) {
      if (i % 2 === 0) continue;
      for (let turns = random.integer(0, 6); turns > 0; turns--) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      controller.abort();
    }
    const outcomes = await settled;
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled')
        assert.deepEqual(outcome.value, await alone(cases[i]), `request ${i}`);
      else assert.equal(i % 2, 1, `request ${i} was not cancelled: ${outcome.reason}`);
    }
    await engine.drain();
    assert.equal(engine.stats.used, engine.stats.idle);
    assert.ok(engine.stats.ended.aborted > 0);
    await engine.dispose();
    assert.equal(engine.stats.used, 0);
  });
});
