/**
 * Attention by way of whole score matrices: what fused attention is measured against, in the benchmark, the tests and the
 * demonstration. No backend has it among its problems.
 */
import type { Backend } from './backend.js';
import type { Addon, Buffers } from './native/addon.js';
import { encode } from './native/encode.js';
import { type Encoded, Encoder } from './native/encoder.js';
import { ask } from './native/errors.js';
import { nativeAddon } from './native.js';
import type { AttentionProblem } from './problem.js';
import { attendUnfused } from './reference/unfused.js';
import { atOnce } from './turns.js';

/**
 * Soft attention that scores by products, of tensors in the memory of the CPU. Kernels for this exist on the CPU alone: the
 * `cuda` backend solves the problem fused.
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
    // The backend is the addon's.
    const addon = nativeAddon() as Addon;
    ask(() => addon.solveUnfused(numbers, length, buffers));
  }
}
