/** Tensors on a GPU: the machine's, or with HEED_BACKEND=cuda-emulator an emulated one. */
import assert from 'node:assert/strict';
import { deviceMemory } from '../../lib/backends/devices.js';
import { cudaStatus } from '../../lib/backends/native/native.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import type { Location, TypedArray } from '../../lib/tensor/types.js';
import { emulatedOnly } from './backends.js';

export const isEmulated = emulatedOnly;

/** The number of devices. With the emulator, there must be at least one. */
export function deviceCount(): number {
  const { devices, reason } = cudaStatus();
  if (isEmulated) assert.ok(devices.length > 0, `no emulated device: ${reason}`);
  return devices.length;
}

/** Describes a suite that runs if there is a device; absent.test.ts tests the behaviour without one. */
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

/** A device keeps as many pieces of memory for small tables as it has needed at once. */
const piece = 2 ** 16;

/** Expects that a device uses as much memory as before, except for tables. */
export function expectMemoryBack(location: Location, before: number): void {
  const grown = deviceMemory(location).used - before;
  assert.ok(grown % piece === 0 && grown <= 8 * piece, `${grown} bytes more than before`);
}
