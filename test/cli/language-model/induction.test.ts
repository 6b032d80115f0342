import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstValues } from '../../../examples/language-model/initialize.js';
import { configuration } from '../../../examples/language-model/settings.js';
import { parameterShapes } from '../../../examples/language-model/transformer.js';
import { scoreHeads } from '../../../lib/cli/language-model/head-scores.js';
import { LanguageModel } from '../../../lib/cli/language-model/language-model.js';
import { byteTokens } from '../../../lib/cli/language-model/tokenizer.js';
import { packageRoot } from '../../../lib/package-root.js';
import { save } from '../../../lib/safetensors.js';
import type { TensorLike } from '../../../lib/tensor-type.js';
import { Random } from '../../support/random.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';
import { plainDecoder } from './plain-decoder.js';
import { plainScores } from './plain-scores.js';

/** The head that docs/guides/language-model.md points at, and the one below it; counted from 0. */
const induction = { layer: 1, head: 1 };
const previous = { layer: 0, head: 3 };

describe('the induction head of the language model', function () {
  this.timeout(60_000);
  const random = new Random('induction head');
  const drawToken = () => random.integer(byteTokens, configuration.vocab_size - 1);
  const file = temporaryDirectory();

  it('looks at what followed, in random tokens that no one has seen, however far back', async () => {
    const plain = await plainDecoder(join(packageRoot, 'examples/language-model'), configuration);
    for (const repeated of [random.integer(12, 30), random.integer(40, 70), random.integer(90, 110)]) {
      const scores = plainScores(plain, 2, repeated, drawToken);
      const { induction: score } = scores[induction.layer][induction.head];
      assert.ok(score > 0.6, `induction ${score} over ${repeated} tokens`);
      const { previous: below } = scores[previous.layer][previous.head];
      assert.ok(below > 0.8, `previous token ${below} over ${repeated} tokens`);
      // What it is for: the model foretells what the repetition says.
      assert.ok(rightShare(plain, repeated) > 0.75);
    }
  });

  function rightShare(plain: Awaited<ReturnType<typeof plainDecoder>>, repeated: number): number {
    const tokens = Array.from({ length: repeated }, drawToken);
    const { logits } = plain([...tokens, ...tokens]);
    const right = tokens.slice(1).filter((token, i) => {
      const scores = logits[repeated + i];
      return scores.indexOf(Math.max(...scores)) === token;
    });
    return right.length / (repeated - 1);
  }

  it('has the scores that the documents tell', async () => {
    using model = await LanguageModel.load();
    const guide = readFileSync(join(packageRoot, 'docs/guides/language-model.md'), 'utf8');
    const told = [
      ...guide.matchAll(/^Layer (\d), head (\d).* previous token ([\d.]+), induction ([\d.]+)$/gm),
    ];
    // As `heed attend --model` measures them.
    const measured = await scoreHeads(model, 'heed');
    assert.equal(told.length, measured.length);
    measured.forEach(({ layer, head, previous: before, induction: after }, i) => {
      const [at, number, previousTold, inductionTold] = told[i].slice(1).map(Number);
      assert.deepEqual([at, number], [layer + 1, head + 1]);
      assert.ok(Math.abs(previousTold - before) < 0.0051, `${previousTold} is told, ${before} measured`);
      assert.ok(Math.abs(inductionTold - after) < 0.0051, `${inductionTold} is told, ${after} measured`);
    });
    const best = measured.reduce((top, score) => (score.induction > top.induction ? score : top));
    assert.deepEqual([best.layer, best.head], [induction.layer, induction.head]);
  });

  it('has been learnt: the weights that training began with have no such head', async () => {
    const tensors: Record<string, TensorLike> = {};
    const shapes = parameterShapes(configuration);
    for (const [name, data] of Object.entries(firstValues(configuration, `test ${random.integer(0, 1e9)}`))) {
      const linear = name.endsWith('_proj.weight');
      const [rows, columns] = shapes[name];
      // Files have [out, in].
      tensors[name] = linear
        ? {
            type: 'float32',
            dims: [columns, rows],
            data: data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]),
          }
        : { type: 'float32', dims: shapes[name], data };
    }
    await save(file('model.safetensors'), tensors);
    const plain = await plainDecoder(file('.'), configuration);
    for (const scores of plainScores(plain, 2, 50, drawToken).flat()) {
      assert.ok(scores.induction < 0.15, `induction ${scores.induction}`);
      assert.ok(scores.previous < 0.15, `previous token ${scores.previous}`);
    }
  });
});
