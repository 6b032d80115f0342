import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { MultiHeadAttention } from '../../lib/multi-head-attention/multi-head-attention.js';
import { storedForms } from '../../lib/projection/weight-file.js';
import { open, save } from '../../lib/safetensors.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { expectClose } from '../support/compare.js';
import { Random } from '../support/random.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { runHeed } from './run-heed.js';

describe('heed quantize', function () {
  this.timeout(60_000);
  const pathOf = temporaryDirectory();
  const random = new Random('heed quantize');
  const prefix = 'model.layers.0.self_attn.';

  function model() {
    const matrix = (...dims: number[]) => random.tensor('bfloat16', dims, 0.1);
    return {
      'model.embed_tokens.weight': matrix(40, 64),
      'lm_head.weight': matrix(40, 64),
      'model.norm.weight': matrix(64),
      'model.layers.0.mlp.gate.weight': matrix(8, 64),
      'model.layers.0.mlp.gate_proj.weight': matrix(96, 64),
      [`${prefix}q_proj.weight`]: matrix(64, 64),
      [`${prefix}q_proj.bias`]: matrix(64),
      [`${prefix}k_proj.weight`]: matrix(32, 64),
      [`${prefix}v_proj.weight`]: matrix(32, 64),
      [`${prefix}o_proj.weight`]: matrix(64, 64),
      'steps.weight': Tensor.zeros('int64', [3, 3]),
    };
  }
  const rounded = ['k', 'o', 'q', 'v'].map((name) => `${prefix}${name}_proj.weight`);
  const chosen = ['model.layers.0.mlp.gate_proj.weight', ...rounded].sort();
  const sizes = { heads: 4, keyValueHeads: 2, prefix, backend: 'reference' } as const;

  function succeed(...args: string[]): string {
    const { status, stdout, stderr } = runHeed(['quantize', ...args]);
    assert.equal(status, 0, stderr);
    return stdout;
  }

  function fail(message: RegExp, ...args: string[]): void {
    const { status, stdout, stderr } = runHeed(['quantize', ...args]);
    assert.equal(status, 1, stdout);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /\n\s+at /, 'a mistake of the user needs no stack');
  }

  async function formsIn(path: string): Promise<string[]> {
    await using file = await open(path);
    return [...storedForms(file).keys()].sort();
  }

  it('writes a file beside the original, and says how far each weight is off', async () => {
    const tensors = model();
    await save(pathOf('one.safetensors'), tensors, { made: 'for a test' });
    for (const [type, least, most] of [
      ['int8', 0.3, 1],
      ['int4', 5, 9],
    ] as const) {
      const out = succeed(pathOf('one.safetensors'), '--type', type);
      const path = pathOf(`one-${type}.safetensors`);
      const lines = out.trimEnd().split('\n');
      assert.equal(lines.length, chosen.length + 1);
      for (const line of lines.slice(0, -1)) {
        const [, name, percent] = /^ {2}(\S+) +\d+ × \d+ +([\d.]+) %$/.exec(line) ?? [];
        assert.ok(chosen.includes(name), line);
        assert.ok(Number(percent) > least && Number(percent) < most, line);
      }
      assert.match(
        lines[lines.length - 1],
        new RegExp(
          `^5 weights with 18432 elements in ${type}, off by [\\d.]+ %; 6 other tensors as they were; [\\d.]+ MB → [\\d.]+ MB: `,
        ),
      );
      assert.deepEqual(await formsIn(path), chosen);
      await using file = await open(path);
      assert.equal(file.metadata.made, 'for a test');
      for (const [name, tensor] of Object.entries(tensors)) {
        if (!chosen.includes(name)) assert.deepEqual((await file.read(name)).data, tensor.data);
      }
      using layer = await MultiHeadAttention.load(path, sizes);
      using exact = await MultiHeadAttention.load(pathOf('one.safetensors'), sizes);
      assert.deepEqual([layer.weights, layer.type], [type, 'bfloat16']);
      const input = random.tensor('bfloat16', [1, 6, 64]);
      const expected = exact.forwardSync(input).cast('float32').data as Float32Array;
      expectClose(layer.forwardSync(input), Array.from(expected), type === 'int8' ? 0.05 : 0.3);
    }
    assert.deepEqual(
      readdirSync(pathOf('.')).filter((name) => name.endsWith('.partial')),
      [],
    );
  });

  it('writes to where --out says, int8 unless told otherwise', async () => {
    await save(pathOf('two.safetensors'), model());
    succeed(pathOf('two.safetensors'), '-o', pathOf('elsewhere'));
    await using file = await open(pathOf('elsewhere'));
    assert.equal(storedForms(file).get(`${prefix}q_proj.weight`)?.type, 'int8');
  });

  it('takes a directory of a model in several files, and copies what else is in it', async () => {
    const directory = pathOf('llama');
    await mkdir(directory);
    const entries = Object.entries(model());
    const map: Record<string, string> = {};
    for (const [i, part] of [entries.slice(0, 6), entries.slice(6)].entries()) {
      const file = `model-${i}.safetensors`;
      for (const [name] of part) map[name] = file;
      await save(`${directory}/${file}`, Object.fromEntries(part));
    }
    await writeFile(`${directory}/model.safetensors.index.json`, JSON.stringify({ weight_map: map }));
    const config = {
      model_type: 'llama',
      num_attention_heads: 4,
      num_key_value_heads: 2,
      rope_theta: 10_000,
      rms_norm_eps: 1e-5,
      attention_bias: true,
    };
    await writeFile(`${directory}/config.json`, JSON.stringify(config));
    await writeFile(`${directory}/notes.md`, 'not of the model');
    succeed(directory, '--type', 'int4');
    assert.deepEqual(readdirSync(pathOf('llama-int4')).sort(), ['config.json', 'model.safetensors']);
    assert.deepEqual(await formsIn(pathOf('llama-int4')), chosen);
    using layer = await MultiHeadAttention.load(pathOf('llama-int4'), { prefix, backend: 'reference' });
    assert.deepEqual([layer.heads, layer.weights], [4, 'int4']);
    succeed(`${directory}/model.safetensors.index.json`);
    assert.deepEqual(await formsIn(pathOf('llama/model-int8.safetensors')), chosen);
  });

  it('refuses what it cannot round, and leaves nothing behind', async () => {
    const broken = model();
    broken['model.layers.0.mlp.gate_proj.weight'].data[70] = 0x7f80;
    await save(pathOf('broken.safetensors'), broken);
    fail(
      /^heed: Expected tensor "model\.layers\.0\.mlp\.gate_proj\.weight" to have only finite elements in the range of float32, received Infinity at \[1, 6\]\n$/,
      pathOf('broken.safetensors'),
    );
    assert.deepEqual(
      readdirSync(pathOf('.')).filter((name) => name.startsWith('broken')),
      ['broken.safetensors'],
    );
    await save(pathOf('small.safetensors'), { 'embed.weight': Tensor.zeros('float32', [2, 2]) });
    fail(/to hold weights of linear maps, .* found "embed\.weight"/, pathOf('small.safetensors'));
    await save(pathOf('three.safetensors'), model());
    const three = pathOf('three.safetensors');
    fail(/Expected --out to be another file than .*three\.safetensors/, three, '--out', three);
    succeed(three);
    fail(/to have floating-point weights, found .* quantised already/, pathOf('three-int8.safetensors'));
    fail(/Could not open .*missing/, pathOf('missing'));
    fail(/Allowed choices are int8, int4\./, three, '--type', 'int2');
    await save(pathOf('taken.safetensors'), {
      ...model(),
      [`${prefix}q_proj.weight_scale`]: Tensor.zeros('float32', [64]),
    });
    fail(/to have no tensor ".*q_proj\.weight_scale"/, pathOf('taken.safetensors'));
    assert.ok(!existsSync(pathOf('taken-int8.safetensors')), basename(three));
  });
});
