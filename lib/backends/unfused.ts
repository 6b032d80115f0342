/**
 * Attention by way of whole score matrices: the baseline for fused attention in the benchmark, the tests and the
 * demonstration. No backend has it among its problems.
 */
import type { AttentionProblem } from '../problem/problem.js';
import { atOnce } from '../time-slices.js';
import type { Backend } from './backend.js';
import { type Addon, type Buffers, callAddon } from './native/addon.js';
import { encode } from './native/encode.js';
import { type Encoded, Encoder } from './native/encoder.js';
import { nativeAddon } from './native/native.js';
import { attendUnfused } from './reference/unfused.js';

/**
 * Solves a problem that is soft and scores by products, of tensors in the memory of the CPU. Only the CPU has kernels for
 * this: the `cuda` backend solves the problem fused.
 *
 * @throws HeedError HEED_OUT_OF_MEMORY, HEED_NATIVE
 */
export function solveUnfused(backend: Backend, problem: AttentionProblem): void {
  if (backend.name === 'reference') {
    atOnce(attendUnfused(problem));
  } else if (backend.name === 'cuda') {
    backend.solveSync([problem]);
  } else {
    const { numbers, length, buffers } = encode(new Encoder(), [problem]) as Encoded<Buffers>;
    // The cpu backend exists only with the addon.
    const addon = nativeAddon() as Addon;
    callAddon(() => addon.solveUnfused(numbers, length, buffers));
  }
}
