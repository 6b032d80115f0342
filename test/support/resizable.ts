/** An ArrayBuffer that can grow and shrink: a constructor's option that the types of ES2023 do not know. */
export function resizableBuffer(byteLength: number, maxByteLength: number): ArrayBuffer {
  return Reflect.construct(ArrayBuffer, [byteLength, { maxByteLength }]);
}
