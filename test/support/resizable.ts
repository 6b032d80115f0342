/** An ArrayBuffer of variable length: the types of ES2023 do not include this option of the constructor. */
export function resizableBuffer(byteLength: number, maxByteLength: number): ArrayBuffer {
  return Reflect.construct(ArrayBuffer, [byteLength, { maxByteLength }]);
}
