/**
 * OpenBLAS, in a separate process: heed_openblas, which bench/setup.mjs builds if the library is installed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { ProjectionInputs, ProjectionShape } from '../contests/projection-shape.js';
import { toolFolder } from '../limits.js';
import type { Contestant } from '../row.js';

/** Reads the given number of bytes at a time. */
function reader(stream: Readable): (bytes: number) => Promise<ArrayBuffer> {
  const chunks = stream[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  return async (bytes) => {
    while (rest.length < bytes) {
      const { value, done } = await chunks.next();
      if (done) throw new Error('heed_openblas has ended before its time');
      rest = Buffer.concat([rest, value as Buffer]);
    }
    const taken = Uint8Array.from(rest.subarray(0, bytes));
    rest = rest.subarray(bytes);
    return taken.buffer;
  };
}

function bytesOf(data: Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** undefined if OpenBLAS is not installed. */
export async function openBlas(
  { rows, inner, columns }: ProjectionShape,
  { input, weight }: ProjectionInputs,
  threads: number,
): Promise<Contestant | undefined> {
  const tool = join(toolFolder, 'heed_openblas');
  if (!existsSync(tool)) return undefined;
  const child = spawn(tool, [rows, inner, columns].map(String), {
    stdio: ['pipe', 'pipe', 'inherit'],
    // The shortest time for which its threads may spin, 2⁴ cycles.
    env: { ...process.env, OPENBLAS_NUM_THREADS: String(threads), OPENBLAS_THREAD_TIMEOUT: '4' },
  });
  child.stdin.write(bytesOf(input));
  child.stdin.write(bytesOf(weight));
  const read = reader(child.stdout);
  const output = new Float32Array(await read(4 * rows * columns));
  return {
    run: async () => {
      child.stdin.write('.');
      return new Float64Array(await read(8))[0];
    },
    result: () => output,
    dispose: async () => {
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}
