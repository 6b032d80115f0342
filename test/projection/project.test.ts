import assert from 'node:assert/strict';
import { type PackedWeight, packWeight } from '../../lib/projection/packed-weight.js';
import { type ProjectOptions, project } from '../../lib/projection/project.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType, TensorLike } from '../../lib/tensor/types.js';
import { typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectClose, expectSameBits, tolerances } from '../support/compare.js';
import { linearOracle, toHeads } from '../support/linear.js';
import { toNumbers } from '../support/numbers.js';
import { poisoned } from '../support/poison.js';
import { Random, tensorOf } from '../support/random.js';
import { rejectsHeed, throwsHeed } from '../support/rejects.js';
import { resizableBuffer } from '../support/resizable.js';

/** Lengths around the sizes at which kernels change their method. */
const lengths = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 24, 31, 33, 48, 63, 64, 65, 100, 129];

eachBackend('project', (backend) => {
  const random = new Random(`project on ${backend}`);

  /** Writes into an output filled with NaN, and checks the memory around it. */
  async function intoPoison(
    input: TensorLike,
    weight: TensorLike | PackedWeight,
    bias: TensorLike | undefined,
    dims: readonly number[],
    options: ProjectOptions = {},
  ): Promise<Tensor> {
    const out = poisoned(input.type as FloatType, dims);
    const result = await project(input, weight, bias, { ...options, backend, out: out.tensor });
    assert.equal(result, out.tensor);
    out.expectMarginsIntact();
    return result;
  }

  function draw(type: FloatType, rows: number, inner: number, columns: number) {
    const input = random.tensor(type, [rows, inner]);
    const weight = random.tensor(type, [columns, inner]);
    const bias = random.chance(0.5) ? random.tensor(type, [columns]) : undefined;
    return { input, weight, bias };
  }

  for (const type of typesOf(backend)) {
    it(`is the product of input and weight, plus the bias, in ${type}`, async () => {
      for (let round = 0; round < 25; round++) {
        const [rows, inner, columns] = [random.pick(lengths), random.pick(lengths), random.pick(lengths)];
        const { input, weight, bias } = draw(type, rows, inner, columns);
        const expected = linearOracle(toNumbers(input), { weight, ...(bias && { bias }) });
        const what = `${rows} × ${inner} × ${columns}${bias ? ' with bias' : ''}:`;
        const plain = await intoPoison(input, weight, bias, [rows, columns]);
        // The ordinary magnitude of an element, which is a sum of that many products.
        const least = Math.sqrt(inner);
        expectClose(plain, expected, tolerances[type], what, least);
        const packed = packWeight(weight, { backend });
        const result = await intoPoison(input, packed, bias, [rows, columns]);
        expectClose(result, expected, tolerances[type], `packed ${what}`, least);
        packed.dispose();
      }
    });

    it(`cuts the product into heads in ${type}`, async () => {
      for (let round = 0; round < 15; round++) {
        const [batch, steps, heads, width] = [3, 20, 6, 40].map((most) => random.integer(1, most));
        const inner = random.pick(lengths);
        const { input, weight, bias } = draw(type, batch * steps, inner, heads * width);
        const rows = linearOracle(toNumbers(input), { weight, ...(bias && { bias }) });
        const expected = toHeads(rows, { batch, steps, heads, width });
        const shaped = input.reshape([batch, steps, inner]);
        for (const factor of [weight, packWeight(weight, { backend })]) {
          const dims = [batch, heads, steps, width];
          const result = await intoPoison(shaped, factor, bias, dims, { heads });
          expectClose(result, expected, tolerances[type], `[${dims}] from ${inner}:`, Math.sqrt(inner));
        }
      }
    });
  }

  it('mixes storage types of input, weight and bias', async () => {
    const types = typesOf(backend);
    for (const inputType of types) {
      for (const weightType of types) {
        const input = random.tensor(inputType, [9, 33]);
        const weight = random.tensor(weightType, [21, 33]);
        const bias = random.tensor(random.pick(['float32', 'float16', 'bfloat16', 'float64']), [21]);
        const expected = linearOracle(toNumbers(input), { weight, bias });
        for (const factor of [weight, packWeight(weight, { backend })]) {
          const result = await intoPoison(input, factor, bias, [9, 21]);
          expectClose(result, expected, tolerances[inputType], `${inputType} × ${weightType}:`);
        }
      }
    }
  });

  it('keeps the outer axes of the input', async () => {
    const weight = random.tensor('float32', [6, 10]);
    for (const outer of [[], [1], [4], [2, 3], [2, 1, 3], [1, 2, 2, 2]]) {
      const input = random.tensor('float32', [...outer, 10]);
      const result = await project(input, weight, undefined, { backend });
      assert.deepEqual(result.dims, [...outer, 6]);
      expectClose(result, linearOracle(toNumbers(input), { weight }), tolerances.float32);
    }
  });

  it('answers with what there is when an axis has no length', async () => {
    const empty = (...dims: number[]) => Tensor.zeros('float32', dims);
    const bias = random.tensor('float32', [4]);
    for (const factor of [empty(4, 3), packWeight(empty(4, 3), { backend })]) {
      assert.deepEqual((await project(empty(0, 3), factor, bias, { backend })).dims, [0, 4]);
      const heads = await project(empty(2, 0, 3), factor, bias, { backend, heads: 2 });
      assert.deepEqual(heads.dims, [2, 2, 0, 2]);
    }
    for (const factor of [empty(4, 0), packWeight(empty(4, 0), { backend })]) {
      const result = await intoPoison(empty(2, 0), factor, bias, [2, 4]);
      assert.deepEqual([...result.data], [...bias.data, ...bias.data]);
      const zeros = await intoPoison(empty(1, 6, 0), factor, undefined, [1, 2, 6, 2], { heads: 2 });
      assert.deepEqual([...zeros.data], new Array(24).fill(0));
    }
    for (const factor of [empty(0, 3), packWeight(empty(0, 3), { backend })]) {
      assert.deepEqual((await project(empty(5, 3), factor, undefined, { backend })).dims, [5, 0]);
      const heads = await project(empty(1, 5, 3), factor, undefined, { backend, heads: 7 });
      assert.deepEqual(heads.dims, [1, 7, 5, 0]);
    }
    const countless = { type: 'float32', dims: [2 ** 52, 0], data: new Float32Array() } as const;
    assert.deepEqual((await project(countless, empty(0, 0), undefined, { backend })).dims, [2 ** 52, 0]);
  });

  it('reads views, shared and resizable memory where they are', async () => {
    const weight = random.tensor('float32', [5, 4]);
    const input = random.tensor('float32', [3, 4]);
    const expected = await project(input, weight, undefined, { backend });
    const copies: Float32Array[] = [
      new Float32Array(new SharedArrayBuffer(60), 8, 12),
      new Float32Array(new ArrayBuffer(100), 12, 12),
      new Float32Array(resizableBuffer(48, 96)),
    ];
    for (const data of copies) {
      data.set(input.data as Float32Array);
      const result = await project({ type: 'float32', dims: [3, 4], data }, weight, undefined, { backend });
      expectSameBits(result, expected);
    }
  });

  it('takes an input that shrinks while it runs', async () => {
    const buffer = resizableBuffer(48, 96);
    const data = new Float32Array(buffer);
    const input = random.tensor('float32', [3, 4]);
    const weight = random.tensor('float32', [5, 4]);
    data.set(input.data as Float32Array);
    const running = project({ type: 'float32', dims: [3, 4], data }, weight, undefined, { backend });
    Reflect.get(buffer, 'resize').call(buffer, 0);
    expectClose(await running, linearOracle(toNumbers(input), { weight }), tolerances.float32);
  });

  it('lets what is not finite reach exactly the elements that it touches', async () => {
    const input = random.tensor('float32', [4, 20]);
    input.data[20] = Number.NaN;
    input.data[40] = Number.POSITIVE_INFINITY;
    const weight = tensorOf('float32', [19, 20], () => random.uniform(0.5, 1));
    for (const factor of [weight, packWeight(weight, { backend })]) {
      const result = await project(input, factor, undefined, { backend });
      const rows = [0, 1, 2, 3].map((row) => [...result.data.subarray(row * 19, row * 19 + 19)].map(Number));
      assert.ok(rows[0].every(Number.isFinite));
      assert.ok(rows[1].every(Number.isNaN));
      assert.ok(rows[2].every((element) => element === Number.POSITIVE_INFINITY));
      assert.ok(rows[3].every(Number.isFinite));
    }
  });

  it('runs any number of products at once', async () => {
    const weight = random.tensor('float32', [33, 20]);
    const packed = packWeight(weight, { backend });
    const inputs = Array.from({ length: 40 }, (_, i) => random.tensor('float32', [i, 20]));
    const results = await Promise.all(inputs.map((input) => project(input, packed, undefined, { backend })));
    for (const [i, result] of results.entries()) {
      expectClose(result, linearOracle(toNumbers(inputs[i]), { weight }), tolerances.float32, `${i} rows:`);
    }
  });

  it('stops when its signal aborts', async () => {
    const reason = new Error('enough');
    const weight = random.tensor('float32', [64, 64]);
    const input = random.tensor('float32', [100, 64]);
    const aborted = AbortSignal.abort(reason);
    const out = poisoned('float32', [100, 64]);
    await assert.rejects(
      project(input, weight, undefined, { backend, signal: aborted, out: out.tensor }),
      (error) => error === reason,
    );
    assert.ok(toNumbers(out.tensor).every(Number.isNaN), 'nothing was written');
    const controller = new AbortController();
    const large = Tensor.zeros('float32', [20_000, 64]);
    const running = project(large, weight, undefined, { backend, signal: controller.signal });
    controller.abort(reason);
    await assert.rejects(running, (error) => error === reason);
    const unhurried = new AbortController();
    const result = await project(input, weight, undefined, { backend, signal: unhurried.signal });
    unhurried.abort();
    expectClose(result, linearOracle(toNumbers(input), { weight }), tolerances.float32);
  });

  if (backend === 'cpu') {
    it('leaves float64 to the reference backend', async () => {
      const single = random.tensor('float32', [2, 3]);
      const double = random.tensor('float64', [2, 3]);
      const refusal = /the cpu backend supports, received 'float64'/;
      throwsHeed(() => packWeight(double, { backend }), 'HEED_UNSUPPORTED_TYPE', refusal);
      for (const [input, weight] of [
        [double, single],
        [single, double],
        [double, packWeight(single, { backend })],
      ] as const) {
        await rejectsHeed(
          () => project(input, weight, undefined, { backend }),
          'HEED_UNSUPPORTED_TYPE',
          refusal,
        );
      }
    });
  }
});
