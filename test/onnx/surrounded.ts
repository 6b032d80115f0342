/** Inputs inside larger memory full of NaN, which reveals reads and writes out of bounds. */
import assert from 'node:assert/strict';
import type { TensorLike } from '../../lib/tensor/types.js';

export interface Surrounded {
  readonly tensor: TensorLike;
  /** Throws if the input or the memory around it has changed. */
  expectUntouched(): void;
}

export function surrounded({ type, dims, data }: TensorLike): Surrounded {
  const margin = 64;
  const memory = new Uint8Array(margin + data.byteLength + margin).fill(0xff);
  memory.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), margin);
  const before = memory.slice();
  const View = data.constructor as new (
    buffer: ArrayBuffer,
    byteOffset: number,
    length: number,
  ) => Float32Array;
  return {
    tensor: { type, dims, data: new View(memory.buffer, margin, data.length) },
    expectUntouched: () => assert.ok(Buffer.from(before).equals(memory), 'an input has changed'),
  };
}
