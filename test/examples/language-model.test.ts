import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { batches, notCounted } from '../../examples/language-model/batches.js';
import { echoes } from '../../examples/language-model/echoes.js';
import { firstValues } from '../../examples/language-model/initialize.js';
import { learnTokens } from '../../examples/language-model/learn-tokens.js';
import { lessonBatches } from '../../examples/language-model/lesson-batches.js';
import { lossOf } from '../../examples/language-model/loss.js';
import { onnxGraph } from '../../examples/language-model/onnx-graph.js';
import { configuration, heldOutSeed, stepsOf, training } from '../../examples/language-model/settings.js';
import { stories } from '../../examples/language-model/stories.js';
import { learnVocabulary } from '../../examples/language-model/train.js';
import { drawLoss } from '../../examples/language-model/write-model.js';
import { LanguageModel } from '../../lib/demo/language-model/language-model.js';
import { byteTokens, endOfText, Tokenizer } from '../../lib/demo/language-model/tokenizer.js';
import { packageRoot } from '../../lib/package-root.js';
import type { QuantisedType } from '../../lib/problem/quantised-weight.js';
import { Random } from '../support/random.js';

const folder = join(packageRoot, 'examples/language-model');
const readJson = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));

describe('examples/language-model', function () {
  this.timeout(60_000);
  const random = new Random('language model example');
  const seed = () => `test ${random.integer(0, 1e9)}`;

  it('tells the same stories for the same seed, and other names in every story', () => {
    const same = seed();
    const [first, second, other] = [stories(same), stories(same), stories(seed())];
    const heroes = new Set<string>();
    for (let i = 0; i < 50; i++) {
      const story = first.next().value;
      assert.equal(second.next().value, story);
      assert.notEqual(other.next().value, story);
      assert.doesNotMatch(story, /[{}]|undefined/);
      const names = story.match(/[A-Z][a-z]+/g) ?? [];
      const timesOf = (name: string) => names.filter((other) => other === name).length;
      const hero = names.reduce((most, name) => (timesOf(name) > timesOf(most) ? name : most));
      heroes.add(hero);
      assert.ok(timesOf(hero) > 3, `${hero} should be named again and again in\n${story}`);
    }
    assert.ok(heroes.size > 40, `${heroes.size} different heroes in 50 stories`);
  });

  it('makes batches in which every token stands before the next', () => {
    const tokenizer = new Tokenizer(learnTokens(stories(seed()).next().value, 20));
    const { tokens, next } = batches(tokenizer, seed(), 3, 300).next().value;
    assert.equal(tokens.length, 900);
    for (let row = 0; row < 3; row++) {
      assert.equal(tokens[300 * row], endOfText);
      assert.deepEqual(
        next.subarray(300 * row, 300 * row + 299),
        tokens.subarray(300 * row + 1, 300 * row + 300),
      );
    }
  });

  it('makes echoes in which all that is counted can be foretold, and only by looking back', () => {
    const [vocabulary, steps] = [300, 90];
    const { tokens, next } = echoes(vocabulary, seed(), 20, steps, [3, 31]).next().value;
    const periods = new Set<number>();
    for (let row = 0; row < 20; row++) {
      const sequence = [...tokens.subarray(row * steps, (row + 1) * steps)];
      const wanted = next.subarray(row * steps, (row + 1) * steps);
      assert.equal(sequence[0], endOfText);
      assert.ok(sequence.slice(1).every((token) => token >= byteTokens && token < vocabulary));
      const period = wanted.findIndex((token) => token !== notCounted) - 1;
      assert.ok(period >= 3 && period <= 31, `${period}`);
      periods.add(period);
      for (let step = 0; step < steps; step++) {
        if (step <= period) assert.equal(wanted[step], notCounted);
        // The token that followed this one a period before.
        else assert.equal(wanted[step], sequence[step + 1 - period]);
        if (step > period && step + 1 < steps) assert.equal(wanted[step], sequence[step + 1]);
      }
    }
    assert.ok(periods.size > 5, `${[...periods]}`);
  });

  it('reads stories and echoes in a lesson, one below the other', () => {
    const tokenizer = new Tokenizer(learnTokens(stories(seed()).next().value, 20));
    const lesson = { ...training.lessons[1], stories: 2, echoes: 3, length: 150 };
    const name = seed();
    const { tokens, next } = lessonBatches(tokenizer, name, lesson).next().value;
    const told = batches(tokenizer, name, 2, 150).next().value;
    const echoed = echoes(tokenizer.size, name, 3, 150, lesson.periods).next().value;
    assert.deepEqual([...tokens], [...told.tokens, ...echoed.tokens]);
    assert.deepEqual([...next], [...told.next, ...echoed.next]);
  });

  it('begins with heads of the last layer that pass on what they read', () => {
    const values = firstValues(configuration, seed());
    const { hidden_size: width } = configuration;
    const [value, output] = ['v', 'o'].map((part) => values[`model.layers.1.self_attn.${part}_proj.weight`]);
    // The image of a direction under value and output is more similar to that direction than to any other.
    for (let row = 0; row < width; row += 17) {
      const passed = Array.from({ length: width }, (_, column) =>
        value
          .subarray(row * width, (row + 1) * width)
          .reduce((sum, v, i) => sum + v * output[i * width + column], 0),
      );
      assert.equal(passed.indexOf(Math.max(...passed)), row);
      assert.ok(passed[row] > 0.5 && passed[row] < 1.5, `${passed[row]}`);
    }
  });

  it('was trained as its settings say, and its loss fell', async () => {
    const { curve, ...kept } = readJson('training.json');
    assert.deepEqual(kept, JSON.parse(JSON.stringify(training)));
    assert.deepEqual(readJson('config.json'), configuration);
    assert.equal(curve.length, stepsOf(training) / training.stepsBetweenPoints);
    assert.equal(readFileSync(join(folder, 'loss.svg'), 'utf8'), await drawLoss({ ...training, curve }));
    assert.ok(curve[0].heldOut > 2 * curve[curve.length - 1].heldOut);
  });

  it('learns the tokens that it was trained with', () => {
    assert.deepEqual(readJson('tokenizer.json').learnt, learnVocabulary(training));
  });

  it('has the loss that its curve ends with, on stories that it has never seen', async () => {
    using model = await LanguageModel.load(folder);
    const heldOut = batches(model.tokenizer, seed(), 8, configuration.max_position_embeddings).next().value;
    const loss = await lossOf(
      (tokens) => model.forward(tokens),
      heldOut,
      configuration.max_position_embeddings,
    );
    const { curve } = readJson('training.json');
    const expected = curve[curve.length - 1].heldOut;
    assert.ok(Math.abs(loss - expected) < 0.25 * expected, `${loss} is not near ${expected}`);
  });

  it('loses little with rounded weights: 0.5 % with int8, and 3 % with int4', async () => {
    const steps = configuration.max_position_embeddings;
    const lossWith = async (weights?: QuantisedType) => {
      using model = await LanguageModel.load(folder, weights);
      // Always the same stories, so that chance has no say.
      const heldOut = batches(model.tokenizer, heldOutSeed, 8, steps).next().value;
      return await lossOf((tokens) => model.forward(tokens), heldOut, steps);
    };
    const exact = await lossWith();
    for (const [type, most] of [
      ['int8', 0.005],
      ['int4', 0.03],
    ] as const) {
      const more = (await lossWith(type)) / exact - 1;
      assert.ok(more !== 0 && more <= most, `${type}: ${100 * more} %`);
    }
  });

  it('writes all its weights into the ONNX graph', async () => {
    const { nodes, constants = [], inputs } = await onnxGraph(folder, configuration);
    const known = new Set([...constants, ...inputs].map(({ name }) => name));
    for (const { inputs: read, outputs } of nodes) {
      for (const name of read) assert.ok(known.has(name), `${name} comes from nowhere`);
      for (const name of outputs) known.add(name);
    }
    const used = new Set(nodes.flatMap((node) => node.inputs));
    for (const { name } of [...constants, ...inputs]) assert.ok(used.has(name), `${name} is not used`);
  });
});
