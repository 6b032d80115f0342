/**
 * Compares the operators of com.microsoft in heed/onnx with those of onnxruntime, which defines them, on
 * random nodes. What its kernels for CPUs lack is compared with oracles alone, in test/onnx/microsoft: packed
 * inputs of MultiHeadAttention and all types but float32 of it, bfloat16, and several steps at once for
 * several entries with a past.
 */
import assert from 'node:assert/strict';
import { microsoft } from '../../lib/onnx.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import {
  drawGroupQueryAttention,
  drawMultiHeadAttention,
  drawRotaryEmbedding,
  type MicrosoftNode,
  titleOf,
} from '../../test/onnx/microsoft/nodes.js';
import { decode, type NdArray } from '../../test/onnx/nd-array.js';
import { eachBackend } from '../../test/support/backends.js';
import { Random } from '../../test/support/random.js';
import type { Value } from '../peers/onnx-model.js';
import { openSession } from '../peers/onnxruntime.js';

type Type = 'float32' | 'float16';

interface Operator {
  readonly name: string;
  readonly inputs: readonly string[];
  /** The names of the outputs and how many axes each has. */
  readonly outputs: (node: MicrosoftNode) => Readonly<Record<string, number>>;
}

const groupQueryAttention: Operator = {
  name: 'GroupQueryAttention',
  inputs: [
    ...['query', 'key', 'value', 'past_key', 'past_value', 'seqlens_k', 'total_sequence_length'],
    ...['cos_cache', 'sin_cache', 'position_ids', 'attention_bias', 'head_sink'],
  ],
  outputs: ({ attributes }) => ({
    ...{ output: 3, present_key: 4, present_value: 4 },
    ...(attributes.qk_output && { output_qk: 4 }),
  }),
};

const multiHeadAttention: Operator = {
  name: 'MultiHeadAttention',
  inputs: [
    ...['query', 'key', 'value', 'bias', 'key_padding_mask', 'attention_bias', 'past_key', 'past_value'],
    ...['past_sequence_length', 'cache_indirection'],
  ],
  outputs: () => ({ output: 3, present_key: 4, present_value: 4, qk: 4 }),
};

const rotaryEmbedding: Operator = {
  name: 'RotaryEmbedding',
  inputs: ['input', 'position_ids', 'cos_cache', 'sin_cache'],
  outputs: ({ inputs }) => ({ output: inputs.input.dims.length }),
};

const floatAttributes = ['scale', 'softcap', 'mask_filter_value', 'qk_norm_epsilon'];

/** onnxruntime's answer, whose last outputs may be left out. */
async function peer(
  operator: Operator,
  { inputs, attributes }: MicrosoftNode,
  outputs: Readonly<Record<string, number>>,
): Promise<Record<string, NdArray>> {
  const attribute = ([name, value]: [string, number]) =>
    [name, floatAttributes.includes(name) ? { float: value } : value] as const;
  const names = operator.inputs.map((name) => (name in inputs ? name : ''));
  const graph = {
    nodes: [
      {
        operator: operator.name,
        domain: 'com.microsoft' as const,
        inputs: names,
        outputs: Object.keys(outputs),
        attributes: Object.fromEntries(Object.entries(attributes).map(attribute)),
      },
    ],
    inputs: Object.entries(inputs).map(
      ([name, { type, dims }]): Value => ({ name, type: type as 'float32', dims }),
    ),
    outputs: Object.entries(outputs).map(
      ([name, axes]): Value<string> => ({
        name,
        type: (inputs.query ?? inputs.input).type as Type,
        dims: Array.from({ length: axes }, (_, axis) => `${name} ${axis}`),
      }),
    ),
  };
  const { Tensor: PeerTensor, session } = await openSession(graph, 1);
  try {
    const feeds = Object.entries(inputs).map(([name, { type, data, dims }]) => [
      name,
      new PeerTensor(type, data, dims),
    ]);
    const results = await session.run(Object.fromEntries(feeds));
    return Object.fromEntries(
      Object.entries(results).map(([name, tensor]) => [name, decode(tensor as never)]),
    );
  } finally {
    await session.release();
  }
}

interface Tolerance {
  readonly absolute: number;
  readonly relative: number;
}

/**
 * onnxruntime rotates in float16 itself; and where scores stand at -10000, float32 keeps no more than three
 * decimals.
 */
const tolerances: Record<Type | 'low scores', Tolerance> = {
  float32: { absolute: 1e-4, relative: 1e-3 },
  float16: { absolute: 8e-2, relative: 5e-2 },
  'low scores': { absolute: 1e-2, relative: 1e-2 },
};

function expectAgreement(
  received: Tensor,
  expected: NdArray,
  { absolute, relative }: Tolerance,
  what: string,
  means: (index: number) => boolean = () => true,
): void {
  assert.deepEqual(received.dims, expected.dims, `dims of ${what}`);
  const { values } = decode(received);
  for (const [i, right] of expected.values.entries()) {
    if (!means(i)) continue;
    // A row that a bias of −∞ leaves without any key is NaN in some kernels of onnxruntime, and 0 in heed.
    const wanted = Number.isNaN(right) ? 0 : right;
    const near = Math.abs(values[i] - wanted) <= absolute + relative * Math.abs(wanted);
    assert.ok(near || values[i] === wanted, `${what}[${i}] is ${values[i]}, of onnxruntime ${right}`);
  }
}

/**
 * Whether an element of a result has a meaning: with a window, rows behind the last step of a padded entry
 * have none.
 */
function meaning({
  inputs,
  attributes,
}: MicrosoftNode): (name: string, dims: readonly number[]) => (index: number) => boolean {
  const { query, seqlens_k, total_sequence_length } = inputs;
  const [batch, steps] = query.dims;
  const padded = steps === total_sequence_length.data[0] && attributes.local_window_size !== undefined;
  const lengths = Array.from({ length: batch }, (_, entry) => Number(seqlens_k.data[entry]) + 1);
  const isStep = (entry: number, step: number) => !padded || step < lengths[entry];
  return (name, dims) => {
    const [, second, third, fourth = 1] = dims;
    if (name === 'output') {
      return (index) => isStep(Math.floor(index / second / third), Math.floor(index / third) % second);
    }
    if (name !== 'output_qk') return () => true;
    return (index) => {
      const entry = Math.floor(index / second / third / fourth);
      return isStep(entry, Math.floor(index / fourth) % third) && index % fourth < lengths[entry];
    };
  };
}

eachBackend('com.microsoft agrees with onnxruntime', (backend) => {
  for (const type of ['float32', 'float16'] as const) {
    it(`GroupQueryAttention in ${type}`, async () => {
      const random = new Random(`GroupQueryAttention of onnxruntime in ${type}`);
      for (let i = 0; i < 400; i++) {
        const node = drawGroupQueryAttention(random, type, 'onnxruntime');
        const expected = await peer(groupQueryAttention, node, groupQueryAttention.outputs(node));
        const received = await microsoft.groupQueryAttention(node.inputs as never, node.attributes as never, {
          backend,
        });
        const means = meaning(node);
        assert.deepEqual(Object.keys(received).sort(), Object.keys(expected).sort());
        for (const [name, tensor] of Object.entries(received)) {
          const what = `${name} of ${titleOf(i, node)}`;
          expectAgreement(tensor, expected[name], tolerances[type], what, means(name, tensor.dims));
        }
      }
    }).timeout(120_000);

    it(`RotaryEmbedding in ${type}`, async () => {
      const random = new Random(`RotaryEmbedding of onnxruntime in ${type}`);
      for (let i = 0; i < 200; i++) {
        const node = drawRotaryEmbedding(random, type);
        const expected = await peer(rotaryEmbedding, node, rotaryEmbedding.outputs(node));
        const received = await microsoft.rotaryEmbedding(node.inputs as never, node.attributes as never, {
          backend,
        });
        const what = `output of ${titleOf(i, node)}`;
        expectAgreement(received.output, expected.output, tolerances[type], what);
      }
    }).timeout(120_000);
  }

  it('MultiHeadAttention in float32', async () => {
    const random = new Random('MultiHeadAttention of onnxruntime');
    const all = Object.keys(multiHeadAttention.outputs({ inputs: {}, attributes: {} })) as never[];
    for (let i = 0; i < 400; i++) {
      const node = drawMultiHeadAttention(random, 'float32', 'onnxruntime');
      const expected = await peer(multiHeadAttention, node, multiHeadAttention.outputs(node));
      const received = await microsoft.multiHeadAttention(node.inputs as never, node.attributes as never, {
        backend,
        outputs: all,
      });
      const rows = expected.qk.dims[3];
      const scores = Array.from({ length: expected.qk.values.length / rows }, (_, row) =>
        Math.max(...expected.qk.values.subarray(row * rows, (row + 1) * rows)),
      );
      const tolerance =
        tolerances[scores.some((top) => top < -1000 && top > -1e6) ? 'low scores' : 'float32'];
      for (const [name, tensor] of Object.entries(received)) {
        const what = `${name} of ${titleOf(i, node)}`;
        expectAgreement(tensor, expected[name], tolerance, what);
      }
      const alone = await microsoft.multiHeadAttention(node.inputs as never, node.attributes as never, {
        backend,
        outputs: [],
      });
      expectAgreement(alone.output, decode(received.output), tolerance, 'output alone');
    }
  }).timeout(120_000);

  it('MultiHeadAttention with buffers, of which onnxruntime takes those of beams', async () => {
    const random = new Random('MultiHeadAttention with buffers');
    const float = (...dims: number[]) => random.tensor('float32', dims);
    const int32 = (dims: number[], data: number[]) => new Tensor('int32', Int32Array.from(data), dims);
    for (let i = 0; i < 100; i++) {
      const [batch, heads, width, past] = [
        random.integer(1, 3),
        random.integer(1, 3),
        8,
        random.integer(1, 5),
      ];
      const room = past + random.integer(1, 3);
      const inputs = {
        ...{ query: float(batch, 1, heads * width), key: float(batch, 1, heads * width) },
        value: float(batch, 1, heads * width),
        past_key: float(batch, heads, room, width),
        past_value: float(batch, heads, room, width),
        past_sequence_length: int32([1], [past]),
        ...(random.chance(0.5) && { bias: float(3 * heads * width) }),
        ...(random.chance(0.5) && { attention_bias: float(1, heads, 1, past + 1) }),
      };
      const attributes = { num_heads: heads };
      const outputs = ['present_key', 'present_value', 'qk'] as const;
      // One beam, which is its own past.
      const cache_indirection = Tensor.zeros('int32', [batch, 1, room]);
      const node = { inputs: { ...inputs, cache_indirection }, attributes };
      const expected = await peer(multiHeadAttention, node, multiHeadAttention.outputs(node));
      const received = await microsoft.multiHeadAttention(inputs, attributes, { backend, outputs });
      for (const [name, tensor] of Object.entries(received)) {
        // Steps of the buffers behind the new one mean nothing.
        const means = (index: number) =>
          !name.startsWith('present') || Math.floor(index / width) % room <= past;
        expectAgreement(tensor, expected[name], tolerances.float32, `${name} of ${titleOf(i, node)}`, means);
      }
    }
  }).timeout(120_000);
});
