/** The `cpu` backend: it encodes problems and passes them to the addon, which computes on its own threads. */
import { throwIfAborted } from '../../abort.js';
import { allocate } from '../../checks/data.js';
import type { DeviceArray } from '../../memory/device.js';
import { workOf } from '../../problem/accesses.js';
import type { Problem } from '../../problem/problem.js';
import { hostElements } from '../../tensor/elements.js';
import type { Numbers } from '../../tensor/types.js';
import { type Backend, isQuantised } from '../backend.js';
import { type Addon, type Buffers, callAddon } from './addon.js';
import { CallingThread } from './calling-thread.js';
import { encode } from './encode.js';
import { type Encoded, Encoder, typeNumber } from './encoder.js';
import type { Operations } from './operations.js';
import { PackedPanels } from './packed-panels.js';
import { PrivateCopies } from './private-copies.js';

/** The number of the CPU among devices. */
const cpu = -1;

/** The host arrays that have to come back from a device: the CPU writes to them where they are. */
const noneToFetch: readonly number[] = [];

/** The cost of copying a byte into new memory, in multiplications of all threads. See `bench/NOTES.md`. */
const copying = 24;

class CpuBackend implements Backend {
  readonly name = 'cpu';
  readonly location = 'cpu';
  readonly allocate = allocate;
  readonly #addon: Addon;
  readonly #operations: Operations;
  readonly #pins: boolean;
  readonly #callingThread: CallingThread;
  readonly #encoder = new Encoder();

  constructor(addon: Addon, operations: Operations) {
    this.#addon = addon;
    this.#operations = operations;
    this.#pins = addon.pins();
    this.#callingThread = new CallingThread(addon.instructionSet());
  }

  supports(type: string): boolean {
    return type === 'float32' || type === 'float16' || type === 'bfloat16';
  }

  expectComputable(): void {
    // All scores and selections.
  }

  expectEpilogues(): void {
    // All of them.
  }

  expectQuantised(): void {
    // All types.
  }

  table<Table extends Numbers | DeviceArray>(numbers: Table): Table {
    return numbers;
  }

  place(numbers: Numbers): Numbers {
    return numbers;
  }

  solve(problems: readonly Problem[], signal?: AbortSignal): Promise<void> {
    // A signal may abort until the promise settles, so such an operation always runs on a thread of the pool.
    const work = workOf(problems);
    if (signal === undefined && this.#callingThread.takes(work)) return this.#solveAtOnce(problems);
    const { numbers, length, buffers } = this.#encode(problems);
    const copies = PrivateCopies.of(buffers, this.#pins);
    // Copying would hold up the event loop for longer than solving.
    if (copies !== undefined && work <= copies.bytes * copying)
      return this.#solveAtOnce(problems).then(() => throwIfAborted(signal));
    const memory = copies?.substitute(buffers) ?? buffers;
    const finish = copies && (() => copies.restore(problems));
    return new Promise((resolve, reject) => {
      this.#operations.add({ resolve, reject, memory, signal, finish }, (onEnd) =>
        this.#addon.solve(numbers, length, memory, cpu, noneToFetch, onEnd),
      );
    });
  }

  solveSync(problems: readonly Problem[]): void {
    const { numbers, length, buffers } = this.#encode(problems);
    const alone = this.#callingThread.worksAlone(workOf(problems));
    callAddon(() => this.#addon.solveSync(numbers, length, buffers, alone, cpu, noneToFetch));
  }

  #solveAtOnce(problems: readonly Problem[]): Promise<void> {
    try {
      this.solveSync(problems);
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  packWeight(weight: Parameters<Backend['packWeight']>[0]): PackedPanels {
    const { type, columns, inner } = weight;
    const addon = this.#addon;
    return callAddon(() => {
      const external = isQuantised(weight)
        ? addon.packWeight(weight.values, typeNumber(type), columns, inner, weight.scales, weight.groupSize)
        : addon.packWeight(hostElements(weight.data), typeNumber(type), columns, inner);
      return new PackedPanels(addon, external, columns, inner);
    });
  }

  /** The choice of this backend implies that no argument is on a device. */
  #encode(problems: readonly Problem[]): Encoded<Buffers> {
    return encode(this.#encoder, problems) as Encoded<Buffers>;
  }
}

export function cpuBackend(addon: Addon, operations: Operations): Backend {
  return new CpuBackend(addon, operations);
}
