import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { missing } from '../../lib/models/optional-package.js';
import { DecoderModel, EncoderModel, loadModel } from '../../lib/models.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { expectClose, relativeError } from '../support/compare.js';
import { Random } from '../support/random.js';
import { rejectsHeed } from '../support/rejects.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { writeTokenizer } from './byte-tokenizer.js';
import { runPlain } from './plain-model.js';
import { decoders, encoders, type RandomModel, randomTokens, writeModel } from './random-models.js';

describe('loadModel', () => {
  const pathOf = temporaryDirectory();
  const random = new Random('loadModel');
  const llama = decoders.llama(random);
  const bert = encoders.bert(random);
  let count = 0;

  const write = (model: Pick<RandomModel, 'config' | 'tensors'>, files?: number) =>
    writeModel(pathOf(`model-${count++}`), model, files);

  it('says what a model is', async () => {
    const { config } = llama;
    using model = await loadModel(pathToFileURL(await write(llama)));
    assert.ok(model instanceof DecoderModel);
    const { vocab_size: vocabulary, hidden_size: width, num_hidden_layers: layers } = config;
    const longest = config.max_position_embeddings;
    assert.deepEqual(model.config, { modelType: 'llama', layers, width, vocabulary, longest });
    assert.deepEqual([model.vocabulary, model.longest, model.endOfText], [vocabulary, longest, []]);
    assert.equal(inspect(model), `DecoderModel llama, ${layers} layers of ${width}, ${vocabulary} tokens`);
    using other = await loadModel(await write(bert));
    assert.ok(other instanceof EncoderModel);
    assert.match(inspect(other), /^EncoderModel bert, \d+ layers of \d+, \d+ tokens$/);
  });

  it('tells how far it is', async () => {
    const shares: number[] = [];
    using model = await loadModel(await write(llama), { onProgress: (share) => shares.push(share) });
    assert.equal(model.disposed, false);
    const layers = llama.plain.blocks.length;
    assert.deepEqual(
      shares,
      Array.from({ length: layers }, (_, i) => (i + 1) / layers),
    );
  });

  it('can be aborted', async () => {
    const folder = await write(llama);
    const reason = new Error('enough');
    await assert.rejects(loadModel(folder, { signal: AbortSignal.abort(reason) }), reason);
    const controller = new AbortController();
    const loading = loadModel(folder, {
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await assert.rejects(loading, reason);
  });

  // What rounding to each type costs a model of a few random layers, and what is none of that.
  for (const [weights, least, most] of [
    ['float32', 0, 2e-5],
    ['float16', 1e-5, 2e-2],
    ['bfloat16', 1e-4, 0.15],
    ['int8', 1e-4, 0.15],
    ['int4', 1e-3, 0.9],
  ] as const) {
    it(`rounds weights to ${weights}`, async () => {
      const tokens = randomTokens(random, llama.vocabulary, 20);
      const { logits = [] } = runPlain(llama.plain, tokens);
      using model = (await loadModel(await write(llama), { weights })) as DecoderModel;
      const received = await model.logits(tokens);
      assert.equal(received.type, 'float32');
      const error = relativeError(
        received,
        logits.flatMap((row) => [...row]),
      );
      assert.ok(error >= least && error <= most, `${error}`);
    });
  }

  it('takes the type that the tokens are stored in, by default', async () => {
    const rounded = Object.fromEntries(
      Object.entries(bert.tensors).map(([name, tensor]) => [name, tensor.cast('float16')]),
    );
    using model = (await loadModel(await write({ ...bert, tensors: rounded }))) as EncoderModel;
    const { output } = await model.hidden(randomTokens(random, bert.vocabulary, 9));
    assert.equal(output.type, 'float16');
  });

  it('keeps earlier steps in the type of the option cache', async () => {
    const tokens = randomTokens(random, llama.vocabulary, 9).concat(0, 1);
    using model = (await loadModel(await write(llama), { cache: 'int8' })) as DecoderModel;
    using session = model.open(4);
    const sequence = session.sequence();
    await session.step([{ sequence, tokens: tokens.slice(0, -1) }]);
    const last = await session.step([{ sequence, tokens: tokens.slice(-1) }]);
    const expected = [...(runPlain(llama.plain, tokens).logits?.at(-1) ?? [])];
    const error = relativeError(last, expected);
    assert.ok(error > 1e-5 && error < 0.3, `${error}`);
  });

  describe('refuses by name', () => {
    const refusals: [string, RandomModel, object, RegExp][] = [
      [
        'a family that it does not know',
        llama,
        { model_type: 'mamba' },
        /model_type.*llama, .*received 'mamba'/,
      ],
      [
        'an activation that it does not know',
        llama,
        { hidden_act: 'quick_gelu' },
        /hidden_act .*'quick_gelu'/,
      ],
      ['a switch that it does not know', llama, { residual_multiplier: 0.5 }, /residual_multiplier/],
      ['experts', llama, { num_local_experts: 8 }, /num_local_experts/],
      ['quantised weights of others', llama, { quantization_config: { bits: 4 } }, /quantization_config/],
      ['a switch of attention that it does not know', llama, { clip_qkv: 8 }, /clip_qkv/],
      ['a scaling of positions that it does not know', llama, { rope_scaling: { type: 'xpos' } }, /xpos/],
      ['an encoder made a decoder', bert, { is_decoder: true }, /is_decoder/],
      ['inner groups', encoders.albert(random), { inner_group_num: 2 }, /inner_group_num/],
    ];
    for (const [what, model, fields, message] of refusals) {
      it(what, async () => {
        const folder = await write({ ...model, config: { ...model.config, ...fields } });
        await rejectsHeed(() => loadModel(folder), 'HEED_INVALID_ARGUMENT', message);
      });
    }

    it('tensors that no part of the model is', async () => {
      const more = { 'model.layers.0.mlp.router.weight': Tensor.zeros('float32', [2, 2]) };
      const folder = await write({ ...llama, tensors: { ...llama.tensors, ...more } });
      await rejectsHeed(() => loadModel(folder), 'HEED_UNKNOWN_TENSOR', 'model.layers.0.mlp.router.weight');
    });

    it('more layers in the file than config.json says', async () => {
      const folder = await write({ ...llama, config: { ...llama.config, num_hidden_layers: 1 } });
      await rejectsHeed(() => loadModel(folder), 'HEED_UNKNOWN_TENSOR', 'model.layers.1.');
    });

    it('a tensor that is missing', async () => {
      for (const missing of [
        'model.norm.weight',
        'model.layers.1.mlp.down_proj.weight',
        'model.embed_tokens.weight',
      ]) {
        const { [missing]: _, ...rest } = llama.tensors;
        await rejectsHeed(
          async () => loadModel(await write({ ...llama, tensors: rest })),
          'HEED_UNKNOWN_TENSOR',
          missing,
        );
      }
    });

    it('sizes that are not those of the tensors', async () => {
      for (const field of ['hidden_size', 'vocab_size', 'intermediate_size']) {
        const config = {
          ...llama.config,
          head_dim: llama.plain.blocks[0].attention.query.weight.length,
          [field]: 9999,
        };
        await rejectsHeed(
          async () => loadModel(await write({ ...llama, config })),
          'HEED_SHAPE_MISMATCH',
          '9999',
        );
      }
    });
  });

  it('refuses folders that are no models', async () => {
    await rejectsHeed(() => loadModel(pathOf('nowhere')), 'HEED_FILE_ERROR', 'config.json');
    const folder = await write(llama);
    await writeFile(join(folder, 'config.json'), '<html>');
    await rejectsHeed(() => loadModel(folder), 'HEED_MALFORMED_FILE', 'config.json');
    const bare = pathOf('bare');
    await mkdir(bare);
    await writeFile(join(bare, 'config.json'), JSON.stringify(llama.config));
    await rejectsHeed(() => loadModel(bare), 'HEED_FILE_ERROR', 'model.safetensors');
    const broken = await write(llama, 2);
    await rm(join(broken, 'model-2-of-2.safetensors'));
    await rejectsHeed(() => loadModel(broken), 'HEED_FILE_ERROR', 'model-2-of-2.safetensors');
    const strange = await write(llama);
    await writeTokenizer(strange);
    await writeFile(join(strange, 'tokenizer.json'), '{"learnt": []}');
    await rejectsHeed(() => loadModel(strange), 'HEED_MALFORMED_FILE', 'tokenizer.json');
  });

  it('refuses bad options before it reads anything', async () => {
    const load = (options: object) => () => loadModel(pathOf('nowhere'), options);
    await rejectsHeed(load({ weights: 'int2' }), 'HEED_INVALID_ARGUMENT', 'options.weights');
    await rejectsHeed(load({ cache: 'int4' }), 'HEED_INVALID_ARGUMENT', 'options.cache');
    await rejectsHeed(load({ onProgress: 1 }), 'HEED_INVALID_ARGUMENT', 'options.onProgress');
    await rejectsHeed(load({ wights: 'int8' }), 'HEED_UNKNOWN_OPTION', "did you mean 'weights'");
    await rejectsHeed(() => loadModel(1 as unknown as string), 'HEED_INVALID_ARGUMENT', 'folder');
  });

  it('names the package that is missing', async () => {
    const load = () => Promise.reject(new Error('Cannot find package')).catch(missing('@huggingface/x', 'y'));
    const message = 'the package @huggingface/x to be installed, with which y: npm install @huggingface/x';
    await rejectsHeed(load, 'HEED_MISSING_PACKAGE', message);
  });

  it('gives import what it gives require', async () => {
    const esm: Record<string, unknown> = await import('../../lib/models.mjs');
    assert.equal(esm.loadModel, loadModel);
    assert.equal(esm.DecoderModel, DecoderModel);
  });

  it('has the numbers of its definition from files of another order, too', async () => {
    const names = Object.keys(llama.tensors).reverse();
    const tensors = Object.fromEntries(names.map((name) => [name, llama.tensors[name]]));
    using model = (await loadModel(await write({ ...llama, tensors }, 3))) as DecoderModel;
    const tokens = randomTokens(random, llama.vocabulary, 9);
    const { logits = [] } = runPlain(llama.plain, tokens);
    expectClose(
      await model.logits(tokens),
      logits.flatMap((row) => [...row]),
      2e-5,
    );
  });
});
