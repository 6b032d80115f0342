/** The memory under the pages of a cache, here or on a device. */
import type { Device, DeviceArray } from '../memory/device.js';
import { lastingMemory } from '../memory/lasting.js';
import { outlierBytes, outlierPitch } from '../problem/outliers.js';
import type { StoredElements } from '../problem/problem.js';
import type { Location } from '../tensor/types.js';

/** Rows of elements, with a scale for each where the type has them, and for keys what is known of outlier channels. */
export interface Part {
  readonly elements: StoredElements;
  readonly scales?: Float32Array | DeviceArray | undefined;
  readonly outliers?: Uint8Array | DeviceArray | undefined;
}

/** Keys and values of some pages. */
export interface Slab {
  readonly keys: Part;
  readonly values: Part;
}

/** How many rows a slab has, how wide those of keys and of values are, and the bytes for outlier channels of keys. */
export interface SlabForm {
  readonly type: CacheType;
  readonly rows: number;
  readonly width: number;
  readonly valueWidth: number;
  readonly outliers: number;
}

/** The same number of rows of every head of a page: `count` times `rows` rows, `pitch` rows apart. */
export interface RowBlocks {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  readonly count: number;
  readonly pitch: number;
}

export interface SlabMemory {
  readonly location: Location;
  /** A placeholder for elements if there is no slab. */
  empty(type: CacheType): StoredElements;
  make(form: SlabForm): Slab;
  copy(from: Part, to: Part, type: CacheType, width: number, blocks: RowBlocks): void;
  /** The part in the memory of the CPU: itself, or a copy. */
  download(part: Part, type: CacheType): Promise<Part>;
  /** Writes all of a part that was downloaded. */
  upload(from: Part, to: Part): Promise<void>;
  release(part: Part): void;
}

/** One of the arrays of pages: for each page and head, as many rows as its steps take. */
export interface PageField {
  readonly name: string;
  /** The type of its elements, by its name in safetensors files. */
  readonly dtype: string;
  readonly columns: number;
  rows(steps: number): number;
  of(slab: Slab): StoredElements | undefined;
}

/** All that pages hold. */
export function fieldsOf({
  type,
  width,
  valueWidth,
}: Pick<SlabForm, 'type' | 'width' | 'valueWidth'>): PageField[] {
  const { dtype, scaled, outliers } = elementsOf[type];
  const rows = (steps: number) => steps;
  const fields: PageField[] = [
    { name: 'key', dtype, columns: width, rows, of: ({ keys }) => keys.elements },
    { name: 'value', dtype, columns: valueWidth, rows, of: ({ values }) => values.elements },
  ];
  if (!scaled) return fields;
  fields.push(
    { name: 'keyScale', dtype: 'F32', columns: 1, rows, of: ({ keys }) => keys.scales },
    { name: 'valueScale', dtype: 'F32', columns: 1, rows, of: ({ values }) => values.scales },
  );
  if (!outliers || outlierBytes(width, 1) === 0) return fields;
  const columns = outlierPitch(width);
  const outlierRows = (steps: number) => outlierBytes(width, steps) / columns;
  return [
    ...fields,
    { name: 'keyOutliers', dtype: 'U8', columns, rows: outlierRows, of: ({ keys }) => keys.outliers },
  ];
}

/** The arrays that hold elements in the memory of the CPU. */
type HostElements = Float32Array | Uint16Array | Int8Array | Uint8Array;

/** In the memory of the CPU. */
interface HostPart {
  readonly elements: HostElements;
  readonly scales?: Float32Array | undefined;
  readonly outliers?: Uint8Array | undefined;
}

/** On a device. */
interface DevicePart {
  readonly elements: DeviceArray;
  readonly scales?: DeviceArray | undefined;
  readonly outliers?: DeviceArray | undefined;
}

const arraysOf = ({ elements, scales, outliers }: DevicePart): DeviceArray[] =>
  [elements, scales, outliers].filter((array) => array !== undefined);

/** In whole cache lines, so that what follows is aligned. */
function partBytes({ type, rows }: SlabForm, width: number, outliers: number): number {
  const { bytes, scaled } = elementsOf[type];
  return Math.ceil((rows * (width * bytes + (scaled ? 4 : 0)) + outliers) / 64) * 64;
}

/** Outliers and scales come first, so that they are aligned whatever follows. */
function makePart(
  { type, rows }: SlabForm,
  width: number,
  outliers: number,
  memory: ArrayBuffer,
  start: number,
): HostPart {
  const { array, scaled } = elementsOf[type];
  const scales = scaled ? new Float32Array(memory, start + outliers, rows) : undefined;
  return {
    elements: new array(memory, start + outliers + (scales?.byteLength ?? 0), rows * width),
    scales,
    outliers: outliers > 0 ? new Uint8Array(memory, start, outliers) : undefined,
  };
}

/** In the memory of the CPU, which the garbage collector releases. */
export const hostSlabs: SlabMemory = {
  location: 'cpu',
  empty: (type) => new elementsOf[type].array(new ArrayBuffer(0)),
  make(form) {
    const { width, valueWidth, outliers } = form;
    const start = partBytes(form, width, outliers);
    const memory = lastingMemory(start + partBytes(form, valueWidth, 0), 'pages of a cache');
    return {
      keys: makePart(form, width, outliers, memory, 0),
      values: makePart(form, valueWidth, 0, memory, start),
    };
  },
  copy(source, target, _, width, { from, to, rows, count, pitch }) {
    const [read, written] = [source, target] as [HostPart, HostPart];
    for (let block = 0; block < count; block++) {
      const first = from + block * pitch;
      const at = to + block * pitch;
      written.elements.set(read.elements.subarray(first * width, (first + rows) * width), at * width);
      if (read.scales) written.scales?.set(read.scales.subarray(first, first + rows), at);
      if (read.outliers) {
        const [ofHead, copied] = [outlierBytes(width, pitch), outlierBytes(width, rows)];
        const start = (first / pitch) * ofHead;
        written.outliers?.set(read.outliers.subarray(start, start + copied), (at / pitch) * ofHead);
      }
    }
  },
  download: (part) => Promise.resolve(part),
  upload: () => Promise.resolve(),
  release() {
    // The garbage collector does.
  },
};

/**
 * On a device, in the order of its stream, because operations that were started before may still need
 * released memory.
 */
export function deviceSlabs(device: Device): SlabMemory {
  let empty: DeviceArray | undefined;

  function make({ type, rows }: SlabForm, width: number, outliers: number): DevicePart {
    const { bytes, scaled } = elementsOf[type];
    const made: DeviceArray[] = [];
    const allocate = (size: number) => {
      const array = device.allocate(size);
      made.push(array);
      return array;
    };
    try {
      return {
        elements: allocate(rows * width * bytes),
        scales: scaled ? allocate(rows * 4) : undefined,
        outliers: outliers > 0 ? allocate(outliers) : undefined,
      };
    } catch (error) {
      for (const array of made) array.release();
      throw error;
    }
  }

  function copyRows(
    from: DeviceArray | undefined,
    to: DeviceArray | undefined,
    { from: first, to: at, rows, count, pitch }: RowBlocks,
    bytesOf: (rows: number) => number,
  ): void {
    if (from === undefined || to === undefined || rows === 0) return;
    const block = bytesOf(pitch);
    const place = (array: DeviceArray, row: number) => ({
      array,
      offset: (row / pitch) * block,
      pitch: block,
    });
    device.copy(place(from, first), place(to, at), bytesOf(rows), count);
  }

  return {
    location: device.location,
    empty() {
      empty ??= device.allocate(0);
      return empty;
    },
    make(form) {
      const keys = make(form, form.width, form.outliers);
      try {
        return { keys, values: make(form, form.valueWidth, 0) };
      } catch (error) {
        for (const array of arraysOf(keys)) array.release();
        throw error;
      }
    },
    copy(source, target, type, width, blocks) {
      const [read, written] = [source, target] as [DevicePart, DevicePart];
      const row = width * elementsOf[type].bytes;
      copyRows(read.elements, written.elements, blocks, (rows) => rows * row);
      copyRows(read.scales, written.scales, blocks, (rows) => rows * 4);
      copyRows(read.outliers, written.outliers, blocks, (rows) => outlierBytes(width, rows));
    },
    async download(part, type) {
      const { elements, scales, outliers } = part as DevicePart;
      const copy = {
        elements: new elementsOf[type].array(new ArrayBuffer(elements.byteLength)),
        scales: scales && new Float32Array(scales.byteLength / 4),
        outliers: outliers && new Uint8Array(outliers.byteLength),
      };
      await device.download(elements, copy.elements);
      if (scales && copy.scales) await device.download(scales, copy.scales);
      if (outliers && copy.outliers) await device.download(outliers, copy.outliers);
      return copy;
    },
    async upload(from, to) {
      const [read, written] = [from as HostPart, to as DevicePart];
      await device.upload(read.elements, written.elements);
      if (read.scales && written.scales) await device.upload(read.scales, written.scales);
      if (read.outliers && written.outliers) await device.upload(read.outliers, written.outliers);
    },
    release(part) {
      for (const array of arraysOf(part as DevicePart)) array.release();
    },
  };
}

/**
 * int8 and float8 hold each row, the elements of one step and head, as multiples of a float32 scale: integers up to 127, or
 * numbers of E4M3 (Open Compute Project, "OFP8") up to 448, which the largest magnitude of the row becomes.
 */
export type CacheType = 'float32' | 'float16' | 'bfloat16' | 'int8' | 'float8';

export const cacheTypes: readonly CacheType[] = ['float32', 'float16', 'bfloat16', 'int8', 'float8'];

interface ElementKind {
  /** A constructor of typed arrays, by the one way to call it that all have in common. */
  readonly array: new (
    memory: ArrayBuffer,
    start?: number,
    length?: number,
  ) => HostElements;
  readonly bytes: number;
  /** Their type in safetensors files. */
  readonly dtype: string;
  /** Whether each row has a scale. */
  readonly scaled: boolean;
  /** Whether keys may have outlier channels. Numbers of E4M3 are as exact beside large ones as without. */
  readonly outliers: boolean;
}

export const elementsOf: Readonly<Record<CacheType, ElementKind>> = {
  float32: { array: Float32Array, bytes: 4, dtype: 'F32', scaled: false, outliers: false },
  float16: { array: Uint16Array, bytes: 2, dtype: 'F16', scaled: false, outliers: false },
  bfloat16: { array: Uint16Array, bytes: 2, dtype: 'BF16', scaled: false, outliers: false },
  int8: { array: Int8Array, bytes: 1, dtype: 'I8', scaled: true, outliers: true },
  float8: { array: Uint8Array, bytes: 1, dtype: 'F8_E4M3', scaled: true, outliers: false },
};
