/**
 * Tests the rotation in a projection's epilogue on the cases that ONNX publishes for RotaryEmbedding: x times
 * the identity, rotated.
 */
import { precisionOf } from '../../lib/backends/backend.js';
import { chooseBackend } from '../../lib/backends/choose.js';
import type { ProjectionProblem } from '../../lib/problem/problem.js';
import { denseStrides } from '../../lib/tensor/layout.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { TensorLike } from '../../lib/tensor/types.js';
import { expectAllClose } from '../onnx/compare.js';
import { furtherRotaryEmbeddingCases } from '../onnx/further-cases.js';
import { decode, type NdArray } from '../onnx/nd-array.js';
import { publishedCases } from '../onnx/published-cases.js';
import { drawInput } from '../onnx/random-input.js';
import { rotaryEmbeddingOracle } from '../onnx/rotary-embedding-oracle.js';
import { eachBackend } from '../support/backends.js';
import { toNumbers } from '../support/numbers.js';
import { poisoned } from '../support/poison.js';
import { Random, tensorOf } from '../support/random.js';

interface Case {
  readonly name: string;
  readonly attributes: Readonly<Record<string, number>>;
  readonly inputs: Readonly<Record<string, TensorLike>>;
  readonly expected: NdArray;
}

const random = new Random('rotation in a projection');

const published: Case[] = publishedCases('rotary-embedding').map(({ name, attributes, inputs, outputs }) => ({
  name,
  attributes,
  inputs: Object.fromEntries(inputs.map((input) => [input.name, input])),
  expected: decode(outputs[0]),
}));
const further: Case[] = furtherRotaryEmbeddingCases.map(({ name, attributes = {}, inputs: recipes }) => {
  const inputs = Object.fromEntries(
    Object.entries(recipes).map(([input, recipe]) => [input, drawInput(random, recipe)]),
  );
  const decoded = Object.fromEntries(
    Object.entries(inputs).map(([input, tensor]) => [input, decode(tensor)]),
  );
  return { name, attributes, inputs, expected: rotaryEmbeddingOracle(decoded as never, attributes) };
});

eachBackend('rotation in a projection', (backendName) => {
  for (const { name, attributes, inputs, expected } of [...published, ...further]) {
    it(name, async () => {
      const backend = chooseBackend(backendName, 'float32');
      const { input, cos_cache, sin_cache, position_ids } = inputs;
      const { type } = input;
      const flat = input.dims.length === 3;
      const [batch, steps] = flat ? input.dims : [input.dims[0], input.dims[2]];
      const heads = flat ? attributes.num_heads : input.dims[1];
      const width = flat ? input.dims[2] / heads : input.dims[3];
      const strides = denseStrides(flat ? 'bshd' : 'bhsd', heads, steps, width);
      const [rows, columns] = [batch * steps, heads * width];

      // [batch, steps, heads, width], for every layout of the case.
      const numbers = toNumbers(input);
      const x = tensorOf(type as 'float32', [rows, columns], (i) => {
        const [row, head, w] = [Math.floor(i / columns), Math.floor(i / width) % heads, i % width];
        const { batchStride, headStride, stepStride } = strides;
        return numbers[
          Math.floor(row / steps) * batchStride + head * headStride + (row % steps) * stepStride + w
        ];
      });
      const identity = tensorOf('float32', [columns, columns], (i) => (i % (columns + 1) === 0 ? 1 : 0));
      const rotated = attributes.rotary_embedding_dim || width;
      const table = (cache: TensorLike) => {
        const angles = toNumbers(cache);
        const ids = position_ids && toNumbers(position_ids);
        const pairs = rotated / 2;
        const values = Array.from({ length: rows * pairs }, (_, i) => {
          const row = Math.floor(i / pairs);
          return angles[(ids ? ids[row] : row) * pairs + (i % pairs)];
        });
        return precisionOf(backend) === 'float64' ? Float64Array.from(values) : Float32Array.from(values);
      };
      const out = poisoned(type as 'float32', input.dims);
      const problem: ProjectionProblem = {
        kind: 'projection',
        rows,
        steps,
        inner: columns,
        columns,
        input: { data: x.data, type },
        weight: { data: identity.data, type: 'float32' },
        targets: [
          {
            firstColumn: 0,
            columns,
            headWidth: width,
            view: { data: out.tensor.data, type, ...strides },
            rotation: {
              width: rotated,
              interleaved: attributes.interleaved === 1,
              rows,
              cos: table(cos_cache),
              sin: table(sin_cache),
            },
          },
        ],
      };
      await backend.solve([problem]);
      out.expectMarginsIntact();
      expectAllClose(new Tensor(out.tensor.data as Float32Array, out.tensor.dims), expected, type, 'output');
    });
  }
});
