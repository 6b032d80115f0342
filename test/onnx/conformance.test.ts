/**
 * Tests the cases that ONNX publishes for its operators, with the numbers in test/conformance or those of the
 * oracles.
 */
import assert from 'node:assert/strict';
import { attention, rotaryEmbedding } from '../../lib/onnx.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import type { TensorLike } from '../../lib/tensor/types.js';
import { eachBackend, type TestedBackend } from '../support/backends.js';
import { Random } from '../support/random.js';
import { attentionOracle } from './attention-oracle.js';
import { expectAllClose } from './compare.js';
import { type FurtherCase, furtherAttentionCases, furtherRotaryEmbeddingCases } from './further-cases.js';
import { decode, type NdArray } from './nd-array.js';
import { type PublishedCase, publishedCases } from './published-cases.js';
import { drawInput } from './random-input.js';
import { rotaryEmbeddingOracle } from './rotary-embedding-oracle.js';
import { surrounded } from './surrounded.js';

type Named<Value> = Record<string, Value>;

interface Case {
  readonly attributes?: Named<number>;
  readonly opset: 23 | 24 | 25;
}

interface Operator {
  readonly published: readonly PublishedCase[];
  readonly further: readonly FurtherCase[];
  run(
    each: Case,
    inputs: Named<TensorLike>,
    outputs: readonly string[],
    backend: TestedBackend,
  ): Promise<Named<Tensor>>;
  oracle(inputs: Named<NdArray>, attributes: Named<number>): Named<NdArray>;
}

// Cases are data: the names in them are checked at run time.
const operators: Record<string, Operator> = {
  Attention: {
    published: publishedCases('attention'),
    further: furtherAttentionCases,
    run: async ({ attributes, opset }, inputs, outputs, backend) => ({
      ...(await attention(inputs as never, attributes as never, { opset, backend, outputs } as never)),
    }),
    oracle: (inputs, attributes) => attentionOracle(inputs as never, attributes),
  },
  RotaryEmbedding: {
    published: publishedCases('rotary-embedding'),
    further: furtherRotaryEmbeddingCases,
    run: async ({ attributes, opset }, inputs, outputs, backend) => ({
      ...(await rotaryEmbedding(inputs as never, attributes as never, { opset, backend, outputs } as never)),
    }),
    oracle: (inputs, attributes) => ({ output: rotaryEmbeddingOracle(inputs as never, attributes) }),
  },
};

const decodeAll = (tensors: Named<TensorLike>): Named<NdArray> =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, decode(tensor)]));

describe('ONNX conformance data', () => {
  it('is all there: 87 cases of Attention and 8 of RotaryEmbedding, 63 with numbers', () => {
    const count = (all: (operator: Operator) => readonly { name: string }[]) =>
      Object.values(operators).map((operator) => new Set(all(operator).map(({ name }) => name)).size);
    assert.deepEqual(
      count(({ published }) => published),
      [58, 5],
    );
    assert.deepEqual(
      count(({ published, further }) => [...published, ...further]),
      [87, 8],
    );
  });

  for (const [name, { published, oracle }] of Object.entries(operators)) {
    it(`agrees with the oracle of ${name}, which stands in where numbers are missing`, () => {
      for (const each of published) {
        const inputs = Object.fromEntries(each.inputs.map((input) => [input.name, input]));
        const right = oracle(decodeAll(inputs), each.attributes);
        for (const output of each.outputs) {
          const { dims, values } = right[output.name];
          assert.deepEqual(dims, output.dims, each.name);
          const given = decode(output).values;
          const wrong = given.findIndex(
            (value, i) =>
              value !== values[i] && !(Math.abs(value - values[i]) <= 1e-3 * (1 + Math.abs(values[i]))),
          );
          assert.equal(wrong, -1, `${each.name} ${output.name}[${wrong}]`);
        }
      }
    });
  }
});

/** Runs a case on inputs surrounded by NaN, and checks them afterwards. */
async function runSurrounded(
  operator: Operator,
  each: Case,
  inputs: Named<TensorLike>,
  outputs: readonly string[],
  backend: TestedBackend,
): Promise<Named<Tensor>> {
  const placed = Object.entries(inputs).map(([name, input]) => ({ name, ...surrounded(input) }));
  const tensors = Object.fromEntries(placed.map(({ name, tensor }) => [name, tensor]));
  const results = await operator.run(each, tensors, outputs, backend);
  for (const { expectUntouched } of placed) expectUntouched();
  assert.deepEqual(Object.keys(results).sort(), [...outputs].sort());
  return results;
}

for (const [name, operator] of Object.entries(operators)) {
  eachBackend(`ONNX ${name}`, (backend) => {
    for (const each of operator.published) {
      it(`${each.name}, opset ${each.opset}`, async () => {
        const inputs = Object.fromEntries(each.inputs.map((input) => [input.name, input]));
        const outputs = each.outputs.map((output) => output.name);
        const results = await runSurrounded(operator, each, inputs, outputs, backend);
        for (const output of each.outputs) {
          expectAllClose(results[output.name], decode(output), output.type, output.name);
        }
      });
    }

    for (const each of operator.further) {
      it(`${each.name}, opset ${each.opset}, on random inputs`, async () => {
        const random = new Random(each.name);
        const recipes = Object.entries(each.inputs);
        const inputs = Object.fromEntries(
          recipes.map(([input, recipe]) => [input, drawInput(random, recipe)]),
        );
        const results = await runSurrounded(operator, each, inputs, each.outputs, backend);
        const right = operator.oracle(decodeAll(inputs), each.attributes ?? {});
        const { type } = Object.values(inputs)[0];
        for (const output of each.outputs) expectAllClose(results[output], right[output], type, output);
      });
    }
  });
}
