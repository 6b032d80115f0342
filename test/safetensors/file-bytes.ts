/** Safetensors files assembled by hand, valid or invalid. */

export function fileBytes(header: string, data: Uint8Array = new Uint8Array(), length?: bigint): Buffer {
  const text = Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(text.length));
  return Buffer.concat([prefix, text, data]);
}

/** The header of one tensor. */
export function entry(dtype: unknown, shape: unknown, offsets: unknown): object {
  return { dtype, shape, data_offsets: offsets };
}
