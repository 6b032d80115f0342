/**
 * The memory under typed arrays of any realm. An array may carry properties of its own under the names that are asked for
 * here; the memory itself only answers to the originals.
 */

type Getter<Value> = (this: unknown) => Value;
const typedArrayPrototype: object = Object.getPrototypeOf(Uint8Array.prototype);

function intrinsic<Value>(prototype: object, property: string | symbol): Getter<Value> {
  return Object.getOwnPropertyDescriptor(prototype, property)?.get as Getter<Value>;
}

const tag = intrinsic<string | undefined>(typedArrayPrototype, Symbol.toStringTag);
const length = intrinsic<number>(typedArrayPrototype, 'length');
const buffer = intrinsic<ArrayBufferLike>(typedArrayPrototype, 'buffer');
const byteOffset = intrinsic<number>(typedArrayPrototype, 'byteOffset');
const byteLength = intrinsic<number>(typedArrayPrototype, 'byteLength');
const resizable = intrinsic<boolean>(ArrayBuffer.prototype, 'resizable');

/** 'Float32Array' and so on for a real typed array, undefined for anything else, whatever it claims to be. */
export function typedArrayName(value: unknown): string | undefined {
  return tag.call(value);
}

export function lengthOf(array: object): number {
  return length.call(array);
}

export function bufferOf(array: object): ArrayBufferLike {
  return buffer.call(array);
}

export function byteOffsetOf(array: object): number {
  return byteOffset.call(array);
}

/** The memory of an array, whatever its elements. */
export function bytesOf(array: object): Uint8Array {
  return new Uint8Array(buffer.call(array), byteOffset.call(array), byteLength.call(array));
}

/** Whether the memory could shrink. A shared buffer, which the getter throws for, can only grow. */
export function isResizable(array: object): boolean {
  try {
    return resizable.call(buffer.call(array));
  } catch {
    return false;
  }
}

export function overlaps(a: object, b: object): boolean {
  if (buffer.call(a) !== buffer.call(b)) return false;
  const startOfA = byteOffset.call(a);
  const startOfB = byteOffset.call(b);
  const endOfA = startOfA + byteLength.call(a);
  const endOfB = startOfB + byteLength.call(b);
  return Math.max(startOfA, startOfB) < Math.min(endOfA, endOfB);
}
