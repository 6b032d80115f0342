/**
 * Quantised weights in safetensors files. A weight [out, in] keeps its name: for int8 it is I8 [out, in], for int4 U8
 * [out, ⌈in / 2⌉]. Its scales are beside it, F32 [out, groups], under its name with `_scale` behind it. What each is, the
 * metadata says as JSON. lib/problem/quantised-weight.ts describes the numbers.
 */
import { allocate } from '../checks/data.js';
import { type QuantisedWeight, rowSizes, type WeightForm } from '../problem/quantised-weight.js';
import type { SafetensorsFile } from '../safetensors/file.js';
import { isObject, malformed, parseJson, show } from '../safetensors/json.js';
import type { Tensor } from '../tensor/tensor.js';
import { type FloatType, floatTypes } from '../tensor/types.js';
import { StoredWeight } from './stored-weight.js';

const metadataName = 'heed.quantizedWeights';
const version = 1;

/** The form of a weight in a file, and the type that it had before. */
export interface StoredForm extends WeightForm {
  readonly was: FloatType;
}

export const scaleName = (name: string) => `${name}_scale`;

/** How a file has values and scales of a weight: element type and dims. */
export function tensorsOf(form: StoredForm): Record<'values' | 'scales', { dtype: string; dims: number[] }> {
  const { values, scales } = rowSizes(form);
  return {
    values: { dtype: form.type === 'int8' ? 'I8' : 'U8', dims: [form.columns, values] },
    scales: { dtype: 'F32', dims: [form.columns, scales] },
  };
}

/** The entry of the metadata for the quantised weights of a file. */
export function metadataOf(forms: ReadonlyMap<string, StoredForm>): [string, string] {
  const weights = Object.fromEntries(
    [...forms].map(([name, { type, columns, inner, groupSize, was }]) => [
      name,
      { type, shape: [columns, inner], ...(type === 'int4' && { groupSize }), was },
    ]),
  );
  return [metadataName, JSON.stringify({ version, weights })];
}

/** What the quantised weights of a file are, by name; none if it has none. */
export function storedForms(file: SafetensorsFile): ReadonlyMap<string, StoredForm> {
  const text = file.metadata[metadataName];
  if (text === undefined) return new Map();
  const what = `the metadata ${metadataName}`;
  const described = parseJson(Buffer.from(text), what, file.path) as Record<string, unknown>;
  if (described.version !== version)
    throw malformed(file.path, `expected version ${version} of ${what}, received ${show(described.version)}`);
  if (!isObject(described.weights))
    throw malformed(
      file.path,
      `expected weights in ${what} to be an object, received ${show(described.weights)}`,
    );
  return new Map(
    Object.entries(described.weights).map(([name, value]) => [name, readForm(file.path, name, value)]),
  );
}

function readForm(path: string, name: string, value: unknown): StoredForm {
  const wrong = (field: string, expected: string, received: unknown) =>
    malformed(
      path,
      `expected ${field} of the quantised ${show(name)} to be ${expected}, received ${show(received)}`,
    );
  if (!isObject(value))
    throw malformed(path, `expected the form of ${show(name)} to be an object, received ${show(value)}`);
  const { type, shape, groupSize, was } = value;
  if (type !== 'int8' && type !== 'int4') throw wrong('the type', '"int8" or "int4"', type);
  if (!Array.isArray(shape) || shape.length !== 2 || !shape.every((n) => Number.isSafeInteger(n) && n >= 0))
    throw wrong('the shape', 'two sizes', shape);
  const [columns, inner] = shape as number[];
  const isSize =
    typeof groupSize === 'number' && Number.isInteger(groupSize / 8) && groupSize >= 8 && groupSize <= 4096;
  if (type === 'int4' && !isSize) throw wrong('the groupSize', 'a multiple of 8 from 8 to 4096', groupSize);
  const known = floatTypes.find((floatType) => floatType === was);
  if (known === undefined) throw wrong('what it was', 'a floating-point type', was);
  return { type, columns, inner, groupSize: type === 'int8' ? inner : (groupSize as number), was: known };
}

/** Reads a tensor, or a quantised weight as what is stored, with no floating-point copy of it. */
export async function readWeight(
  file: SafetensorsFile,
  forms: ReadonlyMap<string, StoredForm>,
  name: string,
): Promise<Tensor | StoredWeight> {
  const form = forms.get(name);
  if (form === undefined) return await file.read(name);
  const { values, scales } = tensorsOf(form);
  expectTensor(file, name, values);
  expectTensor(file, scaleName(name), scales);
  const bytes = allocate('uint8', form.columns * values.dims[1], show(name)) as Uint8Array;
  await file.readBytes(name, 0, bytes);
  const weight: QuantisedWeight = {
    ...form,
    values: form.type === 'int8' ? new Int8Array(bytes.buffer) : bytes,
    scales: (await file.read(scaleName(name))).data as Float32Array,
  };
  expectWeight(file.path, name, weight);
  return new StoredWeight(weight, form.was);
}

function expectTensor(
  { path, tensors }: SafetensorsFile,
  name: string,
  { dtype, dims }: { dtype: string; dims: number[] },
): void {
  const info = tensors.get(name);
  if (info?.dtype === dtype && String(info.dims) === String(dims)) return;
  const found = info ? `${info.dtype} ${show(info.dims)}` : 'none';
  throw malformed(path, `expected the tensor ${show(name)} to be ${dtype} ${show(dims)}, found ${found}`);
}

/** What a kernel does not expect, no file gets to it. */
function expectWeight(path: string, name: string, { type, values, scales }: QuantisedWeight): void {
  const scale = scales.find((number) => !Number.isFinite(number) || (type === 'int8' && number < 0));
  if (scale !== undefined)
    throw malformed(
      path,
      `expected the scales of ${show(name)} to be finite${type === 'int8' ? ' and not negative' : ''}, received ${scale}`,
    );
  if (values instanceof Int8Array && values.includes(-128))
    throw malformed(path, `expected the values of ${show(name)} to be from -127 to 127, received -128`);
}
