/** Tensors on a GPU: that of the machine, or with HEED_BACKEND=cuda-emulator one that is emulated. */
import assert from 'node:assert/strict';
import { deviceMemory } from '../../lib/backends/devices.js';
import { cudaStatus } from '../../lib/backends/native/native.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import type { Location, TypedArray } from '../../lib/tensor/types.js';
import { emulatedOnly } from './backends.js';

export const isEmulated = emulatedOnly;

/** How many devices there are. Asked for the emulator, there has to be one. */
export function deviceCount(): number {
  const { devices, reason } = cudaStatus();
  if (isEmulated) assert.ok(devices.length > 0, `no emulated device: ${reason}`);
  return devices.length;
}

/** Describes a suite where there is a device to run it on; what holds without one is tested in absent.test.ts. */
export function onDevice(title: string, suite: (location: Location) => void): void {
  if (deviceCount() > 0) describe(`${title}, on cuda:0`, () => suite('cuda:0'));
}

export async function toDevice<Tensors extends readonly Tensor[]>(
  tensors: Tensors,
  location: Location = 'cuda',
): Promise<{ [Key in keyof Tensors]: Tensor }> {
  const copies = await Promise.all(tensors.map((tensor) => tensor.to(location)));
  return copies as { [Key in keyof Tensors]: Tensor };
}

export async function sameElements(actual: Tensor, expected: TypedArray): Promise<void> {
  assert.deepEqual(await actual.getData(), expected);
}

/** For the small tables of operations a device keeps as many pieces of memory as it has needed at once. */
const piece = 2 ** 16;

/** As much of a device's memory is used as was before, but for tables. */
export function expectMemoryBack(location: Location, before: number): void {
  const grown = deviceMemory(location).used - before;
  assert.ok(grown % piece === 0 && grown <= 8 * piece, `${grown} bytes more than before`);
}
