/** Tests views with strides: of one fused product, and made by hand; and that nothing else takes them for dense. */
import assert from 'node:assert/strict';
import { attention, attentionDetailsSync, attentionSync } from '../../lib/attention/attention.js';
import { mergeAttentionSync } from '../../lib/attention/merge.js';
import { packedAttentionDetailsSync, packedAttentionSync } from '../../lib/attention/packed.js';
import { splitHeads } from '../../lib/attention/split-heads.js';
import { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { MultiHeadAttention } from '../../lib/multi-head-attention/multi-head-attention.js';
import { attention as onnxAttention } from '../../lib/onnx/attention.js';
import { packWeight } from '../../lib/projection/packed-weight.js';
import { projectSync } from '../../lib/projection/project.js';
import { save } from '../../lib/safetensors/save.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType, TensorLike } from '../../lib/tensor/types.js';
import { typesOf } from '../support/attention.js';
import { eachBackend, locationOf } from '../support/backends.js';
import { expectClose, expectSameBits, tolerances } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { attentionOracle } from '../support/oracle.js';
import { poisoned } from '../support/poison.js';
import { Random, tensorOf } from '../support/random.js';
import { rejectsHeed, throwsHeed } from '../support/rejects.js';
import { resizableBuffer } from '../support/resizable.js';

/** A dense copy of a tensor with strides. */
function dense({ type, dims, data, strides = [] }: TensorLike): Tensor {
  const whole = toNumbers({ type, dims: [data.length], data });
  return tensorOf(type as FloatType, dims, (index) => {
    let [left, at] = [index, 0];
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      at += (left % dims[axis]) * strides[axis];
      left = Math.floor(left / dims[axis]);
    }
    return whole[at];
  });
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

eachBackend('views of one product', (backend) => {
  const random = new Random(`views of one product on ${backend}`);
  const shape = { heads: 4, keyValueHeads: 2, width: 6, valueWidth: 5 };
  const columns = 6 * 6 + 2 * 5;
  const options = { layout: 'bshd', causal: true, backend } as const;

  for (const type of typesOf(backend)) {
    it(`are attended where they lie, of ${type}`, async () => {
      const product = random.tensor(type, [3, 70, columns]);
      const { query, key, value } = splitHeads(product, shape);
      const views = [query, key, value];
      const copies = views.map(dense);
      assert.deepEqual(
        views.map(({ dims }) => dims),
        [
          [3, 70, 4, 6],
          [3, 70, 2, 6],
          [3, 70, 2, 5],
        ],
      );
      for (const { data } of views) assert.equal(data.buffer, product.data.buffer);
      const wanted = attentionOracle(copies[0], copies[1], copies[2], { layout: 'bshd', causal: true });
      const out = poisoned(type, [3, 70, 4, 5]);
      attentionSync(query, key, value, { ...options, out: out.tensor });
      out.expectMarginsIntact();
      expectClose(out.tensor, wanted.output, tolerances[type]);
      expectSameBits(out.tensor, attentionSync(copies[0], copies[1], copies[2], options));
      expectSameBits(await attention(query, key, value, options), out.tensor);
    });
  }

  it('are attended with few queries, and shown in details', () => {
    const product = random.tensor('float32', [2, 40, columns]);
    const { query, key, value } = splitHeads(product, shape);
    // The last step of each entry: the same strides, other dims.
    const last = {
      ...query,
      dims: [2, 1, 4, 6],
      data: (query.data as Float32Array).subarray(39 * columns),
    };
    const given = { ...options, include: ['weights', 'scores', 'logSumExp'] as const };
    const views = attentionDetailsSync(last, key, value, given);
    const copies = attentionDetailsSync(dense(last), dense(key), dense(value), given);
    for (const name of ['output', ...given.include] as const) {
      const [view, copy] = [views[name], copies[name]];
      assert.ok(view && copy);
      expectSameBits(view, copy);
    }
  });

  it('are attended in packed sequences', () => {
    const product = random.tensor('float32', [30, columns]);
    const { query, key, value } = splitHeads(product, shape);
    const given = { queryStarts: [0, 7, 7, 30], causal: true, backend };
    const copies = [query, key, value].map(dense);
    const output = packedAttentionSync(query, key, value, given);
    expectSameBits(output, packedAttentionSync(copies[0], copies[1], copies[2], given));
    const include = ['weights'] as const;
    const shown = packedAttentionDetailsSync(query, key, value, { ...given, include });
    const expected = packedAttentionDetailsSync(copies[0], copies[1], copies[2], { ...given, include });
    for (const [i, weights] of (shown.weights ?? []).entries()) {
      assert.ok(expected.weights);
      expectSameBits(weights, expected.weights[i]);
    }
    assert.equal(shown.weights?.length, 3);
  });

  it('are appended to caches, and attend them', () => {
    for (const pageSize of [undefined, 4]) {
      const product = random.tensor('float32', [2, 9, columns]);
      const { query, key, value } = splitHeads(product, shape);
      const form = {
        batch: 2,
        heads: 2,
        width: 6,
        valueWidth: 5,
        capacity: 20,
        location: locationOf(backend),
        ...(pageSize && { pageSize }),
      };
      using cache = new KeyValueCache(form);
      using other = new KeyValueCache(form);
      cache.append(key, value, { layout: 'bshd', lengths: [9, 4] });
      other.append(dense(key), dense(value), { layout: 'bshd', lengths: [9, 4] });
      const output = attentionSync(query, cache, options);
      expectSameBits(output, attentionSync(dense(query), other, options));
      const rows = splitHeads(product.reshape([18, columns]), shape).query;
      const given = { queryStarts: [0, 9, 18], causal: true, backend };
      expectSameBits(packedAttentionSync(rows, cache, given), packedAttentionSync(dense(rows), other, given));
    }
  });

  it('need widths only where they are not what columns leave', () => {
    const product = random.tensor('float32', [1, 3, 24]);
    const dimsOf = (given: Parameters<typeof splitHeads>[1]) =>
      Object.values(splitHeads(product, given)).map(({ dims }: TensorLike) => dims.slice(2));
    assert.deepEqual(dimsOf({ heads: 2 }), [
      [2, 4],
      [2, 4],
      [2, 4],
    ]);
    assert.deepEqual(dimsOf({ heads: 4, keyValueHeads: 1 }), [
      [4, 4],
      [1, 4],
      [1, 4],
    ]);
    assert.deepEqual(dimsOf({ heads: 2, valueWidth: 2 }), [
      [2, 5],
      [2, 5],
      [2, 2],
    ]);
    assert.deepEqual(dimsOf({ heads: 2, width: 5, valueWidth: 2 }), [
      [2, 5],
      [2, 5],
      [2, 2],
    ]);
    const refuses = (given: object, message: string) =>
      throwsHeed(
        () => splitHeads(product, given as Parameters<typeof splitHeads>[1]),
        'HEED_SHAPE_MISMATCH',
        message,
      );
    refuses(
      { heads: 5 },
      'Expected product.dims[2] to be those of 5 queries and 5 keys, and of 5 values, received 24',
    );
    refuses({ heads: 2, width: 5 }, 'of 2 queries and 2 keys of 5 elements, and of 2 values, received 24');
    refuses({ heads: 2, width: 4, valueWidth: 3 }, 'and of 2 values of 3, received 24');
    throwsHeed(() => splitHeads(product, { heads: 0 }), 'HEED_INVALID_ARGUMENT', 'options.heads');
    throwsHeed(() => splitHeads(product.reshape([72]), { heads: 1 }), 'HEED_SHAPE_MISMATCH', 'product.dims');
    throwsHeed(
      () => splitHeads(Tensor.zeros('bool', [1, 3, 24]), { heads: 2 }),
      'HEED_UNSUPPORTED_TYPE',
      'product.type',
    );
  });

  it('may be empty', () => {
    for (const dims of [
      [0, 5, columns],
      [2, 0, columns],
    ]) {
      const { query, key, value } = splitHeads(Tensor.zeros('float32', dims), shape);
      assert.deepEqual(attentionSync(query, key, value, options).dims, [dims[0], dims[1], 4, 5]);
    }
  });

  it('may be made by hand: heads of a step side by side with their own keys and values', () => {
    // [batch, steps, heads, 3, width], as GPT-NeoX and BLOOM have it, in memory that is NaN around it.
    const [batch, steps, heads, width] = [2, 19, 3, 8];
    const row = heads * 3 * width;
    const memory = new Float32Array(5 + batch * (steps * row + 7)).fill(Number.NaN);
    const product = random.tensor('float32', [batch, steps * row]);
    for (const b of upTo(batch)) {
      const own = product.data.subarray(b * steps * row, (b + 1) * steps * row) as Float32Array;
      memory.set(own, 5 + b * (steps * row + 7));
    }
    const [query, key, value] = upTo(3).map(
      (i): TensorLike => ({
        type: 'float32',
        dims: [batch, heads, steps, width],
        data: memory.subarray(5 + i * width),
        strides: [steps * row + 7, 3 * width, row, 1],
      }),
    );
    const copies = [query, key, value].map(dense);
    const given = { causal: true, window: { left: 7 }, backend };
    const expected = attentionOracle(copies[0], copies[1], copies[2], {
      causal: true,
      window: { left: 7 },
    });
    const output = attentionSync(query, key, value, given);
    expectClose(output, expected.output, tolerances.float32);
    // GPUs have other tiles for rows that do not begin at multiples of 16 bytes.
    const copied = attentionSync(copies[0], copies[1], copies[2], given);
    if (backend === 'cuda') expectClose(copied, expected.output, tolerances.float32);
    else expectSameBits(output, copied);
  });

  it('may lie in memory that can be resized', async () => {
    const product = random.tensor('float32', [1, 12, columns]);
    const data = new Float32Array(resizableBuffer(product.byteLength, 2 * product.byteLength));
    data.set(product.data as Float32Array);
    const { query, key, value } = splitHeads({ type: 'float32', dims: product.dims, data }, shape);
    expectSameBits(
      await attention(query, key, value, options),
      attentionSync(dense(query), dense(key), dense(value), options),
    );
  });

  it('may share a buffer with the output, but no memory', () => {
    const buffer = new Float32Array(2 * 10 * columns + 2 * 10 * 20);
    const product = new Tensor(buffer.subarray(0, 20 * columns), [2, 10, columns]);
    (product.data as Float32Array).set(random.tensor('float32', [2, 10, columns]).data as Float32Array);
    const { query, key, value } = splitHeads(product, shape);
    const behind = new Tensor(buffer.subarray(20 * columns), [2, 10, 4, 5]);
    const wanted = attentionSync(query, key, value, options);
    expectSameBits(attentionSync(query, key, value, { ...options, out: behind }), wanted);
    const over = new Tensor(buffer.subarray(20 * columns - 1, 20 * columns + 399), [2, 10, 4, 5]);
    throwsHeed(
      () => attentionSync(query, key, value, { ...options, out: over }),
      'HEED_OVERLAP',
      'Expected options.out not to share memory with value',
    );
  });

  it('are refused with strides that do not fit', () => {
    const tensor = random.tensor('float32', [1, 2, 3, 4]);
    const call =
      (strides: unknown, data: unknown = tensor.data) =>
      () =>
        attentionSync({ type: 'float32', dims: tensor.dims, data, strides } as TensorLike, tensor, tensor, {
          backend,
        });
    call([24, 12, 4, 1])();
    call([0, 12, 4, 1])();
    throwsHeed(
      call([24, 12, 4]),
      'HEED_SHAPE_MISMATCH',
      'query.strides to have one element per axis (4), received 3',
    );
    throwsHeed(call([24, 12, 4, 2]), 'HEED_INVALID_ARGUMENT', 'query.strides[3] to be 1, received 2');
    throwsHeed(call([24, 12, -4, 1]), 'HEED_INVALID_ARGUMENT', 'query.strides[2]');
    throwsHeed(call([24, 12, Number.NaN, 1]), 'HEED_INVALID_ARGUMENT', 'query.strides[2]');
    throwsHeed(call([24, 12, 4.5, 1]), 'HEED_INVALID_ARGUMENT', 'query.strides[2]');
    throwsHeed(call('dense'), 'HEED_INVALID_ARGUMENT', 'query.strides to be a list');
    throwsHeed(
      call([24, 13, 4, 1]),
      'HEED_SHAPE_MISMATCH',
      'query.data to reach as far as dims and strides do (25 elements), received 24',
    );
    throwsHeed(call([24, 2 ** 52, 2 ** 52, 1]), 'HEED_SHAPE_MISMATCH', 'query.data to reach');
    throwsHeed(call([24, 0, 4, 1]), 'HEED_INVALID_ARGUMENT', 'query.strides to visit no element twice');
    throwsHeed(call([24, 12, 4, 1], [1, 2, 3]), 'HEED_TYPE_MISMATCH', 'query.data');
    throwsHeed(call([24, 12, 4, 1], new Float64Array(24)), 'HEED_TYPE_MISMATCH', 'query.data');
  });
});

describe('tensors with strides', () => {
  const random = new Random('tensors with strides');
  const strided = (...dims: number[]): TensorLike => {
    const strides = dims.map((_, axis) =>
      dims.slice(axis + 1).reduce((stride, length) => stride * (length + 1), 1),
    );
    const data = new Float32Array(dims.reduce((size, length) => size * (length + 1), 1));
    return { type: 'float32', dims, data, strides };
  };
  const zeros = (...dims: number[]) => Tensor.zeros('float32', dims);
  const [query, key, value] = [zeros(2, 4, 3, 8), zeros(2, 2, 5, 8), zeros(2, 2, 5, 8)];
  const attend = (options: object) => () =>
    attentionSync(query, key, value, { backend: 'reference', ...options });
  const linear = (weight: TensorLike, bias?: TensorLike) => ({ weight, ...(bias && { bias }) });
  const whole = linear(zeros(8, 8));
  const layer =
    (weights: object, options: object = {}) =>
    () =>
      new MultiHeadAttention(
        { query: whole, key: whole, value: whole, ...weights },
        { heads: 4, backend: 'reference', ...options },
      );
  const made = layer({})();
  const part = (output: TensorLike, logSumExp: TensorLike) => () =>
    mergeAttentionSync([{ output, logSumExp }]);

  const calls: Record<string, () => unknown> = {
    'options.mask': attend({ mask: strided(2, 1, 3, 5) }),
    'options.alibiSlopes': attend({ alibiSlopes: strided(2, 4) }),
    'options.sinks': attend({ sinks: { ...strided(4), strides: [2] } }),
    'options.kvLengths': attend({
      kvLengths: { type: 'int32', dims: [2], data: new Int32Array(4), strides: [2] },
    }),
    'options.score.weight': attend({ score: { type: 'general', weight: strided(8, 8) } }),
    'options.select.centers': attend({ select: { type: 'local', centers: strided(4, 3), halfWidth: 2 } }),
    'parts[0].output': part(strided(2, 3, 8), zeros(2, 3)),
    'parts[0].logSumExp': part(zeros(2, 3, 8), strided(2, 3)),
    input: () => projectSync(strided(2, 8), zeros(8, 8), undefined, { backend: 'reference' }),
    weight: () => projectSync(zeros(2, 8), strided(8, 8), undefined, { backend: 'reference' }),
    bias: () =>
      projectSync(zeros(2, 8), zeros(8, 8), { ...strided(8), strides: [2] }, { backend: 'reference' }),
    'weight ': () => packWeight(strided(8, 8)),
    'weights.query.weight': layer({ query: linear(strided(8, 8)) }),
    'weights.key.bias': layer({ key: linear(zeros(8, 8), { ...strided(8), strides: [3] }) }),
    'input ': () => made.forwardSync(strided(2, 3, 8)),
    'options.context': () => made.forwardSync(zeros(2, 3, 8), { context: strided(2, 3, 8) }),
    product: () => splitHeads(strided(2, 3, 24), { heads: 2 }),
  };
  for (const [name, call] of Object.entries(calls)) {
    it(`are refused as ${name.trim()}, with what to do instead`, () =>
      throwsHeed(
        call,
        'HEED_INVALID_ARGUMENT',
        new RegExp(
          `^Expected ${name.trim().replace(/[.[\]]/g, '\\$&')}\\.strides to be those of a dense tensor, \\[.*\\], received \\[.*\\]; copy its elements to one`,
        ),
      ));
  }

  it('are refused by heed/onnx and heed/safetensors', async () => {
    const tensor = strided(2, 4, 3, 8);
    await rejectsHeed(
      () => onnxAttention({ Q: tensor, K: query, V: query }),
      'HEED_INVALID_ARGUMENT',
      'Expected Q.strides to be those of a dense tensor',
    );
    await rejectsHeed(
      () => save('unwritten.safetensors', { a: tensor }),
      'HEED_INVALID_ARGUMENT',
      'strides to be those of a dense tensor',
    );
  });

  it('are taken everywhere where the strides are those of a dense tensor', () => {
    const tensor = random.tensor('float32', [2, 1, 3, 8]);
    const same = { type: tensor.type, dims: tensor.dims, data: tensor.data, strides: [24, 99, 8, 1] };
    const input = { type: 'float32' as const, dims: [6, 8], data: tensor.data, strides: [8, 1] };
    const weight = random.tensor('float32', [3, 8]);
    expectSameBits(
      projectSync(input, weight, undefined, { backend: 'reference' }),
      projectSync(tensor.reshape([6, 8]), weight, undefined, { backend: 'reference' }),
    );
    expectSameBits(
      attentionSync(same, tensor, tensor, { backend: 'reference' }),
      attentionSync(tensor, tensor, tensor, { backend: 'reference' }),
    );
  });
});
