/** Tests operations on tensors of a device against the oracle; their results stay on the device. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { attention, attentionDetails, attentionSync } from '../../../lib/attention/attention.js';
import { mergeAttention } from '../../../lib/attention/merge.js';
import { packedAttention } from '../../../lib/attention/packed.js';
import { packWeight } from '../../../lib/projection/packed-weight.js';
import { project } from '../../../lib/projection/project.js';
import { Tensor } from '../../../lib/tensor/tensor.js';
import type { FloatType } from '../../../lib/tensor/types.js';
import { type Inputs, randomInputs } from '../../support/attention.js';
import { expectClose, toleranceOf } from '../../support/compare.js';
import { deviceCount, isEmulated, onDevice, sameElements, toDevice } from '../../support/device.js';
import { toNumbers } from '../../support/numbers.js';
import { attentionOracle } from '../../support/oracle.js';
import { Random } from '../../support/random.js';
import { rejectsHeed, throwsHeed } from '../../support/rejects.js';

const types: readonly FloatType[] = ['float32', 'float16', 'bfloat16'];

async function inputsOn({ query, key, value }: Inputs): Promise<Inputs> {
  const [q, k, v] = await toDevice([query, key, value]);
  return { query: q, key: k, value: v };
}

onDevice('attention', (location) => {
  const random = new Random('attention on a device');

  for (const type of types) {
    it(`of ${type} gives on the device what the oracle gives`, async () => {
      const inputs = randomInputs(random, { type, heads: 4, keyHeads: 2, queries: 19, keys: 37, width: 32 });
      const { query, key, value } = await inputsOn(inputs);
      const mask = new Tensor(
        'bool',
        Uint8Array.from({ length: 19 * 37 }, () => Math.round(random.next())),
        [19, 37],
      );
      const expected = attentionOracle(inputs.query, inputs.key, inputs.value, { causal: true, mask });
      const options = { causal: true, mask: await mask.to(location) };
      for (const output of [
        await attention(query, key, value, options),
        await attention(query, key, value, { ...options, backend: 'cuda' }),
        attentionSync(query, key, value, options),
      ]) {
        assert.equal(output.location, location);
        assert.equal(output.type, type);
        expectClose(await output.to('cpu'), expected.output, toleranceOf('cuda', type));
      }
    });

    it(`of ${type} gives the same bits as from the memory of the CPU and back`, async () => {
      const inputs = randomInputs(random, { type, queries: 5, keys: 70, width: 48, valueWidth: 24 });
      const { query, key, value } = await inputsOn(inputs);
      const staged = await attention(inputs.query, inputs.key, inputs.value, { backend: 'cuda' });
      assert.equal(staged.location, 'cpu');
      await sameElements(await attention(query, key, value), staged.data);
    });
  }

  it('gives its details there', async () => {
    const inputs = randomInputs(random, { queries: 6, keys: 11, width: 16 });
    const { query, key, value } = await inputsOn(inputs);
    const include = ['logSumExp', 'weights', 'scores'] as const;
    const rows = { heads: [2, 0], queries: [5, 1, 1] };
    const there = await attentionDetails(query, key, value, { include, rows });
    const here = await attentionDetails(inputs.query, inputs.key, inputs.value, {
      include,
      rows,
      backend: 'reference',
    });
    for (const name of ['output', ...include] as const) {
      assert.equal(there[name]?.location, location);
      const [actual, expected] = [await there[name]?.to('cpu'), here[name]];
      assert.ok(actual && expected);
      assert.deepEqual(actual.dims, expected.dims);
      expectClose(actual, toNumbers(expected), toleranceOf('cuda', 'float32'), name, 1);
    }
  });

  it('of sequences laid end to end gives what each of them gives', async () => {
    const random = new Random('packed on a device');
    const [query, key, value] = [17, 29, 29].map((tokens) => random.tensor('float32', [tokens, 2, 16]));
    const [q, k, v] = await toDevice([query, key, value]);
    const starts = { queryStarts: [0, 4, 4, 17], keyStarts: [0, 9, 16, 29] };
    const there = await packedAttention(q, k, v, { ...starts, causal: true });
    const here = await packedAttention(query, key, value, { ...starts, causal: true, backend: 'reference' });
    assert.equal(there.location, location);
    expectClose(await there.to('cpu'), toNumbers(here), toleranceOf('cuda', 'float32'));
  });

  it('of parts is joined there', async () => {
    const inputs = randomInputs(random, { queries: 5, keys: 24, width: 16 });
    const half = (tensor: Tensor, part: number) => {
      const [batch, heads, steps, width] = tensor.dims;
      const rows = steps / 2;
      const data = new Float32Array(tensor.size / 2);
      for (let i = 0; i < batch * heads; i++) {
        const start = (i * steps + part * rows) * width;
        data.set((tensor.data as Float32Array).subarray(start, start + rows * width), i * rows * width);
      }
      return new Tensor(data, [batch, heads, rows, width]);
    };
    const [query] = await toDevice([inputs.query]);
    const parts = await Promise.all(
      [0, 1].map(async (part) => {
        const [key, value] = await toDevice([half(inputs.key, part), half(inputs.value, part)]);
        const { output, logSumExp } = await attentionDetails(query, key, value, { include: ['logSumExp'] });
        assert.ok(logSumExp);
        return { output, logSumExp };
      }),
    );
    const joint = await mergeAttention(parts);
    const expected = attentionOracle(inputs.query, inputs.key, inputs.value);
    assert.equal(joint.output.location, location);
    assert.equal(joint.logSumExp.location, location);
    expectClose(await joint.output.to('cpu'), expected.output, toleranceOf('cuda', 'float32'), '', 0.2);
    expectClose(await joint.logSumExp.to('cpu'), expected.logSumExp, toleranceOf('cuda', 'float32'), '', 1);
  });

  it('writes to an output that is there', async () => {
    const inputs = randomInputs(random);
    const { query, key, value } = await inputsOn(inputs);
    const out = await random.tensor('float32', inputs.query.dims).to(location);
    assert.equal(await attention(query, key, value, { out }), out);
    await sameElements(await attention(query, key, value), await out.getData());
    const copy = query.reshape(query.dims);
    await rejectsHeed(() => attention(query, key, value, { out: copy }), 'HEED_OVERLAP', 'options.out');
    const here = Tensor.zeros('float32', query.dims);
    await rejectsHeed(
      () => attention(query, key, value, { out: here }),
      'HEED_LOCATION_MISMATCH',
      "Expected options.out to be where query is ('cuda:0'), received one at 'cpu'",
    );
  });

  it('reads masks of integers, wherever they are', async () => {
    const inputs = randomInputs(random, { batch: 2, queries: 9, keys: 13 });
    const { query, key, value } = await inputsOn(inputs);
    const bits = random.mask([2, 13], 0.5);
    const expected = attention(query, key, value, { mask: await bits.reshape([2, 1, 1, 13]).to(location) });
    const wanted = await (await expected).getData();
    for (const type of ['uint8', 'int32', 'int64'] as const) {
      const mask = await bits.cast(type).to(location);
      await sameElements(await attention(query, key, value, { mask }), wanted);
      await sameElements(attentionSync(query, key, value, { mask }), wanted);
    }
    const wrong = await new Tensor(
      Int32Array.from({ length: 13 }, (_, i) => i),
      [1, 13],
    ).to(location);
    await rejectsHeed(
      () => attention(query, key, value, { mask: wrong }),
      'HEED_INVALID_ARGUMENT',
      'Expected options.mask.data[2] to be 0 or 1, for a key that may be attended, received 2',
    );
  });

  it('takes tensors with strides', async () => {
    const inputs = randomInputs(random, { batch: 2, heads: 3, queries: 5, keys: 7, width: 16 });
    const { query, key, value } = await inputsOn(inputs);
    const expected = await (await attention(query, key, value)).getData();
    // [batch, heads, steps, width] in memory, described in the order of the other layout.
    const turned = [inputs.query, inputs.key, inputs.value].map((tensor) => {
      const [batch, heads, steps, width] = tensor.dims;
      const strides = [heads * steps * width, width, steps * width, 1];
      return { type: tensor.type, dims: [batch, steps, heads, width], data: tensor.data, strides };
    });
    const [q, k, v] = turned;
    const output = await attention(q, k, v, { layout: 'bshd', backend: 'cuda' });
    const back = new Float32Array(output.size);
    for (let i = 0; i < back.length; i++) {
      const [head, step] = [Math.floor(i / 16 / 5) % 3, Math.floor(i / 16) % 5];
      back[i] = (output.data as Float32Array)[(Math.floor(i / 240) * 15 + step * 3 + head) * 16 + (i % 16)];
    }
    assert.deepEqual(back, expected);
    const far = Object.assign(query.reshape(query.dims), { strides: [240, 80, 17, 1] });
    await rejectsHeed(
      () => attention(far, key, value),
      'HEED_SHAPE_MISMATCH',
      'Expected query.data to reach as far as dims and strides do (484 elements), received 480',
    );
  });

  it('takes its tensors from one place', async () => {
    const inputs = randomInputs(random);
    const there = await inputsOn(inputs);
    const mixed = (change: Partial<Inputs>) => {
      const { query, key, value } = { ...there, ...change };
      return attention(query, key, value);
    };
    const message = (name: string) =>
      `Expected ${name} to be where query is ('cuda:0'), received one at 'cpu'`;
    await rejectsHeed(() => mixed({ key: inputs.key }), 'HEED_LOCATION_MISMATCH', message('key'));
    await rejectsHeed(() => mixed({ value: inputs.value }), 'HEED_LOCATION_MISMATCH', message('value'));
    await rejectsHeed(
      () => mixed({ query: inputs.query }),
      'HEED_LOCATION_MISMATCH',
      "Expected key to be where query is ('cpu'), received one at 'cuda:0'",
    );
    const mask = Tensor.zeros('bool', [9, 13]);
    await rejectsHeed(
      () => attention(there.query, there.key, there.value, { mask }),
      'HEED_LOCATION_MISMATCH',
      message('options.mask'),
    );
    for (const backend of ['cpu', 'reference'] as const) {
      await rejectsHeed(
        () => attention(there.query, there.key, there.value, { backend }),
        'HEED_LOCATION_MISMATCH',
        `Expected options.backend to be 'cuda' for operands at 'cuda:0', received '${backend}'`,
      );
    }
    if (deviceCount() > 1) {
      const key = await inputs.key.to('cuda:1');
      await rejectsHeed(() => mixed({ key }), 'HEED_LOCATION_MISMATCH', "received one at 'cuda:1'");
    }
  });

  if (deviceCount() > 1) {
    it('takes place on each of several devices', async () => {
      const inputs = randomInputs(random);
      const [query, key, value] = await toDevice([inputs.query, inputs.key, inputs.value], 'cuda:1');
      const output = await attention(query, key, value);
      assert.equal(output.location, 'cuda:1');
      const first = await inputsOn(inputs);
      await sameElements(output, await (await attention(first.query, first.key, first.value)).getData());
    });
  }

  it('follows on attention without anybody waiting', async () => {
    const inputs = randomInputs(random, { queries: 8, keys: 8, width: 16 });
    const { query, key, value } = await inputsOn(inputs);
    let [there, here] = [query, inputs.query];
    for (let i = 0; i < 8; i++) {
      const next = attentionSync(there, key, value);
      if (there !== query) there.dispose();
      there = next;
      here = await attention(here, inputs.key, inputs.value, { backend: 'reference' });
    }
    expectClose(await there.to('cpu'), toNumbers(here), 8 * toleranceOf('cuda', 'float32'));
  });

  // A real GPU may finish before the last of them is enqueued.
  if (isEmulated) {
    it('waits for nothing but elements that are asked for', async function () {
      this.timeout(120_000);
      const inputs = await inputsOn(randomInputs(random, { queries: 130, keys: 130, width: 64 }));
      const { query, key, value } = inputs;
      await (await attention(query, key, value)).getData();
      // Memory for all results: asking the driver for more may wait for the device.
      const like = await toDevice(Array.from({ length: 8 }, () => Tensor.zeros(query.type, query.dims)));
      for (const tensor of like) tensor.dispose();
      const began = performance.now();
      const results: Tensor[] = [];
      for (let i = 0; i < 4; i++) {
        results.push(await attention(query, key, value), attentionSync(query, key, value));
      }
      const enqueued = performance.now() - began;
      for (const result of results) await result.getData();
      const done = performance.now() - began;
      assert.ok(
        enqueued < done / 4,
        `${enqueued} ms until all were on their way, ${done} ms until they were done`,
      );
    });
  }

  it('takes no thread of its own, however many are under way', async function () {
    this.timeout(120_000);
    const tasks = () => readdirSync('/proc/self/task').length;
    const inputs = randomInputs(random, { queries: 4, keys: 4, width: 16 });
    const run = () => attention(inputs.query, inputs.key, inputs.value, { backend: 'cuda' });
    // The first operations start all threads of the pool.
    await Promise.all(Array.from({ length: 8 }, run));
    const before = tasks();
    const running = Array.from({ length: 200 }, run);
    assert.ok(tasks() <= before, `${tasks()} threads, ${before} before`);
    await Promise.all(running);
    assert.ok(tasks() <= before, `${tasks()} threads, ${before} before`);
  });

  it('rejects with the reason of a signal that is aborted already', async () => {
    const { query, key, value } = await inputsOn(randomInputs(random));
    const reason = new Error('enough');
    await assert.rejects(
      attention(query, key, value, { signal: AbortSignal.abort(reason) }),
      (error) => error === reason,
    );
  });
});

onDevice('a projection', (location) => {
  const random = new Random('projection on a device');
  const [rows, inner, columns] = [21, 40, 24];

  for (const type of types) {
    it(`of ${type} gives there what the reference gives`, async () => {
      const input = random.tensor(type, [3, 7, inner]);
      const weight = random.tensor(type, [columns, inner]);
      const bias = random.tensor(type, [columns]);
      const [x, w] = await toDevice([input, weight]);
      const expected = await project(input, weight, bias, { heads: 4, backend: 'reference' });
      using packed = packWeight(weight, { location: 'cuda' });
      using copied = packWeight(w);
      assert.equal(packed.location, location);
      assert.equal(copied.location, location);
      assert.equal(packed.byteLength, weight.byteLength);
      const numbers = toNumbers(expected);
      for (const factor of [w, packed, copied]) {
        const output = await project(x, factor, bias, { heads: 4 });
        assert.equal(output.location, location);
        expectClose(await output.to('cpu'), numbers, toleranceOf('cuda', type), '', 0.2);
      }
      // An input on the CPU is copied to the weight's device, and the result is copied back.
      const staged = await project(input, packed, bias, { heads: 4 });
      assert.equal(staged.location, 'cpu');
      expectClose(staged, numbers, toleranceOf('cuda', type), '', 0.2);
    });
  }

  it('takes input and weight of different types', async () => {
    for (const [one, other] of [
      ['float32', 'bfloat16'],
      ['float16', 'float32'],
      ['bfloat16', 'float16'],
    ] as const) {
      const input = random.tensor(one, [rows, inner]);
      const weight = random.tensor(other, [columns, inner]);
      const [x, w] = await toDevice([input, weight]);
      const expected = toNumbers(await project(input, weight, undefined, { backend: 'reference' }));
      const output = await project(x, w);
      assert.equal(output.type, one);
      expectClose(await output.to('cpu'), expected, toleranceOf('cuda', one), `${one} and ${other}`, 0.2);
      await sameElements(output, (await project(input, weight, undefined, { backend: 'cuda' })).data);
    }
  });

  it('takes input and weight from one place, and its bias from the CPU', async () => {
    const input = random.tensor('float32', [rows, inner]);
    const weight = random.tensor('float32', [columns, inner]);
    const bias = random.tensor('float32', [columns]);
    const [x, b] = await toDevice([input, bias]);
    await rejectsHeed(
      () => project(x, weight),
      'HEED_LOCATION_MISMATCH',
      'Expected weight to be where input is',
    );
    await rejectsHeed(
      () => project(x, packWeight(weight, { backend: 'cpu' })),
      'HEED_LOCATION_MISMATCH',
      "Expected input to be where weight is ('cpu')",
    );
    const w = await weight.to(location);
    await rejectsHeed(() => project(x, w, b), 'HEED_NOT_ON_CPU', 'the elements of bias');
    throwsHeed(
      () => packWeight(w, { location: 'cpu' }),
      'HEED_LOCATION_MISMATCH',
      "Expected weight to be where options.location is ('cpu')",
    );
  });
});
