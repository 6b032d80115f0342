import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { linearWeights } from '../../lib/cli/quantize/choose.js';
import { writeQuantised } from '../../lib/cli/quantize/write.js';
import type { CheckpointNaming } from '../../lib/multi-head-attention/checkpoint-conventions.js';
import {
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
} from '../../lib/multi-head-attention/multi-head-attention.js';
import type { QuantisedType } from '../../lib/problem/quantised-weight.js';
import { SafetensorsFile } from '../../lib/safetensors/file.js';
import { save } from '../../lib/safetensors.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { eachQuantisingBackend } from '../support/backends.js';
import { expectSameBits } from '../support/compare.js';
import { Random } from '../support/random.js';
import { rejectsHeed } from '../support/rejects.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { type Naming, namings, partsOf, type Tensors, unrecognised } from './checkpoint-namings.js';
import { randomWeights } from './random-layer.js';

const types = ['int8', 'int4'] as const;
const heads = 4;

async function quantiseFile(from: string, to: string, type: QuantisedType): Promise<void> {
  await using file = await SafetensorsFile.open(from);
  await writeQuantised(file, linearWeights(file), type, to, () => undefined);
}

eachQuantisingBackend('MultiHeadAttention.load of quantised weights', (backend) => {
  const pathOf = temporaryDirectory();
  const random = new Random(`quantised files on ${backend}`);

  async function write(tensors: Tensors, type: QuantisedType): Promise<{ plain: string; rounded: string }> {
    const [plain, rounded] = [pathOf('plain'), pathOf('rounded')];
    await save(plain, tensors);
    await quantiseFile(plain, rounded, type);
    return { plain, rounded };
  }

  for (const [naming, name] of Object.entries(namings) as [CheckpointNaming, Naming][]) {
    it(`gives what rounding the weights gives, in the naming of ${naming}`, async () => {
      const told = unrecognised.includes(naming) && { naming };
      for (const type of types) {
        const from = random.pick(['float32', 'bfloat16'] as const);
        const embed = 8 * random.integer(1, 6);
        const sizes = { type: from, heads, width: embed / heads, embed, biases: random.chance(0.5) };
        const tensors = name(partsOf(randomWeights(random, sizes)), { heads });
        const named = Object.fromEntries(
          Object.entries(tensors).map(([key, tensor]) => [`model.1.${key}`, tensor]),
        );
        const { plain, rounded } = await write(named, type);
        const options: MultiHeadAttentionOptions = { heads, causal: true, backend };
        const place = { ...options, ...told, prefix: 'model.1.' };
        using stored = await MultiHeadAttention.load(rounded, place);
        using asked = await MultiHeadAttention.load(rounded, { ...place, weights: type });
        using made = await MultiHeadAttention.load(plain, { ...place, weights: type });
        const input = random.tensor(from, [2, 7, embed]);
        const output = made.forwardSync(input);
        for (const layer of [stored, asked]) {
          assert.equal(layer.weights, type);
          assert.equal(layer.type, from);
          assert.equal(layer.parameters, made.parameters);
          expectSameBits(layer.forwardSync(input), output);
        }
      }
    });
  }

  it('takes rows of fused tensors, of grouped heads too', async () => {
    for (const naming of ['timm', 'Falcon', 'BLOOM', 'Phi-3'] as const) {
      for (const keyValueHeads of [1, 2, 4]) {
        const type = random.pick(types);
        const embed = random.integer(1, 40);
        const weights = randomWeights(random, { heads, keyValueHeads, width: random.integer(1, 9), embed });
        const { plain, rounded } = await write(
          namings[naming](partsOf(weights), { heads, keyValueHeads }),
          type,
        );
        const options = { heads, keyValueHeads, naming, backend };
        using stored = await MultiHeadAttention.load(rounded, options);
        using made = await MultiHeadAttention.load(plain, { ...options, weights: type });
        const input = random.tensor('float32', [1, 5, embed]);
        expectSameBits(stored.forwardSync(input), made.forwardSync(input));
      }
    }
  });

  it('reads the integers, and makes no floating-point copy of them', async () => {
    for (const type of types) {
      const tensors = namings.Llama(partsOf(randomWeights(random, { heads, width: 8, embed: 32 })), {
        heads,
      });
      const { rounded } = await write(tensors, type);
      const { read } = SafetensorsFile.prototype;
      const names: string[] = [];
      SafetensorsFile.prototype.read = function (this: SafetensorsFile, name: string) {
        names.push(name);
        return read.call(this, name);
      };
      try {
        (await MultiHeadAttention.load(rounded, { heads, backend })).dispose();
      } finally {
        SafetensorsFile.prototype.read = read;
      }
      const expected = Object.keys(tensors).map((name) => name.replace(/weight$/, 'weight_scale'));
      assert.deepEqual(names.sort(), expected.sort());
    }
  });

  it('rounds the rest of a layer of which some weights are stored so', async () => {
    const tensors = namings.Llama(partsOf(randomWeights(random, { heads, width: 8, embed: 32 })), { heads });
    const [plain, rounded] = [pathOf('plain'), pathOf('some')];
    await save(plain, tensors);
    {
      await using file = await SafetensorsFile.open(plain);
      const some = linearWeights(file).filter(({ name }) => /^[qv]/.test(name));
      await writeQuantised(file, some, 'int4', rounded, () => undefined);
    }
    using stored = await MultiHeadAttention.load(rounded, { heads, backend });
    using made = await MultiHeadAttention.load(plain, { heads, backend, weights: 'int4' });
    const input = random.tensor('float32', [1, 5, 32]);
    expectSameBits(stored.forwardSync(input), made.forwardSync(input));
    await rejectsHeed(
      () => MultiHeadAttention.load(rounded, { heads, backend, weights: 'int8' }),
      'HEED_TYPE_MISMATCH',
      "Expected options.weights to be what weights.query.weight is in the file ('int4'), received 'int8'",
    );
  });
});

describe('a file with quantised weights', () => {
  const pathOf = temporaryDirectory();
  const random = new Random('malformed quantised files');

  async function file(type: QuantisedType): Promise<string> {
    const tensors = namings.Llama(
      partsOf(randomWeights(random, { heads, width: 4, embed: 16, biases: false })),
      { heads },
    );
    await save(pathOf('plain'), tensors);
    await quantiseFile(pathOf('plain'), pathOf('good'), type);
    return pathOf('good');
  }

  /** Changes the header, which keeps its length. */
  async function changed(path: string, change: (header: string) => string): Promise<string> {
    const bytes = await readFile(path);
    const length = Number(bytes.readBigUInt64LE());
    const header = change(bytes.subarray(8, 8 + length).toString());
    const text = Buffer.from(header);
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(text.length));
    await writeFile(pathOf('bad'), Buffer.concat([prefix, text, bytes.subarray(8 + length)]));
    return pathOf('bad');
  }

  const load = (path: string) => MultiHeadAttention.load(path, { heads, backend: 'reference' });

  const wrong: [QuantisedType, string, string, RegExp][] = [
    [
      'int8',
      '\\"version\\":1',
      '\\"version\\":2',
      /expected version 1 of the metadata heed\.quantizedWeights, received 2/,
    ],
    [
      'int8',
      '\\"weights\\":{',
      '\\"weighty\\":{',
      /expected weights in the metadata .* to be an object, received/,
    ],
    [
      'int8',
      '\\"type\\":\\"int8\\"',
      '\\"type\\":\\"int2\\"',
      /expected the type of the quantised "k_proj.weight" to be "int8" or "int4", received "int2"/,
    ],
    [
      'int8',
      '\\"shape\\":[16,16]',
      '\\"shape\\":[16,-6]',
      /expected the shape of the quantised .* to be two sizes/,
    ],
    [
      'int8',
      '\\"shape\\":[16,16]',
      '\\"shape\\":[16,17]',
      /expected the tensor "k_proj.weight" to be I8 \[16, 17\], found I8 \[16, 16\]/,
    ],
    [
      'int4',
      '\\"groupSize\\":32',
      '\\"groupSize\\":12',
      /expected the groupSize of the quantised .* to be a multiple of 8/,
    ],
    [
      'int4',
      '\\"groupSize\\":32',
      '\\"groupSize\\":8',
      /expected the tensor "k_proj.weight_scale" to be F32 \[16, 2\], found F32 \[16, 1\]/,
    ],
    [
      'int4',
      '\\"shape\\":[16,16]',
      '\\"shape\\":[16,18]',
      /expected the tensor "k_proj.weight" to be U8 \[16, 9\], found U8 \[16, 8\]/,
    ],
    [
      'int4',
      '\\"was\\":\\"float32\\"',
      '\\"was\\":\\"int32\\"',
      /expected what it was of the quantised .* to be a floating-point type/,
    ],
    [
      'int8',
      '"k_proj.weight_scale":{"dtype":"F32"',
      '"k_proj.weight_scale":{"dtype":"I32"',
      /expected the tensor "k_proj.weight_scale" to be F32 \[16, 1\], found I32 \[16, 1\]/,
    ],
  ];
  for (const [type, from, to, message] of wrong) {
    it(`is refused with ${to} in place of ${from}`, async () => {
      const path = await changed(await file(type), (header) => {
        assert.ok(header.includes(from), header);
        return header.replace(from, to);
      });
      await rejectsHeed(() => load(path), 'HEED_MALFORMED_FILE', message);
    });
  }

  it('is refused with scales that are no scales, and values that are none', async () => {
    const good = await readFile(await file('int8'));
    const length = Number(good.readBigUInt64LE());
    // Wide elements come first: the scales.
    for (const [scale, message] of [
      [Number.NaN, /expected the scales of "k_proj.weight" to be finite and not negative, received NaN/],
      [-1, /received -1/],
      [Number.POSITIVE_INFINITY, /received Infinity/],
    ] as const) {
      const bytes = Buffer.from(good);
      bytes.writeFloatLE(scale, 8 + length + 4);
      await writeFile(pathOf('bad'), bytes);
      await rejectsHeed(() => load(pathOf('bad')), 'HEED_MALFORMED_FILE', message);
    }
    const bytes = Buffer.from(good);
    bytes.writeInt8(-128, bytes.length - 3);
    await writeFile(pathOf('bad'), bytes);
    await rejectsHeed(
      () => load(pathOf('bad')),
      'HEED_MALFORMED_FILE',
      /to be from -127 to 127, received -128/,
    );
  });

  it('is a safetensors file, of which `open` reads what tensors it knows', async () => {
    await using opened = await SafetensorsFile.open(await file('int4'));
    const info = opened.tensors.get('q_proj.weight');
    assert.deepEqual([info?.dtype, info?.dims], ['U8', [16, 8]]);
    assert.ok((await opened.read('q_proj.weight_scale')) instanceof Tensor);
  });
});
