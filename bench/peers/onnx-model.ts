/**
 * Encodes ONNX models as bytes for onnxruntime. Writes only the fields of onnx.proto3 that the models of the
 * benchmark and of examples/language-model need.
 */

/** Data types as TensorProto numbers them. */
const dataTypes = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10 } as const;

/** @template Length string where a name may stand for a length that every run chooses */
export interface Value<Length extends number | string = number> {
  readonly name: string;
  readonly type: keyof typeof dataTypes;
  readonly dims: readonly Length[];
}

export interface Node {
  readonly operator: string;
  /** '' for the operators of ONNX itself. */
  readonly domain: '' | 'com.microsoft';
  /** '' omits an optional input. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Integers, unless marked as floats. */
  readonly attributes?: Readonly<Record<string, number | { readonly float: number }>>;
}

export interface Graph<Length extends number | string = number> {
  readonly nodes: readonly Node[];
  readonly inputs: readonly Value<Length>[];
  readonly outputs: readonly Value<Length>[];
  /** Weights, of the type of their array. */
  readonly constants?: readonly {
    readonly name: string;
    readonly dims: readonly number[];
    readonly data: Float32Array | Int8Array | Uint8Array;
  }[];
}

/** Numbers are varints, unless they are floats; text, bytes and messages have a length prefix. */
type Field = readonly [number: number, value: number | { readonly float: number } | string | Uint8Array];

/** Negative numbers are those of 64 bits with the same last digits. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}

function message(...fields: readonly Field[]): Uint8Array {
  const parts = fields.flatMap(([number, value]) => {
    if (typeof value === 'number') return [Uint8Array.from([...varint(number * 8), ...varint(value)])];
    if (typeof value === 'object' && 'float' in value) {
      return [Uint8Array.from(varint(number * 8 + 5)), new Uint8Array(Float32Array.of(value.float).buffer)];
    }
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    return [Uint8Array.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes];
  });
  return Buffer.concat(parts);
}

function repeated<Item>(number: number, items: readonly Item[], encode: (item: Item) => Field[1]): Field[] {
  return items.map((item) => [number, encode(item)]);
}

const attributeTypes = { float: 1, integer: 2 };

function attributeProto([name, value]: [string, number | { readonly float: number }]): Uint8Array {
  return typeof value === 'number'
    ? message([1, name], [3, value], [20, attributeTypes.integer])
    : message([1, name], [2, value], [20, attributeTypes.float]);
}

function nodeProto({ operator, domain, inputs, outputs, attributes = {} }: Node): Uint8Array {
  return message(
    ...repeated(1, inputs, String),
    ...repeated(2, outputs, String),
    [4, operator],
    ...repeated(5, Object.entries(attributes), attributeProto),
    [7, domain],
  );
}

function valueInfoProto({ name, type, dims }: Value<number | string>): Uint8Array {
  const shape = message(
    ...repeated(1, dims, (dim) => message(typeof dim === 'number' ? [1, dim] : [2, dim])),
  );
  return message([1, name], [2, message([1, message([1, dataTypes[type]], [2, shape])])]);
}

function dataTypeOf(data: Float32Array | Int8Array | Uint8Array): number {
  if (data instanceof Float32Array) return dataTypes.float32;
  return data instanceof Int8Array ? dataTypes.int8 : dataTypes.uint8;
}

function tensorProto({ name, dims, data }: NonNullable<Graph['constants']>[number]): Uint8Array {
  return message(
    ...repeated(1, dims, Number),
    [2, dataTypeOf(data)],
    [8, name],
    [9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)],
  );
}

/** ModelProto: the operators of opset 23, the first with Attention, and onnxruntime's own operators. */
export function onnxModel({ nodes, inputs, outputs, constants = [] }: Graph<number | string>): Uint8Array {
  const graph = message(
    ...repeated(1, nodes, nodeProto),
    [2, 'heed'],
    ...repeated(5, constants, tensorProto),
    ...repeated(11, inputs, valueInfoProto),
    ...repeated(12, outputs, valueInfoProto),
  );
  const opset = (domain: string, version: number) => message([1, domain], [2, version]);
  return message([1, 10], [7, graph], [8, opset('', 23)], [8, opset('com.microsoft', 1)]);
}
