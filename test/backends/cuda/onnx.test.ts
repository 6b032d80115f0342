/** The operators of heed/onnx on tensors of a device: results are there, and what oracles in float64 say. */
import assert from 'node:assert/strict';
import { deviceMemory, limitDeviceMemory } from '../../../lib/backends/devices.js';
import { cudaDevice } from '../../../lib/backends/native/native.js';
import type { HeedError } from '../../../lib/errors.js';
import {
  attention,
  attentionSync,
  microsoft,
  rotaryEmbedding,
  rotaryEmbeddingSync,
} from '../../../lib/onnx.js';
import { Tensor } from '../../../lib/tensor/tensor.js';
import type { FloatType, TypedArray } from '../../../lib/tensor/types.js';
import { attentionOracle } from '../../onnx/attention-oracle.js';
import { expectAllClose } from '../../onnx/compare.js';
import {
  drawGroupQueryAttention,
  drawMultiHeadAttention,
  drawRotaryEmbedding,
  titleOf,
} from '../../onnx/microsoft/nodes.js';
import {
  groupQueryAttentionOracle,
  microsoftRotaryEmbeddingOracle,
  multiHeadAttentionOracle,
  roundingTo,
} from '../../onnx/microsoft/oracles.js';
import { decode, type NdArray } from '../../onnx/nd-array.js';
import { drawAttention, drawRotaryEmbedding as drawOnnxRotaryEmbedding } from '../../onnx/nodes.js';
import { rotaryEmbeddingOracle } from '../../onnx/rotary-embedding-oracle.js';
import { many } from '../../support/backends.js';
import { collected } from '../../support/collected.js';
import { expectSameBits } from '../../support/compare.js';
import { expectMemoryBack, onDevice } from '../../support/device.js';
import { Random } from '../../support/random.js';
import { rejectsHeed, throwsHeed } from '../../support/rejects.js';

type Tensors = Readonly<Record<string, Tensor>>;

const types: FloatType[] = ['float32', 'float16', 'bfloat16'];
const decoded = (tensors: Tensors): Record<string, NdArray> =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, decode(tensor)]));

async function placed(tensors: Tensors, location: 'cuda' | 'cpu'): Promise<Record<string, Tensor>> {
  const entries = Object.entries(tensors).map(async ([name, tensor]) => [name, await tensor.to(location)]);
  return Object.fromEntries(await Promise.all(entries)) as Record<string, Tensor>;
}

function dispose(tensors: Tensors): void {
  for (const tensor of Object.values(tensors)) tensor.dispose();
}

/** Leaves NaN in memory that is allocated next. */
async function poison(): Promise<void> {
  const made = [64, 256, 1024, 4096, 16384].flatMap((size) =>
    Array.from({ length: 6 }, () => new Tensor(new Float32Array(size).fill(Number.NaN), [size]).to('cuda')),
  );
  for (const tensor of await Promise.all(made)) tensor.dispose();
}

/** Calls with inputs on the device, and returns the results as the CPU has them. */
async function call(
  inputs: Tensors,
  operator: (inputs: never) => Promise<object>,
): Promise<Record<string, Tensor>> {
  const given = await placed(inputs, 'cuda');
  await poison();
  const { used } = deviceMemory();
  const results = { ...(await operator(given as never)) } as Record<string, Tensor>;
  for (const [name, { location }] of Object.entries(results)) assert.equal(location, 'cuda:0', name);
  const there = await placed(results, 'cpu');
  dispose(results);
  expectMemoryBack('cuda', used);
  for (const [name, input] of Object.entries(inputs))
    assert.deepEqual(await given[name].getData(), input.data, name);
  dispose(given);
  return there;
}

/** The bytes of each array that is fetched from the device while something runs. */
async function fetchedDuring(work: () => Promise<object>): Promise<number[]> {
  const device = cudaDevice('cuda:0');
  const fetched: number[] = [];
  const original = device.downloadSync.bind(device);
  device.downloadSync = (from, to: TypedArray | Int8Array) => {
    fetched.push(to.byteLength);
    original(from, to);
  };
  device.download = () => assert.fail('nothing is fetched in the background');
  try {
    dispose({ ...(await work()) } as Tensors);
  } finally {
    Reflect.deleteProperty(device, 'downloadSync');
    Reflect.deleteProperty(device, 'download');
  }
  return fetched;
}

/** A random node of each operator, with results that are not empty. */
function drawNodes(random: Random, type: FloatType) {
  const onnx = drawAttention(random, type);
  const options = { opset: onnx.opset, outputs: onnx.outputs } as never;
  let rotary = drawOnnxRotaryEmbedding(random, type);
  while (rotary.inputs.input.size === 0) rotary = drawOnnxRotaryEmbedding(random, type);
  const grouped = drawGroupQueryAttention(random, type, 'heed');
  const plain = drawMultiHeadAttention(random, type, 'heed');
  const own = drawRotaryEmbedding(random, type);
  const node = <Attributes>(
    drawn: { readonly inputs: Tensors; readonly attributes: object },
    run: (inputs: never, attributes: Attributes, options?: never) => Promise<object>,
    runSync: (inputs: never, attributes: Attributes, options?: never) => object,
    given?: never,
  ) => ({
    inputs: drawn.inputs,
    title: `${run.name}: ${titleOf(0, drawn as never)}`,
    run: async (inputs: Tensors) =>
      ({ ...(await run(inputs as never, drawn.attributes as Attributes, given)) }) as Tensors,
    runSync: (inputs: Tensors) =>
      ({ ...runSync(inputs as never, drawn.attributes as Attributes, given) }) as Tensors,
  });
  return [
    node(onnx, attention, attentionSync, options),
    node(rotary, rotaryEmbedding, rotaryEmbeddingSync),
    node(grouped, microsoft.groupQueryAttention, microsoft.groupQueryAttentionSync),
    node(plain, microsoft.multiHeadAttention, microsoft.multiHeadAttentionSync),
    node(own, microsoft.rotaryEmbedding, microsoft.rotaryEmbeddingSync),
  ];
}

/** The inputs that are read when they are given. */
const readAtOnce = new Set([
  'nonpad_kv_seqlen',
  'seqlens_k',
  'total_sequence_length',
  'past_sequence_length',
  'key_padding_mask',
  'position_ids',
  'head_sink',
]);

async function expectSameResults(actual: Tensors, expected: Tensors): Promise<void> {
  assert.deepEqual(Object.keys(actual), Object.keys(expected));
  for (const [name, tensor] of Object.entries(actual))
    expectSameBits(await tensor.to('cpu'), await expected[name].to('cpu'));
  dispose(actual);
}

onDevice('onnx operators', () => {
  // What other files have left to the collector would be released while these tests count.
  before(() => collected());

  for (const type of types) {
    it(`Attention is that of the specification for any ${type} node`, async () => {
      const random = new Random(`onnx attention on a device, ${type}`);
      for (let i = 0; i < many(150); i++) {
        const { inputs, attributes, opset, outputs } = drawAttention(random, type);
        const results = await call(inputs, (given) =>
          attention(given, attributes as never, { opset, outputs } as never),
        );
        const right: Record<string, NdArray> = attentionOracle(decoded(inputs) as never, attributes);
        assert.deepEqual(Object.keys(results).sort(), [...outputs].sort());
        for (const [name, tensor] of Object.entries(results)) {
          const wanted = name === 'present_value' ? inputs.V.type : type;
          expectAllClose(tensor, right[name], wanted, `${name} of ${titleOf(i, { inputs, attributes })}`);
        }
      }
    });

    it(`GroupQueryAttention is what its definition says for any ${type} node`, async () => {
      const random = new Random(`GroupQueryAttention on a device, ${type}`);
      for (let i = 0; i < many(150); i++) {
        const node = drawGroupQueryAttention(random, type, 'heed');
        const results = await call(node.inputs, (given) =>
          microsoft.groupQueryAttention(given, node.attributes as never),
        );
        const { scores, weights, output, present_key, present_value } = groupQueryAttentionOracle(
          decoded(node.inputs),
          node.attributes,
          roundingTo(type),
        );
        const output_qk = { 1: scores, 2: weights }[node.attributes.qk_output ?? 0];
        const right: Record<string, NdArray> = {
          output,
          present_key,
          present_value,
          ...(output_qk && { output_qk }),
        };
        assert.deepEqual(Object.keys(results).sort(), Object.keys(right).sort());
        for (const [name, wanted] of Object.entries(right))
          expectAllClose(results[name], wanted, type, `${name} of ${titleOf(i, node)}`);
      }
    });

    it(`MultiHeadAttention is what its definition says for any ${type} node`, async () => {
      const random = new Random(`MultiHeadAttention on a device, ${type}`);
      for (let i = 0; i < many(150); i++) {
        const node = drawMultiHeadAttention(random, type, 'heed');
        const { attributes } = node;
        const { hidesRows, ...right } = multiHeadAttentionOracle(
          decoded(node.inputs),
          attributes,
          roundingTo(type),
        );
        // float32 keeps three decimals of a score that -10000 is added to.
        const rough = hidesRows && attributes.mask_filter_value === undefined;
        const outputs = ['present_key', 'present_value', 'qk'].filter(() => random.chance(0.5)) as never[];
        const results = await call(node.inputs, (given) =>
          microsoft.multiHeadAttention(given, attributes as never, { outputs }),
        );
        assert.deepEqual(Object.keys(results).sort(), ['output', ...outputs].sort());
        for (const [name, tensor] of Object.entries(results)) {
          const tolerance = rough && type === 'float32' ? 'float16' : type;
          const wanted = right[name as keyof typeof right];
          expectAllClose(tensor, wanted, type, `${name} of ${titleOf(i, node)}`, tolerance);
        }
      }
    });
  }

  for (const type of types) {
    it(`both RotaryEmbedding are what their definitions say for any ${type} node`, async () => {
      const random = new Random(`RotaryEmbedding on a device, ${type}`);
      for (let i = 0; i < many(150); i++) {
        const onnx = drawOnnxRotaryEmbedding(random, type);
        const { output } = await call(onnx.inputs, (given) => rotaryEmbedding(given, onnx.attributes));
        const right = rotaryEmbeddingOracle(decoded(onnx.inputs) as never, onnx.attributes);
        expectAllClose(output, right, type, `output of ${titleOf(i, onnx)}`);
        const node = drawRotaryEmbedding(random, type);
        const own = await call(node.inputs, (given) => microsoft.rotaryEmbedding(given, node.attributes));
        const wanted = microsoftRotaryEmbeddingOracle(decoded(node.inputs), node.attributes);
        expectAllClose(own.output, wanted, type, `output of com.microsoft's ${titleOf(i, node)}`);
      }
    });
  }

  it('gives the same bits synchronously', async () => {
    const random = new Random('onnx operators on a device, Sync');
    for (const { inputs, run, runSync } of drawNodes(random, 'float32')) {
      const given = await placed(inputs, 'cuda');
      const expected = await run(given);
      await expectSameResults(runSync(given), expected);
      dispose(expected);
      dispose(given);
    }
  });

  it('wants inputs in one place, but for those that are read at once', async () => {
    const random = new Random('onnx operators in two places');
    for (let i = 0; i < 8; i++) {
      for (const { inputs, run, runSync } of drawNodes(random, random.pick(types))) {
        const given = await placed(inputs, 'cuda');
        const expected = await run(given);
        const { used } = deviceMemory();
        for (const name of Object.keys(inputs).slice(1)) {
          const mixed = { ...given, [name]: inputs[name] };
          if (readAtOnce.has(name)) {
            await expectSameResults(await run(mixed), expected);
            continue;
          }
          const message = `Expected ${name} to be where ${Object.keys(inputs)[0]} is ('cuda:0'), received one at 'cpu'`;
          await rejectsHeed(() => run(mixed), 'HEED_LOCATION_MISMATCH', message);
          throwsHeed(() => runSync(mixed), 'HEED_LOCATION_MISMATCH', message);
        }
        expectMemoryBack('cuda', used);
        dispose(expected);
        dispose(given);
      }
    }
  });

  it('leaves no memory behind where memory runs out', async () => {
    const random = new Random('onnx operators without memory');
    for (const { inputs, title, run } of drawNodes(random, 'float32')) {
      const given = await placed(inputs, 'cuda');
      const codes: unknown[] = [];
      for (let spare = 0; codes[codes.length - 1] !== 'none' && spare < 2 ** 20; spare += 512) {
        const { used } = deviceMemory();
        try {
          limitDeviceMemory(used + spare);
          dispose(await run(given));
          codes.push('none');
        } catch (error) {
          codes.push((error as HeedError).code);
        } finally {
          limitDeviceMemory(Number.POSITIVE_INFINITY);
        }
        expectMemoryBack('cuda', used);
      }
      assert.deepEqual(new Set(codes), new Set(['HEED_OUT_OF_MEMORY', 'none']), title);
      dispose(given);
    }
  });

  it('fetches lengths only, and reads them wherever they are', async () => {
    const random = new Random('onnx steps on a device');
    const [batch, heads, keyHeads, width, past] = [2, 4, 2, 8, 6];
    const float = (...dims: number[]) => random.tensor('float16', dims);
    const moved = await placed(
      {
        query: float(batch, 1, heads * width),
        key: float(batch, 1, keyHeads * width),
        value: float(batch, 1, keyHeads * width),
        past_key: float(batch, keyHeads, past, width),
        past_value: float(batch, keyHeads, past, width),
        seqlens_k: new Tensor('int32', Int32Array.of(5, 3), [batch]),
        table: float(16, width / 2),
        bias: float(3 * heads * width),
      },
      'cuda',
    );
    const total_sequence_length = new Tensor('int32', Int32Array.of(6), [1]);
    const attributes = { num_heads: heads, kv_num_heads: keyHeads, do_rotary: 1 } as const;
    const { table, bias, ...inputs } = moved;
    const { query: Q, key: K, value: V, past_key, past_value } = inputs;
    const angles = { cos_cache: table, sin_cache: table };
    const step = () =>
      microsoft.groupQueryAttention({ ...inputs, ...angles, total_sequence_length } as never, attributes);
    assert.deepEqual(await fetchedDuring(step), [4 * batch]);
    const sizes = { q_num_heads: heads, kv_num_heads: keyHeads };
    assert.deepEqual(await fetchedDuring(() => attention({ Q, K, V, past_key, past_value }, sizes)), []);
    const wide = { query: Q, key: Q, value: Q, bias };
    assert.deepEqual(await fetchedDuring(() => microsoft.multiHeadAttention(wide, { num_heads: heads })), []);
    const position_ids = new Tensor('int64', BigInt64Array.of(3n), [1]);
    const rotated = { input: Q, ...angles, position_ids };
    assert.deepEqual(await fetchedDuring(() => microsoft.rotaryEmbedding(rotated, { num_heads: heads })), []);
    dispose(moved);
  });

  it('keeps inputs that are disposed of while it runs', async () => {
    const random = new Random('onnx inputs that are disposed of');
    const inputs: Tensors = {
      Q: random.tensor('float32', [2, 3, 16]),
      K: random.tensor('float32', [2, 3, 16]),
      V: random.tensor('float32', [2, 3, 16]),
      past_key: random.tensor('float32', [2, 2, 4, 8]),
      past_value: random.tensor('float32', [2, 2, 4, 8]),
    };
    const attributes = { q_num_heads: 2, kv_num_heads: 2 };
    const given = await placed(inputs, 'cuda');
    const running = attention(given as never, attributes);
    dispose(given);
    const { Y } = await running;
    const expected = await attention(inputs as never, attributes, { backend: 'cuda' });
    expectSameBits(await Y.to('cpu'), expected.Y);
    Y.dispose();
  });

  it('refuses a backend of the CPU', async () => {
    const there = await new Random('onnx on another backend').tensor('float32', [1, 2, 3, 8]).to('cuda');
    await rejectsHeed(
      () => attention({ Q: there, K: there, V: there }, {}, { backend: 'cpu' }),
      'HEED_LOCATION_MISMATCH',
      "Expected options.backend to be 'cuda'",
    );
    there.dispose();
  });
});
