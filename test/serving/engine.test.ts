import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { HeedError } from '../../lib/errors.js';
import { Engine, type EngineOptions, type Generation, type ServedModel } from '../../lib/serving.js';
import { Random } from '../support/random.js';
import { rejectsHeed, throwsHeed } from '../support/rejects.js';
import { FakeModel, type FakeOptions, turn } from './fake-model.js';

describe('Engine', () => {
  const random = new Random('Engine');
  const drawTokens = (length: number) => Array.from({ length }, () => random.integer(0, 38));
  /** No prompt has it unless it is put there. */
  const poison = 39;

  function serve(options: EngineOptions, modelOptions?: FakeOptions) {
    const model = new FakeModel(modelOptions);
    return { model, engine: new Engine(model, options) };
  }

  /** The tokens of a text that goes through a model without an engine, in pieces of 64. */
  async function greedy(prompt: readonly number[], count: number, modelOptions?: FakeOptions) {
    const session = new FakeModel(modelOptions).open(1000);
    const sequence = session.sequence();
    const tokens: number[] = [];
    let logits: Float32Array = new Float32Array();
    const step = async (piece: readonly number[]) => {
      logits = (await session.step([{ sequence, tokens: piece }])).data as Float32Array;
    };
    for (let i = 0; i < prompt.length; i += 64) await step(prompt.slice(i, i + 64));
    while (tokens.length < count) {
      tokens.push(logits.indexOf(Math.max(...logits)));
      await step(tokens.slice(-1));
    }
    return tokens;
  }

  async function expectEmpty(engine: Engine) {
    await engine.drain();
    assert.equal(engine.stats.used, engine.stats.idle);
    await engine.dispose();
    assert.equal(engine.stats.used, 0);
  }

  it('generates what the model says, with pieces of prompts and single tokens', async () => {
    for (const length of [1, 63, 64, 65, 200]) {
      const { engine } = serve({ pages: 100 });
      const prompt = drawTokens(length);
      const generation = engine.generate(prompt, { maxTokens: 30 });
      assert.deepEqual(await generation.tokens(), await greedy(prompt, 30));
      const expected = { prompt: length, completion: 30, cached: 0, reason: 'length' };
      assert.deepEqual(await generation.usage, expected);
      await expectEmpty(engine);
    }
  });

  it('ends behind tokens of endOfText and lists of stop, which are given', async () => {
    const prompt = drawTokens(20);
    const all = await greedy(prompt, 40);
    const [first, second] = [all[10], all[11]];
    const place = all.findIndex((token, i) => i > 0 && all[i - 1] === first && token === second);
    const { engine } = serve({ pages: 10 });
    const stopped = engine.generate(prompt, { maxTokens: 40, stop: [[first, second]] });
    assert.deepEqual(await stopped.tokens(), all.slice(0, place + 1));
    assert.equal((await stopped.usage).reason, 'stop');
    const ending = serve({ pages: 10 }, { endOfText: [first] }).engine;
    const ended = ending.generate(prompt, { maxTokens: 40 });
    assert.deepEqual(await ended.tokens(), all.slice(0, all.indexOf(first) + 1));
    assert.equal((await ended.usage).reason, 'stop');
    // A stop is looked for in what was generated alone.
    const [next] = await greedy([...prompt, first], 1);
    const behindPrompt = engine.generate([...prompt, first], { maxTokens: 1, stop: [[first, next]] });
    assert.deepEqual(await behindPrompt.tokens(), [next]);
    assert.equal((await behindPrompt.usage).reason, 'length');
  });

  it('draws by the seed, and by another for each call without one', async () => {
    const { engine } = serve({ pages: 100 });
    const prompt = drawTokens(5);
    const draw = (seed?: number) =>
      engine
        .generate(prompt, { maxTokens: 60, temperature: 1, ...(seed !== undefined && { seed }) })
        .tokens();
    const [a, b, c, d, e] = await Promise.all([draw(1), draw(1), draw(2), draw(), draw()]);
    assert.deepEqual(a, b);
    assert.notDeepEqual(a, c);
    assert.notDeepEqual(d, e);
  });

  it('draws each token by a seed of its own', async () => {
    const { engine } = serve({ pages: 100 }, { onLogits: (row) => row.fill(0) });
    const draw = (seed: number) => engine.generate([1], { maxTokens: 100, temperature: 1, seed }).tokens();
    const [a, b] = [await draw(1), await draw(2)];
    assert.ok(new Set(a).size > 20, a.join());
    // By chance 1 in 40 is the same.
    const same = a.filter((token, i) => token === b[i]).length;
    assert.ok(same < 25, `${same} of 100 are the same`);
  });

  it('refuses at once what can never be', async () => {
    const { engine, model } = serve({ pages: 10 }, { longest: 100 });
    const short = serve({ pages: 2 }).engine;
    const options = { maxTokens: 5 };
    throwsHeed(() => engine.generate(drawTokens(100), options), 'HEED_CACHE_FULL', '100 steps of the model');
    throwsHeed(
      () => short.generate(drawTokens(32), options),
      'HEED_POOL_FULL',
      "32 steps of the engine's pages",
    );
    const bad: [unknown, unknown, string][] = [
      [[], options, 'prompt'],
      [[40], options, 'prompt[0]'],
      [[1.5], options, 'prompt[0]'],
      ['text', options, 'prompt'],
      [[1], undefined, 'options'],
      [[1], {}, 'options.maxTokens'],
      [[1], { maxTokens: 0 }, 'options.maxTokens'],
      [[1], { maxTokens: 1, temperature: -1 }, 'options.temperature'],
      [[1], { maxTokens: 1, temperature: [1] }, 'options.temperature'],
      [[1], { maxTokens: 1, topK: 0 }, 'options.topK'],
      [[1], { maxTokens: 1, topP: 2 }, 'options.topP'],
      [[1], { maxTokens: 1, minP: -1 }, 'options.minP'],
      [[1], { maxTokens: 1, seed: -1 }, 'options.seed'],
      [[1], { maxTokens: 1, stop: [[]] }, 'options.stop[0]'],
      [[1], { maxTokens: 1, stop: [[40]] }, 'options.stop[0][0]'],
      [[1], { maxTokens: 1, deadline: -1 }, 'options.deadline'],
      [[1], { maxTokens: 1, signal: {} }, 'options.signal'],
    ];
    for (const [prompt, given, name] of bad) {
      const call = () => engine.generate(prompt as number[], given as { maxTokens: number });
      throwsHeed(call, 'HEED_INVALID_ARGUMENT', name);
    }
    const misspelt = () => engine.generate([1], { maxTokens: 1, topk: 1 } as { maxTokens: number });
    throwsHeed(misspelt, 'HEED_UNKNOWN_OPTION', "'topK'");
    const { admitted, refused } = engine.stats;
    assert.deepEqual([admitted, refused, model.sizes.length], [0, 0, 0]);
    // What ends with the model's longest sequence, or with the pages.
    assert.equal((await engine.generate(drawTokens(99), { maxTokens: 9 }).tokens()).length, 1);
    assert.equal((await short.generate(drawTokens(20), { maxTokens: 99 }).tokens()).length, 12);
  });

  it('refuses engines that cannot work', () => {
    const make = (options: unknown, model: unknown = new FakeModel()) =>
      new Engine(model as ServedModel, options as EngineOptions);
    throwsHeed(() => make({}), 'HEED_INVALID_ARGUMENT', 'options.pages');
    throwsHeed(() => make(undefined), 'HEED_INVALID_ARGUMENT', 'options');
    throwsHeed(() => make({ pages: 1, sequences: 0 }), 'HEED_INVALID_ARGUMENT', 'options.sequences');
    throwsHeed(
      () => make({ pages: 1, waiting: { requests: -1 } }),
      'HEED_INVALID_ARGUMENT',
      'waiting.requests',
    );
    throwsHeed(() => make({ pages: 1, waiting: { token: 1 } }), 'HEED_UNKNOWN_OPTION', "'tokens'");
    throwsHeed(() => make({ pages: 1, prefixes: 1 }), 'HEED_INVALID_ARGUMENT', 'options.prefixes');
    throwsHeed(() => make({ pages: 1 }, null), 'HEED_INVALID_ARGUMENT', 'model');
    throwsHeed(() => make({ pages: 1 }, { vocabulary: 4 }), 'HEED_INVALID_ARGUMENT', 'model.open');
    const model = new FakeModel();
    const small = { pages: 1, sequences: 10, tokensPerStep: 73 };
    throwsHeed(
      () => make(small, model),
      'HEED_INVALID_ARGUMENT',
      'options.tokensPerStep to be an integer from 74',
    );
    assert.ok(model.sessions[0].disposed);
  });

  it('takes as many requests and tokens as may wait, counted at once', async () => {
    const { engine } = serve({ pages: 100, sequences: 2, waiting: { requests: 2, tokens: 50 } });
    const ask = (length: number) => engine.generate(drawTokens(length), { maxTokens: 3 });
    const [a, b] = [ask(90), ask(90)];
    const c = ask(50);
    assert.deepEqual([engine.stats.running, engine.stats.waiting, engine.stats.waitingTokens], [2, 1, 50]);
    throwsHeed(() => ask(1), 'HEED_OVERLOADED', 'at most 50 tokens');
    await a.tokens();
    await b.tokens();
    assert.equal(engine.stats.waiting, 0);
    const more = [ask(90), ask(20), ask(20)];
    throwsHeed(() => ask(1), 'HEED_OVERLOADED', 'fewer than 4 requests');
    for (const each of [c, ...more]) assert.equal((await each.tokens()).length, 3);
    assert.equal((await ask(1).tokens()).length, 3);
    const { admitted, refused } = engine.stats;
    assert.deepEqual([admitted, refused], [7, 2]);
    await expectEmpty(engine);
  });

  it('continues those who have read their prompts first, and then reads prompts in order', async () => {
    const { engine, model } = serve({ pages: 100, sequences: 3, tokensPerStep: 140, prefixes: false });
    const first = engine.generate(drawTokens(10), { maxTokens: 60 });
    const iterator = first[Symbol.asyncIterator]();
    await iterator.next();
    const from = model.sizes.length;
    const others = [drawTokens(200), drawTokens(150)].map((prompt) =>
      engine.generate(prompt, { maxTokens: 1 }),
    );
    await Promise.all(others.map((each) => each.tokens()));
    const sizes = model.sizes.slice(from).filter((each) => each.length > 1);
    assert.deepEqual(sizes, [
      [1, 64, 64],
      [1, 64, 64],
      [1, 64, 22],
      [1, 8],
    ]);
  });

  it('begins nobody before an older one, and starves nobody', async () => {
    const { engine } = serve({ pages: 20, sequences: 8, prefixes: false });
    const order: string[] = [];
    const ask = (name: string, length: number, maxTokens: number) => {
      const generation = engine.generate(drawTokens(length), { maxTokens });
      return generation.tokens().then(() => order.push(name));
    };
    const all = [ask('first', 100, 40), ask('large', 280, 5)];
    // Small ones keep coming, which would fit beside the first.
    for (let i = 0; i < 30; i++) {
      all.push(ask(`small ${i}`, 20, 1));
      await turn();
    }
    await Promise.all(all);
    assert.equal(order[0], 'first');
    // Those that came after it and end earlier have few tokens; the last of them have not begun yet.
    assert.ok(order.indexOf('large') < 20, order.join(', '));
    await expectEmpty(engine);
  });

  it('computes again what the pages do not suffice for, and repeats nothing', async () => {
    const { engine, model } = serve({ pages: 12, prefixes: false });
    const prompts = Array.from({ length: 4 }, () => drawTokens(30));
    const generations = prompts.map((prompt) => engine.generate(prompt, { maxTokens: 62 }));
    const given = await Promise.all(generations.map((each) => each.tokens()));
    for (const [i, prompt] of prompts.entries()) assert.deepEqual(given[i], await greedy(prompt, 62));
    assert.ok(engine.stats.preempted > 0);
    assert.ok(model.sessions[0].most <= 12);
    assert.equal(engine.stats.tokens, 4 * 62);
    await expectEmpty(engine);
  });

  it('lets the oldest go on whoever else there is', async () => {
    // Each grows into almost all pages.
    const { engine } = serve({ pages: 12, prefixes: false });
    const order: number[] = [];
    const all = [0, 1, 2, 3].map(async (i) => {
      await engine.generate(drawTokens(30), { maxTokens: 150 }).tokens();
      order.push(i);
    });
    await Promise.all(all);
    assert.deepEqual(order, [0, 1, 2, 3]);
    assert.ok(engine.stats.preempted < 12, `${engine.stats.preempted} were preempted`);
    await expectEmpty(engine);
  });

  it('takes from others’ prompts what begins alike, in whole pages', async () => {
    const { engine, model } = serve({ pages: 100 });
    const beginning = drawTokens(192);
    const ask = (prompt: readonly number[]) => engine.generate(prompt, { maxTokens: 4 });
    const expectLike = async (generation: Generation, prompt: readonly number[], cached: number) => {
      assert.deepEqual(await generation.tokens(), await greedy(prompt, 4));
      assert.equal((await generation.usage).cached, cached);
    };
    const prompt = [...beginning, ...drawTokens(5)];
    await expectLike(ask(prompt), prompt, 0);
    assert.equal(engine.stats.idle, 12);
    const { computed } = engine.stats;
    const prompts = Array.from({ length: 16 }, () => [...beginning, ...drawTokens(5)]);
    const all = prompts.map(ask);
    for (const [i, each] of all.entries()) await expectLike(each, prompts[i], 192);
    assert.equal(engine.stats.computed - computed, 16 * (5 + 3));
    assert.equal(engine.stats.prefixHits, 16);
    // The last token is always computed, as its logits are asked for.
    await expectLike(ask(beginning), beginning, 128);
    await expectLike(ask(beginning.slice(0, 100)), beginning.slice(0, 100), 64);
    await expectEmpty(engine);
    assert.ok(model.sessions[0].most < 50);
  });

  it('computes once what several prompts begin with that come together', async () => {
    const { engine } = serve({ pages: 100 });
    const beginning = drawTokens(192);
    const prompts = Array.from({ length: 8 }, () => [...beginning, ...drawTokens(5)]);
    const all = prompts.map((prompt) => engine.generate(prompt, { maxTokens: 2 }));
    for (const [i, each] of all.entries()) assert.deepEqual(await each.tokens(), await greedy(prompts[i], 2));
    assert.equal(engine.stats.computed, 192 + 8 * (5 + 1));
    // Those that are the same from end to end are computed side by side, and kept once.
    const [same, { used }] = [drawTokens(64), engine.stats];
    const iterators = [1, 2, 3].map(() => engine.generate(same, { maxTokens: 9 })[Symbol.asyncIterator]());
    for (const iterator of iterators) for (let i = 0; i < 2; i++) await iterator.next();
    assert.equal(engine.stats.used - used, 4 + 3);
    for (const iterator of iterators) await iterator.return?.();
    await expectEmpty(engine);
  });

  it('gives up the prefix that was not used for longest', async () => {
    const { engine } = serve({ pages: 15, sequences: 1 });
    const prompts = [drawTokens(70), drawTokens(70), drawTokens(70)];
    const cached = async (i: number) => {
      const generation = engine.generate(prompts[i], { maxTokens: 2 });
      await generation.tokens();
      return (await generation.usage).cached;
    };
    assert.deepEqual([await cached(0), await cached(1), await cached(0)], [0, 0, 64]);
    // Three prefixes of 4 pages, and one more: 15 pages hold 3 and a page.
    assert.deepEqual([await cached(2), await cached(0), await cached(1)], [0, 64, 64]);
    const large = engine.generate(drawTokens(90), { maxTokens: 2 });
    await large.tokens();
    assert.deepEqual([await cached(1), await cached(2)], [64, 0]);
    await expectEmpty(engine);
  });

  it('ends a request by its signal, while others go on', async () => {
    const { engine, model } = serve({ pages: 100, sequences: 2, prefixes: false });
    const reason = new Error('enough');
    const controller = new AbortController();
    const prompts = [drawTokens(100), drawTokens(10), drawTokens(10)];
    const [a, b] = prompts.slice(0, 2).map((prompt) => engine.generate(prompt, { maxTokens: 50 }));
    const waiting = engine.generate(prompts[2], { maxTokens: 50, signal: controller.signal });
    controller.abort(reason);
    assert.equal(engine.stats.waiting, 0);
    await assert.rejects(waiting.tokens(), reason);
    assert.deepEqual(await waiting.usage, { prompt: 10, completion: 0, cached: 0, reason: 'aborted' });
    assert.deepEqual(await b.tokens(), await greedy(prompts[1], 50));
    assert.deepEqual(await a.tokens(), await greedy(prompts[0], 50));

    const other = new AbortController();
    const running = engine.generate(prompts[0], { maxTokens: 50, signal: other.signal });
    const iterator = running[Symbol.asyncIterator]();
    await iterator.next();
    assert.ok(model.sessions[0].used > 0);
    other.abort(reason);
    await assert.rejects(iterator.next(), reason);
    for (let turns = 0; turns < 1000 && model.sessions[0].used > 0; turns++) await turn();
    assert.equal(model.sessions[0].used, 0);
    assert.deepEqual(await iterator.next(), { done: true, value: undefined });
    // What is unread then is dropped.
    const third = new AbortController();
    const unread = engine.generate(prompts[0], { maxTokens: 50, signal: third.signal });
    const { tokens: before } = engine.stats;
    while (engine.stats.tokens < before + 10) await turn();
    third.abort(reason);
    await assert.rejects(unread[Symbol.asyncIterator]().next(), reason);
    const late = engine.generate([1], { maxTokens: 1, signal: AbortSignal.abort(reason) });
    await assert.rejects(late.tokens(), reason);
    assert.equal(engine.stats.ended.aborted, 4);
    await expectEmpty(engine);
  });

  it('ends a request that nobody reads any more', async () => {
    const { engine } = serve({ pages: 100, prefixes: false });
    const generation = engine.generate(drawTokens(10), { maxTokens: 500 });
    for await (const token of generation) if (token >= 0) break;
    assert.equal((await generation.usage).reason, 'aborted');
    assert.equal(engine.stats.running, 0);
    await expectEmpty(engine);
  });

  it('ends a request at its deadline, with what it has', async () => {
    const { engine } = serve({ pages: 100, sequences: 1 }, { wait: () => sleep(4) });
    const prompt = drawTokens(10);
    const running = engine.generate(prompt, { maxTokens: 900, deadline: 100 });
    const waiting = engine.generate(prompt, { maxTokens: 900, deadline: 30 });
    assert.deepEqual(await waiting.tokens(), []);
    assert.equal(engine.stats.running, 1);
    const tokens = await running.tokens();
    assert.deepEqual(tokens, await greedy(prompt, tokens.length));
    const { reason, completion } = await running.usage;
    assert.deepEqual([reason, completion], ['deadline', tokens.length]);
    await expectEmpty(engine);
  });

  it('lets a reader who does not read pause alone', async () => {
    // Pages for one of them at a time: the others need those of the first as they grow, or to begin.
    for (const length of [100, 150]) {
      const { engine } = serve({ pages: 13, sequences: 1, prefixes: false });
      const prompts = [drawTokens(20), drawTokens(length)];
      const options = { maxTokens: 190 - length };
      const unread = engine.generate(prompts[0], { maxTokens: 120 });
      const expected = [await greedy(prompts[0], 120), await greedy(prompts[1], options.maxTokens)];
      for (let i = 0; i < 3; i++) {
        assert.deepEqual(await engine.generate(prompts[1], options).tokens(), expected[1]);
      }
      assert.equal(engine.stats.running, 1);
      assert.equal(engine.stats.tokens, 3 * options.maxTokens + 64);
      assert.equal(engine.stats.preempted, 1);
      // The engine sleeps until somebody reads.
      for (let turns = 0; turns < 20; turns++) await turn();
      const { steps } = engine.stats;
      for (let turns = 0; turns < 20; turns++) await turn();
      assert.equal(engine.stats.steps, steps);
      assert.deepEqual(await unread.tokens(), expected[0]);
      await expectEmpty(engine);
    }
  });

  it('continues no more than it may, also when those go on who had paused', async () => {
    const { engine, model } = serve({ pages: 100, sequences: 1 });
    const prompts = [drawTokens(20), drawTokens(20), drawTokens(20)];
    const all = prompts.map((prompt) => engine.generate(prompt, { maxTokens: 150 }));
    while (engine.stats.tokens < 3 * 64) await turn();
    assert.equal(engine.stats.running, 3);
    const given = await Promise.all(all.map((each) => each.tokens()));
    for (const [i, prompt] of prompts.entries()) assert.deepEqual(given[i], await greedy(prompt, 150));
    assert.ok(model.sizes.every(({ length }) => length === 1));
    await expectEmpty(engine);
  });

  it('fails those alone whose step fails', async () => {
    const failure = new Error('no such token');
    const onLogits = (row: Float32Array, history: readonly number[]) => {
      row[poison] = 0;
      if (history[0] === 38) row.fill(Number.NaN);
    };
    const onStep: FakeOptions['onStep'] = (parts) => {
      if (parts.some(({ tokens }) => tokens.includes(poison))) throw failure;
    };
    const { engine } = serve({ pages: 100 }, { onStep, onLogits });
    const drawGood = (length: number) => drawTokens(length).map((token) => token % 38);
    const good = Array.from({ length: 20 }, (_, i) => drawGood(10 * i + 1));
    const options = { maxTokens: 20 };
    const generations = good.map((prompt) => engine.generate(prompt, options));
    const bad = [0, 70, 150].map((length) => engine.generate([...drawGood(length), poison], options));
    const notANumber = engine.generate([38, 1], options);
    for (const each of bad) {
      await assert.rejects(each.tokens(), failure);
      await assert.rejects(each.usage, failure);
    }
    await rejectsHeed(() => notANumber.tokens(), 'HEED_INVALID_ARGUMENT', "model's logits");
    for (const [i, each] of generations.entries()) {
      assert.deepEqual(await each.tokens(), await greedy(good[i], 20, { onLogits }));
    }
    assert.deepEqual([engine.stats.ended.length, engine.stats.ended.failed], [20, 4]);
    await expectEmpty(engine);
  });

  it('fails all when the model fails, and serves the next', async () => {
    let isBroken = true;
    const failure = new Error('broken');
    const { engine } = serve(
      { pages: 100 },
      {
        onStep: () => {
          if (isBroken) throw failure;
        },
      },
    );
    const all = [5, 70, 100].map((length) => engine.generate(drawTokens(length), { maxTokens: 3 }));
    for (const each of all) await assert.rejects(each.tokens(), failure);
    assert.deepEqual([engine.stats.running, engine.stats.ended.failed, engine.stats.used], [0, 3, 0]);
    isBroken = false;
    assert.equal((await engine.generate(drawTokens(5), { maxTokens: 3 }).tokens()).length, 3);
    await expectEmpty(engine);
  });

  it('computes later what a pool refuses though there seemed to be room, and fails what has all pages', async () => {
    let refusals = 3;
    const full = () => new HeedError('HEED_POOL_FULL', 'Expected room');
    const { engine } = serve(
      { pages: 100 },
      {
        onStep: (parts) => {
          if (parts.some(({ history }) => history.length === 75) && refusals-- > 0) throw full();
        },
      },
    );
    const prompts = [drawTokens(70), drawTokens(20)];
    const all = prompts.map((prompt) => engine.generate(prompt, { maxTokens: 60 }));
    for (const [i, each] of all.entries())
      assert.deepEqual(await each.tokens(), await greedy(prompts[i], 60));
    await expectEmpty(engine);
    const always = serve(
      { pages: 100 },
      {
        onStep: () => {
          throw full();
        },
      },
    ).engine;
    const refused = always.generate(drawTokens(70), { maxTokens: 1 });
    await rejectsHeed(() => refused.tokens(), 'HEED_POOL_FULL', 'Expected room');
    await expectEmpty(always);
  });

  it('survives a model whose session ends, or whose logits have another shape', async () => {
    const { engine, model } = serve({ pages: 100 });
    const generation = engine.generate(drawTokens(70), { maxTokens: 50 });
    await generation[Symbol.asyncIterator]().next();
    model.sessions[0][Symbol.dispose]();
    await assert.rejects(generation.tokens(), /the session is live/);
    await assert.rejects(engine.generate([1], { maxTokens: 1 }).tokens(), /the session is live/);
    assert.equal(engine.stats.running, 0);
    const wide = new FakeModel({ vocabulary: 41 });
    const narrow = { vocabulary: 40, longest: 100, endOfText: [], open: (pages: number) => wide.open(pages) };
    const other = new Engine(narrow, { pages: 10 });
    await rejectsHeed(() => other.generate([1], { maxTokens: 1 }).tokens(), 'HEED_SHAPE_MISMATCH', '[1, 41]');
    await expectEmpty(other);
  });

  it('drains: ends what was taken, and takes nothing more', async () => {
    const { engine } = serve({ pages: 100, sequences: 1 });
    const all = [10, 20].map((length) => engine.generate(drawTokens(length), { maxTokens: 30 }));
    const drained = engine.drain();
    throwsHeed(() => engine.generate([1], { maxTokens: 1 }), 'HEED_DISPOSED', 'no more requests');
    await drained;
    assert.equal(engine.stats.ended.length, 2);
    for (const each of all) assert.equal((await each.tokens()).length, 30);
    await engine.drain();
    await engine.dispose();
    await engine.dispose();
  });

  it('is disposed of in the middle of everything', async () => {
    const model = new FakeModel();
    let generations: Generation[];
    {
      await using engine = new Engine(model, { pages: 100, sequences: 2 });
      generations = [100, 10, 10].map((length) => engine.generate(drawTokens(length), { maxTokens: 300 }));
      await generations[1][Symbol.asyncIterator]().next();
    }
    assert.equal(model.sessions[0].used, 0);
    assert.ok(model.sessions[0].disposed);
    for (const each of generations) {
      assert.equal((await each.usage).reason, 'aborted');
      await rejectsHeed(() => each.tokens(), 'HEED_DISPOSED', 'disposed');
    }
  });

  it('leaves the event loop to others, though the model never waits', async () => {
    const { engine } = serve({ pages: 1000, sequences: 32 }, { wait: () => Promise.resolve() });
    const all = Promise.all(
      Array.from({ length: 32 }, () => engine.generate(drawTokens(50), { maxTokens: 200 }).tokens()),
    );
    let isDone = false;
    let turns = 0;
    const counted = (async () => {
      while (!isDone) {
        await turn();
        turns++;
      }
    })();
    await all;
    isDone = true;
    await counted;
    // A step for each token, and a turn for each step.
    assert.ok(turns >= 200, `${turns} turns in ${engine.stats.steps} steps`);
    await expectEmpty(engine);
  });
});
