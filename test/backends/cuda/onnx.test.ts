/** The operators of heed/onnx on tensors of a device: results are there, and what oracles in float64 say. */
import assert from 'node:assert/strict';
import { deviceMemory } from '../../../lib/backends/devices.js';
import { cudaDevice } from '../../../lib/backends/native/native.js';
import { attention, attentionSync, microsoft, rotaryEmbedding } from '../../../lib/onnx.js';
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
async function fetchedDuring(work: () => Promise<unknown>): Promise<number[]> {
  const device = cudaDevice('cuda:0');
  const fetched: number[] = [];
  const original = device.downloadSync.bind(device);
  device.downloadSync = (from, to: TypedArray | Int8Array) => {
    fetched.push(to.byteLength);
    original(from, to);
  };
  device.download = () => assert.fail('nothing is fetched in the background');
  try {
    await work();
  } finally {
    Reflect.deleteProperty(device, 'downloadSync');
    Reflect.deleteProperty(device, 'download');
  }
  return fetched;
}

onDevice('onnx operators', () => {
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
    const random = new Random('onnx attention on a device, Sync');
    const { inputs, attributes, opset, outputs } = drawAttention(random, 'float32');
    const options = { opset, outputs } as never;
    const given = await placed(inputs, 'cuda');
    const once = { ...(await attention(given as never, attributes as never, options)) };
    const again = await placed({ ...attentionSync(given as never, attributes as never, options) }, 'cpu');
    for (const [name, tensor] of Object.entries(await placed(once as Tensors, 'cpu')))
      expectSameBits(again[name], tensor);
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
      },
      'cuda',
    );
    const total_sequence_length = new Tensor('int32', Int32Array.of(6), [1]);
    const attributes = { num_heads: heads, kv_num_heads: keyHeads };
    const step = () =>
      microsoft.groupQueryAttention({ ...moved, total_sequence_length } as never, attributes);
    assert.deepEqual(await fetchedDuring(step), [4 * batch]);
    const { query: Q, key: K, value: V, past_key, past_value } = moved;
    const sizes = { q_num_heads: heads, kv_num_heads: keyHeads };
    assert.deepEqual(await fetchedDuring(() => attention({ Q, K, V, past_key, past_value }, sizes)), []);
    const wide = { query: Q, key: Q, value: Q };
    assert.deepEqual(await fetchedDuring(() => microsoft.multiHeadAttention(wide, { num_heads: heads })), []);
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
  });

  it('refuses tensors of two places, and leaves no memory behind', async () => {
    const random = new Random('onnx refusals on a device');
    const { used } = deviceMemory();
    const x = random.tensor('float32', [1, 3, 16]);
    const there = await x.to('cuda');
    const heads = { q_num_heads: 2, kv_num_heads: 2 };
    const place = "to be where Q is ('cuda:0'), received one at 'cpu'";
    const mixed = { Q: there, K: x, V: there };
    await rejectsHeed(() => attention(mixed, heads), 'HEED_LOCATION_MISMATCH', `Expected K ${place}`);
    throwsHeed(() => attentionSync(mixed, heads), 'HEED_LOCATION_MISMATCH', `Expected K ${place}`);
    await rejectsHeed(
      () => attention({ Q: there, K: there, V: there }, heads, { backend: 'cpu' }),
      'HEED_LOCATION_MISMATCH',
      "Expected options.backend to be 'cuda'",
    );
    const rotary = drawRotaryEmbedding(random, 'float32');
    const turned = await placed(rotary.inputs, 'cuda');
    await rejectsHeed(
      () => rotaryEmbedding({ ...turned, input: rotary.inputs.input } as never, { num_heads: 1 }),
      'HEED_LOCATION_MISMATCH',
      'Expected cos_cache to be where input is',
    );
    dispose({ there });
    dispose(turned);
    assert.equal(deviceMemory().used, used);
  });
});
