/**
 * The `cuda` backend. Operations whose memory is all on the device are enqueued without waiting; host memory
 * is copied to the device before the operation, and back after it.
 */
import { HeedError } from '../../errors.js';
import { type DeviceArray, isOnDevice } from '../../memory/device.js';
import { writtenBy } from '../../problem/accesses.js';
import type { PackedHandle, Problem } from '../../problem/problem.js';
import type { QuantisedType } from '../../problem/quantised-weight.js';
import { bytesPerElement, type Location, type Numbers, type TensorType } from '../../tensor/types.js';
import { type Backend, isQuantised, type ScoringKinds } from '../backend.js';
import { type Addon, type Buffers, callAddon } from './addon.js';
import { type CudaDevice, DeviceTables, encodeForDevice } from './cuda-device.js';
import { type Encoded, Encoder } from './encoder.js';
import type { Operations } from './operations.js';
import { PrivateCopies } from './private-copies.js';

/** A weight on a device, not repacked: kernels read it in rows. */
class DeviceWeight implements PackedHandle {
  readonly backend = 'cuda';
  readonly byteLength: number;

  constructor(
    readonly data: DeviceArray,
    readonly type: TensorType,
    readonly columns: number,
    readonly inner: number,
  ) {
    this.byteLength = data.byteLength;
  }

  get location(): Location {
    return this.data.device.location;
  }

  dispose(): void {
    this.data.release();
  }
}

function unsupported(what: string, instead = "use backend 'cpu'"): HeedError {
  return new HeedError('HEED_UNSUPPORTED', `The cuda backend does not support ${what} yet; ${instead}`);
}

/** Kernels of hard selections read keys and values as queries, and those of cosines read no scales. */
function expectStoredTypes(problem: Problem): void {
  if (problem.kind !== 'attention') return;
  const { query, key, value, scoring } = problem;
  const hard = scoring.select.kind === 'hard' || scoring.select.kind === 'drawn';
  if (hard && (key.type !== query.type || value.type !== query.type))
    throw unsupported('hard selections over caches of another type than the queries');
  if (scoring.score.kind === 'cosine' && (key.type === 'int8' || key.type === 'float8'))
    throw unsupported(`cosines over caches of ${key.type}`);
}

/** The host arrays among the buffers that are copied back. */
function indicesOfWritten(buffers: Buffers, problems: readonly Problem[]): number[] {
  const arrays = writtenBy(problems);
  return buffers.flatMap((buffer, i) => (ArrayBuffer.isView(buffer) && arrays.has(buffer) ? [i] : []));
}

class CudaBackend implements Backend {
  readonly name = 'cuda';
  readonly location: Location;
  readonly #addon: Addon;
  readonly #operations: Operations;
  readonly #device: CudaDevice;
  readonly #tables: DeviceTables;
  readonly #pins: boolean;
  readonly #encoder = new Encoder();

  constructor(addon: Addon, operations: Operations, device: CudaDevice) {
    this.#addon = addon;
    this.#operations = operations;
    this.#device = device;
    this.#tables = new DeviceTables(device);
    this.#pins = addon.pins();
    this.location = device.location;
  }

  supports(type: string): boolean {
    return type === 'float32' || type === 'float16' || type === 'bfloat16';
  }

  expectComputable({ score, selection }: ScoringKinds): void {
    if (score === 'location' || score === 'additive') throw unsupported(`scores of type '${score}'`);
    if (selection === 'local') throw unsupported(`the selection '${selection}'`);
  }

  expectEpilogues(what: string): never {
    throw unsupported(what);
  }

  expectQuantised(type: QuantisedType): never {
    throw unsupported(
      `weights of type '${type}'`,
      "use weights of 'float16' or 'bfloat16', or backend 'cpu'",
    );
  }

  allocate(type: TensorType, size: number): DeviceArray {
    return this.#device.allocate(size * bytesPerElement[type]);
  }

  table(numbers: Numbers | DeviceArray): DeviceArray {
    return isOnDevice(numbers) ? numbers : this.#tables.place(numbers);
  }

  place(numbers: Numbers): DeviceArray {
    return this.#device.place(numbers);
  }

  packWeight(weight: Parameters<Backend['packWeight']>[0]): DeviceWeight {
    if (isQuantised(weight)) this.expectQuantised(weight.type);
    const { data, type, columns, inner } = weight;
    return new DeviceWeight(this.#device.place(data), type, columns, inner);
  }

  solve(problems: readonly Problem[], signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const encoded = this.#encode(problems);
      const { numbers, length, buffers } = encoded;
      if (!buffers.some(ArrayBuffer.isView)) {
        this.#device.enqueue(encoded);
        resolve();
        return;
      }
      const copies = PrivateCopies.of(buffers, this.#pins);
      const memory = copies?.substitute(buffers) ?? buffers;
      const finish = copies && (() => copies.restore(problems));
      const written = indicesOfWritten(buffers, problems);
      this.#operations.add({ resolve, reject, memory, signal, finish }, (onEnd) =>
        this.#addon.solve(numbers, length, memory, this.#device.index, written, onEnd),
      );
    });
  }

  solveSync(problems: readonly Problem[]): void {
    const encoded = this.#encode(problems);
    const { numbers, length, buffers } = encoded;
    const { index } = this.#device;
    if (!buffers.some(ArrayBuffer.isView)) {
      this.#device.enqueue(encoded);
      return;
    }
    const written = indicesOfWritten(buffers, problems);
    callAddon(() => this.#addon.solveSync(numbers, length, buffers, false, index, written));
  }

  /** The buffers, with the addon's handles of device memory. */
  #encode(problems: readonly Problem[]): Encoded<Buffers> {
    for (const problem of problems) expectStoredTypes(problem);
    return encodeForDevice(this.#encoder, problems);
  }
}

export function cudaBackend(addon: Addon, operations: Operations, device: CudaDevice): Backend {
  return new CudaBackend(addon, operations, device);
}
