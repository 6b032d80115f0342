/** Good calls of all Tensor methods, and of what makes views of a tensor. */
import { splitHeads } from '../../lib/attention/split-heads.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { TypedArray } from '../../lib/tensor/types.js';
import type { Expected } from './attention-model.js';
import { floatArray, floatTensorOf, loosely, maybe } from './good-values.js';
import { type Draw, pick } from './hostile-values.js';
import type { Target } from './outcome.js';
import * as model from './tensor-model.js';
import { expect } from './tensor-model.js';

const types = ['float32', 'float16', 'bfloat16', 'float64', 'bool', 'uint8', 'int32', 'int64'];

const typeOfArray: Record<string, string> = {
  Float32Array: 'float32',
  Float64Array: 'float64',
  Float16Array: 'float16',
  Uint8Array: 'bool',
  Int32Array: 'int32',
  BigInt64Array: 'int64',
};

function constructorModel(args: readonly unknown[]): Expected {
  if (typeof args[0] === 'string') {
    const [type, data, dims] = args;
    return model.tensor({ type, data, dims });
  }
  const [data, dims] = args;
  const type = typeOfArray[Object.prototype.toString.call(data).slice(8, -1)];
  expect(ArrayBuffer.isView(data) && type !== undefined, 'an array that tells its type');
  return model.tensor({ type, data, dims });
}

function readDims(value: unknown): number[] {
  const dims = model.list(value);
  expect(dims.length <= 8, 'at most eight axes');
  return model.integers(dims, dims.length, 0, Number.MAX_SAFE_INTEGER);
}

function readType(value: unknown): string {
  expect(types.includes(value as string), 'a type');
  return value as string;
}

const product = (dims: readonly number[]) => dims.reduce((size, length) => size * length, 1);

function zerosModel([type, dims, location]: readonly unknown[]): Expected {
  const lengths = readDims(dims);
  expect(location === undefined || location === 'cpu', 'a location');
  const size = product(lengths);
  expect(size <= 2 ** 20, 'a size that was worth a try');
  return { type: readType(type), dims: lengths, values: new Float64Array(size) };
}

const source = (draw: Draw) => new Tensor(floatArray(draw, 12), [3, 4]);

/** The conversion of a number to an integer type or bool. */
function castNumber(value: number, type: string): number {
  if (type === 'bool') return value === 0 ? 0 : 1;
  if (type === 'uint8') return Math.min(Math.max(Math.trunc(value), 0), 255);
  return type.startsWith('int') ? Math.trunc(value) : value;
}

/** Calls a method of a tensor with any arguments. */
function method(tensor: Tensor, name: 'cast' | 'reshape' | 'to', args: readonly unknown[]): unknown {
  return loosely(tensor[name].bind(tensor))(...args);
}

function splitArguments(draw: Draw): unknown[] {
  const [keyValueHeads, group, width, valueWidth] = [2, 2, 5, 5].map((most) => 1 + draw.below(most));
  const heads = keyValueHeads * group;
  const others = draw.below(2) === 0;
  const columns = (heads + keyValueHeads) * width + keyValueHeads * (others ? valueWidth : width);
  const rows = draw.below(2) === 0 ? [draw.below(4)] : [draw.below(3), draw.below(4)];
  const options = {
    heads,
    ...(group > 1 ? { keyValueHeads } : maybe(draw, 'keyValueHeads', () => keyValueHeads)),
    ...maybe(draw, 'width', () => width),
    ...(others ? { valueWidth } : {}),
  };
  return [floatTensorOf(draw, [...rows, columns]), options];
}

function splitModel([product, given]: readonly unknown[]): Record<string, Expected> {
  const { dims, values } = model.floatTensor(product);
  expect(dims.length === 2 || dims.length === 3, 'tokens, or batch and steps');
  expect(given !== undefined, 'options');
  const {
    heads,
    keyValueHeads = heads,
    ...widths
  } = model.options(given, [...['heads', 'keyValueHeads', 'width', 'valueWidth']]);
  const columns = dims[dims.length - 1];
  expect(model.isInteger(heads, 1, columns) && model.isInteger(keyValueHeads, 1, heads), 'heads');
  const { valueWidth: own } = widths;
  expect(own === undefined || model.isInteger(own, 1, 576), 'a width of values');
  const width =
    widths.width ??
    (own === undefined
      ? columns / (heads + 2 * keyValueHeads)
      : (columns - keyValueHeads * own) / (heads + keyValueHeads));
  expect(model.isInteger(width, 1, 576), 'a width');
  const valueWidth = own ?? width;
  const parts = { query: heads * width, key: keyValueHeads * width, value: keyValueHeads * valueWidth };
  expect(parts.query + parts.key + parts.value === columns, 'columns for all');
  const part = (first: number, count: number, across: number): Expected => ({
    type: 'float64',
    dims: [...dims.slice(0, -1), across, count / across],
    values: values.filter((_, i) => i % columns >= first && i % columns < first + count),
  });
  return {
    query: part(0, parts.query, heads),
    key: part(parts.query, parts.key, keyValueHeads),
    value: part(parts.query + parts.key, parts.value, keyValueHeads),
  };
}

/** The elements of a view, row by row, in a type that represents them all. */
function dense(view: unknown): Tensor {
  const { dims, values } = model.operand(view);
  return new Tensor(Float64Array.from(values), dims);
}

export function tensorTargets(draw: Draw): Target[] {
  const results = (result: unknown) => ({ output: result });
  const output = (expected: Expected) => ({ output: expected });
  const tensor = source(draw);
  const values = Float64Array.from(tensor.data as Float32Array);
  const same = { type: 'float32', dims: [3, 4], values };
  return [
    {
      name: 'new Tensor',
      arguments: () => {
        const data: TypedArray = floatArray(draw, 6);
        return draw.below(2) === 0 ? [data, [2, 3]] : ['float32', data, [2, 3]];
      },
      call: (args) => Reflect.construct(Tensor, args),
      model: (args) => output(constructorModel(args)),
      results,
    },
    {
      name: 'Tensor.zeros',
      arguments: () => [pick(draw, types), [2, 3, 4], ...(draw.below(2) === 0 ? ['cpu'] : [])],
      call: (args) => loosely(Tensor.zeros)(...args),
      model: (args) => output(zerosModel(args)),
      results,
    },
    {
      name: 'tensor.cast',
      arguments: () => [pick(draw, types)],
      call: (args) => method(tensor, 'cast', args),
      model: ([type]) => {
        const known = readType(type);
        return output({ ...same, type: known, values: values.map((value) => castNumber(value, known)) });
      },
      results,
    },
    {
      name: 'tensor.reshape',
      arguments: () => [pick(draw, [[12], [2, 6], [1, 12, 1], [4, 3]])],
      call: (args) => method(tensor, 'reshape', args),
      model: ([dims]) => {
        const lengths = readDims(dims);
        expect(product(lengths) === 12, 'the same size');
        return output({ ...same, dims: lengths });
      },
      results,
    },
    {
      name: 'splitHeads',
      arguments: () => splitArguments(draw),
      call: (args) => loosely(splitHeads)(...args),
      model: splitModel,
      results: (result) => {
        const { query, key, value } = result as Record<string, unknown>;
        return { query: dense(query), key: dense(key), value: dense(value) };
      },
    },
    {
      name: 'tensor.to',
      arguments: () => ['cpu'],
      call: (args) => method(tensor, 'to', args),
      model: ([location]) => {
        expect(location === 'cpu', 'a location');
        return output(same);
      },
      results,
    },
  ];
}
