/** Just enough of an n-dimensional array to write an operator's specification down: float64 inside, right-aligned broadcasting. */

export interface NdArray {
  readonly dims: readonly number[];
  readonly values: Float64Array;
  /** The elements were bool: true is 1, false 0. */
  readonly bool?: boolean;
}

/** A tensor as data: what the conformance files hold and what the operators accept. */
export interface Stored {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: ArrayLike<number | bigint>;
}

const elements = (dims: readonly number[]) => dims.reduce((product, dim) => product * dim, 1);

export function filled(dims: readonly number[], value: (index: number) => number): NdArray {
  return { dims, values: Float64Array.from({ length: elements(dims) }, (_, index) => value(index)) };
}

/** IEEE 754 binary16 and bfloat16, by their definition: sign, exponent, fraction. */
function fromBits(bits: number, exponentBits: number): number {
  const fractionBits = 15 - exponentBits;
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias);
  return sign * (1 + fraction) * 2 ** (exponent - bias);
}

export function decode({ type, dims, data }: Stored): NdArray {
  const number = (index: number) => Number(data[index]);
  switch (type) {
    case 'float16':
      return filled(dims, (index) => fromBits(number(index), 5));
    case 'bfloat16':
      return filled(dims, (index) => fromBits(number(index), 8));
    case 'bool':
      return { ...filled(dims, number), bool: true };
    default:
      return filled(dims, number);
  }
}

/** The element at an index of the broadcast array. */
export function at(array: NdArray, index: readonly number[]): number {
  let position = 0;
  const skipped = index.length - array.dims.length;
  for (const [axis, dim] of array.dims.entries()) {
    position = position * dim + (dim === 1 ? 0 : index[skipped + axis]);
  }
  return array.values[position];
}
