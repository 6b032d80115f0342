/**
 * Memory that only heed can access: its ArrayBuffers are never resized, transferred or detached, so that no
 * operation needs a copy of them.
 */
import { HeedError } from '../errors.js';

const lasting = new WeakSet<ArrayBufferLike>();

/** All zeros; the operating system provides the memory when it is first written to. */
export function lastingMemory(bytes: number, name: string): ArrayBuffer {
  try {
    const buffer = new ArrayBuffer(bytes);
    lasting.add(buffer);
    return buffer;
  } catch (error) {
    throw new HeedError('HEED_OUT_OF_MEMORY', `Could not allocate ${bytes} bytes for ${name}`, {
      cause: error,
    });
  }
}

export function isLasting(buffer: ArrayBufferLike): boolean {
  return lasting.has(buffer);
}
